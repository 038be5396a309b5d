"""The encrypted store of one person, and the keys to it."""
