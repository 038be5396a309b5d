"""Data sets, one file a format; each loader returns a `Dataset` and raises `DataError`, nothing else."""
