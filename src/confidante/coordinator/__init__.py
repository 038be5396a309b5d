"""The coordinator: it picks devices, runs rounds and publishes what the sums become."""
