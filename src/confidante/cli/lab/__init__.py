"""`confidante demo` and `confidante lab ...`: train, rank and measure on simulated devices."""

from confidante.cli.lab import rehearse, simulate
from confidante.cli.lab.app import DEMO_EXAMPLES, demo
from confidante.cli.lab.options import lab

__all__ = ["DEMO_EXAMPLES", "demo", "lab", "rehearse", "simulate"]
