"""Which items score best: an exact flat scan, or an approximate graph for large libraries."""

from importlib.util import find_spec

from confidante.device.catalog.index.base import Index
from confidante.device.catalog.index.flat import FlatIndex
from confidante.models.served import ServedModel

__all__ = ["LARGE", "FlatIndex", "Index", "choose"]

LARGE = 200_000
"""Rows above which a graph answers sooner than the flat scan."""

_GRAPH_BYTES = 400  # of links and bookkeeping a row, measured


def choose(model: ServedModel, *, budget_bytes: int | None = None, above: int = LARGE) -> Index:
    """Return the index that suits `model`.

    The graph, where there are more than `above` rows, the extra `ann` is installed, and its bytes (which come
    on top of the model's) stay within `budget_bytes`, None for any; else the flat scan.
    """
    columns = sum(part.vectors.shape[1] for part in model.parts)
    graph_bytes = model.rows * (2 * (columns + 1) + _GRAPH_BYTES)
    affordable = budget_bytes is None or graph_bytes <= budget_bytes
    if model.rows > above and affordable and find_spec("usearch") is not None:
        from confidante.device.catalog.index.ann import AnnIndex

        return AnnIndex(model)
    return FlatIndex(model)
