"""How a device learns together with others: rounds, tokens, the public log, models."""
