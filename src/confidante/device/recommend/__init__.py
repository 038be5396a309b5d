"""From a history to a list, with exact reasons."""
