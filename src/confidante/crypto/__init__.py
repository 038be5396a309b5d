"""Primitives, each held to the vectors of its RFC or paper. No protocol, no I/O."""
