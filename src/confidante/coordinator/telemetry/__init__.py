"""What a coordinator says of itself: log lines and counters, none about a device."""
