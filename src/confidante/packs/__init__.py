"""Domains: what items, events, features, importers and wording a kind of app has. Found by a registry."""
