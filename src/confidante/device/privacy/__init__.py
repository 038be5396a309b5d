"""What may leave the device and what did: consents, budget, ledger, and the only socket."""
