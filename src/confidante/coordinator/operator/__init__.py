"""The operator's page: what everybody may see, and what the key allows."""
