"""Who may take part: anonymous tokens, and those who say who is given some."""
