"""Cohorts: what is popular in coarse groups of people, and each device tells nobody its own."""

from confidante.tasks.cohorts.kind import KIND

__all__ = ["KIND"]
