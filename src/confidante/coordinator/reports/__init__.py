"""What was learnt and what it cost, read from the store; nothing is changed."""
