"""Lists refined by a server that cannot read what it is asked: set-up, policy, asking, merging."""
