"""Which items score best: an exact flat scan, or an approximate graph for large libraries."""

from confidante.device.index.base import Index
from confidante.device.index.flat import FlatIndex
from confidante.models.served import ServedModel

__all__ = ["FlatIndex", "Index", "choose"]


def choose(model: ServedModel) -> Index:
    """Return the index of `model`."""
    return FlatIndex(model)
