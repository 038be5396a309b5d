"""Every message that two machines exchange, each with its limits."""
