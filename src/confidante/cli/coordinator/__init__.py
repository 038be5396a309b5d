"""`confidante coordinator ...`: what an operator runs."""

from confidante.cli.coordinator import app, care, people, results, watch
from confidante.cli.coordinator.options import coordinator

__all__ = ["app", "care", "coordinator", "people", "results", "watch"]
