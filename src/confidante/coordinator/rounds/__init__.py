"""Which sum comes next, who is in it, and how it is moved on to its end."""
