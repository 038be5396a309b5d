"""Data sets, splits, metrics, simulation, figures. May see everything; nothing sees it but the CLI."""
