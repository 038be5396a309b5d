"""Scores that a server works out for a query that it cannot read."""
