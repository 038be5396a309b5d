"""The person's page and the local API: served on the loopback address, to this machine only."""
