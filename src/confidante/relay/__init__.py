"""A relay of Oblivious HTTP (RFC 9458), which anybody can run: it sees who asks, and never what."""
