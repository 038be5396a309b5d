"""From a published model to what a server refines with: a larger catalogue, and as many columns as it likes.

Runs at a server, on public or its own data; nothing personal comes in.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import Catalogue
from confidante.crypto.he.scheme import LARGEST, MOST_DIMENSIONS
from confidante.models.factors import PICK_PART, Factors
from confidante.models.refinement.codec import encode_items
from confidante.models.refinement.model import MOST_BUCKETS, ItemSide, QueryPart, QuerySide, name_of
from confidante.models.served import ServedModel, ServedPart, quantise_part
from confidante.models.snapshot import Published, decode, encode, place

CONTENT_PART = "the server's own vectors"
CONTENT_HALF_LIFE = 3.0
CONTENT_SPREAD = 0.8
"""Spread of the scores by a server's own vectors beside the model's: as words have on a device."""


def build(
    published: Published,
    catalogue: Catalogue,
    *,
    dimensions: int = 64,
    content: NDArray[np.floating] | None = None,
    buckets: int = 0,
    seed: int = 0,
) -> tuple[QuerySide, ItemSide]:
    """Return both halves of what a server refines with.

    published: the server's model; devices may hold a narrower one (`narrowed`). catalogue: all that the
    server offers; items that the model has not met are placed by their features. dimensions: columns
    kept, those that move scores most, from 1 to 256. content: the server's own vectors of the catalogue's
    items, float [m, e], from texts or pictures. buckets: into how many the items are put, 0 for none. What
    speaks for picks is left out: it is in proportion to the prior, and devices have all of it. DataError for
    what does not fit.
    """
    if dimensions > MOST_DIMENSIONS:
        raise DataError(f"a query cannot have {dimensions} columns: keep at most {MOST_DIMENSIONS}")
    model, _ = _parted(placed(published, catalogue))
    if content is not None:
        model = model.with_part(_content(model, content))
    model = _narrow(model, dimensions)
    spread = spread_of(model)
    vectors = np.concatenate(
        [part.vectors * part.item_weights[:, None].astype(np.float64) for part in model.parts], axis=1
    )
    strengths = np.concatenate([part.strengths for part in model.parts]).astype(np.float64)
    scale = np.abs(vectors).max(axis=0)
    scale[scale == 0] = 1.0
    side = ItemSide(np.rint(vectors / scale * LARGEST).astype(np.int8))
    centroids, belongs = clustered(side.vectors, buckets, seed)
    query = QuerySide(
        catalogue,
        tuple(
            QueryPart(part.name, float(part.half_life), part.vectors, part.context_weights)
            for part in model.parts
        ),
        (strengths * scale).astype(np.float32),
        1 / LARGEST,
        spread or 1.0,
        name_of(encode_items(side)),
        centroids,
        belongs,
    )
    return query, side


def narrowed(published: Published, dimensions: int) -> Published:
    """Return a model of so many columns, those that move scores most: for devices that hold less.

    What speaks for picks stays whole, and is not counted. `snapshot.encode` of its model, catalogue and
    features gives the bytes to publish.
    """
    model, picks = _parted(published.model)
    kept = _kept(model, dimensions)
    features = published.features
    if features is not None:
        columns = kept[features.part]
        features = replace(features, axes=features.axes[:, columns]) if len(columns) else None
    narrow = _narrow(model, dimensions)
    narrow = replace(narrow, parts=(*narrow.parts, *picks))
    return decode(encode(narrow, published.catalogue, features))


def placed(published: Published, catalogue: Catalogue) -> ServedModel:
    """Return the model over another catalogue: what it has not met is placed by its features."""
    if len(catalogue) == 0:
        raise DataError("a catalogue without items refines nothing: give at least one")
    row_of: dict[str, int] = {}
    if published.catalogue is not None:
        row_of = {item: row for row, item in enumerate(published.catalogue.ids)}
    rows = np.array([row_of.get(item, -1) for item in catalogue.ids], dtype=np.int64)
    unmet = np.flatnonzero(rows < 0)
    new = place(published, catalogue.select(unmet.tolist()))
    rows[unmet] = published.model.rows + np.arange(len(unmet))
    return published.model.with_rows(new.prior, new.rows).subset(rows)


def spread_of(model: ServedModel) -> float:
    """Return the root mean square of what an event of one item adds to another, all pairs alike."""
    contexts, items = _weighted(model)
    strengths = np.concatenate([part.strengths for part in model.parts]).astype(np.float64)
    energy = (contexts.T @ contexts) * (items.T @ items) * np.outer(strengths, strengths)
    return float(np.sqrt(max(energy.sum(), 0.0))) / max(model.rows, 1)


def _parted(model: ServedModel) -> tuple[ServedModel, tuple[ServedPart, ...]]:
    """Return a model without what speaks for picks, and that."""
    picks = tuple(part for part in model.parts if part.name == PICK_PART)
    return replace(model, parts=tuple(part for part in model.parts if part.name != PICK_PART)), picks


def _weighted(model: ServedModel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what events say and what items answer, each float64 [m, all columns]."""
    if not model.parts:
        raise DataError("a model without parts refines nothing: train one first")
    vectors = [part.vectors.astype(np.float64) for part in model.parts]
    return (
        np.concatenate(
            [v * p.context_weights[:, None] for v, p in zip(vectors, model.parts, strict=True)], axis=1
        ),
        np.concatenate(
            [v * p.item_weights[:, None] for v, p in zip(vectors, model.parts, strict=True)], axis=1
        ),
    )


