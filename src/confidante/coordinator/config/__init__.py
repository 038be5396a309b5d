"""What an operator decides, and what it asks of devices."""