def _kept(model: ServedModel, dimensions: int) -> dict[str, NDArray[np.int64]]:
    """Return the columns of each part that move scores most, `dimensions` in all."""
    contexts, items = _weighted(model)
    strengths = np.concatenate([part.strengths for part in model.parts]).astype(np.float64)
    energy = (contexts**2).sum(axis=0) * (items**2).sum(axis=0) * strengths**2
    chosen = np.sort(np.argsort(-energy, kind="stable")[:dimensions])
    kept, start = {}, 0
    for part in model.parts:
        stop = start + part.vectors.shape[1]
        kept[part.name] = chosen[(chosen >= start) & (chosen < stop)] - start
        start = stop
    return kept


def _narrow(model: ServedModel, dimensions: int) -> ServedModel:
    if dimensions < 1:
        raise DataError(f"{dimensions} columns say nothing: keep 1 or more")
    kept = _kept(model, dimensions)
    return replace(
        model,
        parts=tuple(
            replace(
                part,
                vectors=np.ascontiguousarray(part.vectors[:, kept[part.name]]),
                strengths=part.strengths[kept[part.name]],
            )
            for part in model.parts
            if len(kept[part.name])
        ),
    )


def _content(model: ServedModel, vectors: NDArray[np.floating]) -> ServedPart:
    """Return a server's own vectors as a part, with the model's spread."""
    if vectors.ndim != 2 or len(vectors) != model.rows or not np.isfinite(vectors).all():
        raise DataError(f"a server's own vectors are finite, one for each of {model.rows} items")
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = np.divide(vectors, length, out=np.zeros(vectors.shape), where=length > 0).astype(np.float32)
    ones = np.ones(model.rows, dtype=np.float32)
    strengths = np.ones(rows.shape[1], dtype=np.float32)
    part = quantise_part(Factors(CONTENT_PART, rows, strengths, ones, ones, CONTENT_HALF_LIFE))
    alike = spread_of(ServedModel((part,), model.prior))
    weight = CONTENT_SPREAD * spread_of(model) / (alike or 1.0) if model.parts else 1.0
    return replace(part, item_weights=(part.item_weights * weight).astype(np.float32))


_ROUNDS = 12
_CELLS = 1 << 22  # similarities held at once
_ROOM = 1.25  # a bucket holds at most so many times its even share: answers are padded to the fullest


def clustered(
    vectors: NDArray[np.int8], buckets: int, seed: int
) -> tuple[NDArray[np.int8], NDArray[np.uint16]]:
    """Return centroids, int8 [buckets, D], and the bucket of each item, uint16 [m]; nothing for 0 buckets.

    vectors: int8 [m, D], public. The same input and seed give the same buckets at every worker: a seed says
    where the search begins, and protects nothing. DataError for more buckets than items, or than 4,096.
    """
    items, columns = vectors.shape
    if buckets == 0:
        return np.zeros((0, columns), dtype=np.int8), np.zeros(0, dtype=np.uint16)
    if not 1 <= buckets <= min(items, MOST_BUCKETS):
        raise DataError(f"{items} items go into 1 to {min(items, MOST_BUCKETS)} buckets, not {buckets}")
    rows = _unit(vectors.astype(np.float32))
    rng = np.random.default_rng(seed)
    centres = rows[np.sort(rng.choice(items, buckets, replace=False))]
    everywhere = np.ones(buckets, dtype=np.bool_)
    for _ in range(_ROUNDS):
        nearest, _ = _nearest(rows, centres, everywhere)
        order = np.argsort(nearest, kind="stable")
        filled, first = np.unique(nearest[order], return_index=True)
        centres[filled] = _unit(np.add.reduceat(rows[order], first))
    largest = np.abs(centres).max(axis=1, keepdims=True)
    rounded = np.rint(centres / np.where(largest > 0, largest, 1) * LARGEST).astype(np.int8)
    return rounded, _within(rows, centres, int(np.ceil(_ROOM * items / buckets)))


def _nearest(
    rows: NDArray[np.float32], centres: NDArray[np.float32], among: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return for each row the centre that is most like it, of those marked, and how much alike they are."""
    nearest = np.empty(len(rows), dtype=np.int64)
    alike = np.empty(len(rows), dtype=np.float32)
    step = max(1, _CELLS // len(centres))
    for start in range(0, len(rows), step):
        block = np.where(among, rows[start : start + step] @ centres.T, -np.inf)
        nearest[start : start + step] = best = np.argmax(block, axis=1)
        alike[start : start + step] = block[np.arange(len(block)), best]
    return nearest, alike


def _within(rows: NDArray[np.float32], centres: NDArray[np.float32], room: int) -> NDArray[np.uint16]:
    """Return a bucket for each item, the most alike that has room; the most decided items choose first."""
    belongs = np.empty(len(rows), dtype=np.uint16)
    left = np.full(len(centres), room, dtype=np.int64)
    waiting = np.arange(len(rows))
    while len(waiting):
        wanted, alike = _nearest(rows[waiting], centres, left > 0)
        order = np.lexsort((-alike, wanted))
        place = np.arange(len(order)) - np.searchsorted(wanted[order], wanted[order])
        fits = np.zeros(len(waiting), dtype=np.bool_)
        fits[order] = place < left[wanted[order]]
        belongs[waiting[fits]] = wanted[fits]
        left -= np.bincount(wanted[fits], minlength=len(left))
        waiting = waiting[~fits]
    return belongs


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    found: NDArray[np.float32] = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return found
