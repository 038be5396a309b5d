"""From items and a published model to rows for scoring.

Rows come from the published model where one is installed, and from the words of titles, labels and
descriptions, so that new items, and libraries that no server knows, are recommended as well. Words make lists
better where the model knows the items, too; a large library spends memory on them only for items that it
does not know.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from confidante.core.text import folded
from confidante.core.values import Item
from confidante.device.catalog.library import Library, TextSpace
from confidante.device.catalog.text import Projection, TextEncoder, fit_projection, project, text_vectors
from confidante.device.catalog.text.encoder import unit_rows
from confidante.models.factors import Factors
from confidante.models.features import feature_basis, feature_rows
from confidante.models.served import NewRows, ServedModel, ServedPart, quantise_part
from confidante.models.snapshot import Published, place
from confidante.packs.base import Pack

TEXT_PART = "words and labels"
TEXT_HALF_LIFE = 3.0
"""Events after which an event's words count half. Chosen on MovieLens-1M (validation): 1.5 to 3 are alike."""

TEXT_SPREAD = 0.8
"""Spread of the words' scores beside a model's own.

Chosen on validation parts: NDCG@10 after 10 events rises by 16 % on MovieLens-1M (600 people) and by 8 % on
100K; on the test parts by 5 % and 10 %. At half of it or less, items that the model does not know hardly
reach a list. Twice as much is better still after 10 events, but on 100K looks worse after one.
"""

FRESH = 1.5
"""What an item that the model does not know counts as a candidate, by its words and labels.

It lacks what followed what, so its scores are spread less, and of the best ten it is hardly ever one. Chosen
on the validation part of MovieLens-100K: at 1.5 new items come into lists and known ones lose nothing; at 2
known ones lose 3 % of NDCG@10.
"""

WORDS_FOR_ALL = 30_000
"""Items up to which words speak for all; beyond, only for items that the model does not know."""

DIMENSIONS = 64
"""Columns that words are shortened to."""

_SMALL = 50  # items below which what they have in common is no background to be taken off
_ENOUGH = 5000  # titles from which the mean and the axes of words are found, up to twice as many
_BLOCK = 4096  # items whose words are read at a time, to spare memory
_SAMPLE = 256  # rows that stand for all when the spread of scores is measured


def build(
    items: Sequence[Item],
    keys: NDArray[np.int64],
    removed: NDArray[np.bool_],
    published: Published | None,
    encoder: Callable[[], TextEncoder],
    pack: Pack,
) -> Library:
    """Return the library of `items`, whose numbers in the vault are `keys` (rising).

    encoder: gives what turns texts into vectors; asked for only when it is needed. pack: says what titles are
    made of, and what is read of items besides their labels.
    """
    known = np.zeros(len(items), dtype=np.bool_)
    parts: tuple[ServedPart, ...] = ()
    prior = np.zeros(len(items), dtype=np.float32)
    if published is not None:
        model, known = _placed(published, items, pack)
        parts, prior = model.parts, model.prior
    sample = np.unique(np.linspace(0, len(items) - 1, min(_SAMPLE, len(items))).astype(np.int64))
    text, said = None, _spread(parts, sample)
    speak_for = ~known if len(items) > WORDS_FOR_ALL else np.ones(len(items), dtype=np.bool_)
    if said == 0 or speak_for.any():
        words, text = _words(_worded(items, published), speak_for, encoder(), sample, said, pack)
        parts = (*parts, words)
    labels, starts, rows = _label_columns([item.labels for item in items])
    spread = _spread(parts, sample) or 1.0
    if published is not None:
        lifted = np.where(known, 1.0, FRESH).astype(np.float32)
        parts = tuple(replace(part, item_weights=part.item_weights * lifted) for part in parts)
    return Library(
        model=ServedModel(parts, prior, None if published is None else published.model.own),
        keys=keys,
        live=~removed,
        labels=labels,
        label_starts=starts,
        label_rows=rows,
        creators=_creators(items),
        spread=spread,
        text=text,
    )


def extended(
    library: Library,
    items: Sequence[Item],
    keys: NDArray[np.int64],
    published: Published | None,
    encoder: TextEncoder,
    pack: Pack,
) -> Library:
    """Return the library with new items at its end; `keys` follow its own. What is there stays as it is.

    The library has words, of the same encoder.
    """
    text = library.text
    if text is None or text.encoder != encoder.name:
        raise ValueError(
            "a library can only be extended by items with the same kind of word vectors: rebuild it"
        )
    words = _said(_worded(items, published), encoder, text, pack)
    ones = np.ones(len(items))
    new: Mapping[str, NewRows] = {TEXT_PART: NewRows(words, ones, ones * text.weight)}
    prior = np.zeros(len(items), dtype=np.float32)
    if published is not None:
        placed = place(published, pack.catalogue(items))
        prior, new = placed.prior, {**placed.rows, **new}
        new = {name: replace(rows, item_weights=rows.item_weights * FRESH) for name, rows in new.items()}
    labels, starts, rows = _with_labels(library, [item.labels for item in items])
    return Library(
        model=library.model.with_rows(prior, new),
        keys=np.concatenate((library.keys, keys)),
        live=np.concatenate((library.live, np.ones(len(items), dtype=np.bool_))),
        labels=labels,
        label_starts=starts,
        label_rows=rows,
        creators=np.concatenate((library.creators, _creators(items))),
        spread=library.spread,
        text=text,
    )


def _placed(published: Published, items: Sequence[Item], pack: Pack) -> tuple[ServedModel, NDArray[np.bool_]]:
    """Return the published model in the order of `items`, and which of them it knows."""
    row_of: dict[str, int] = {}
    if published.catalogue is not None:
        row_of = {item_id: row for row, item_id in enumerate(published.catalogue.ids)}
    rows = np.array([row_of.get(item.id, -1) for item in items], dtype=np.int64)
    known = rows >= 0
    new = place(published, pack.catalogue(items[row] for row in np.flatnonzero(~known).tolist()))
    rows[~known] = len(row_of) + np.arange(len(new.prior))
    return published.model.with_rows(new.prior, new.rows).subset(rows), known


def _worded(items: Sequence[Item], published: Published | None) -> Sequence[Item]:
    """Return the items, without titles that only repeat the id where a model speaks for items.

    An id is no words: on MovieLens with ids for titles it costs 1 to 8 % of NDCG@10.
    """
    if published is None:
        return items
    return [replace(item, title="") if item.title == item.id else item for item in items]


def _words(
    items: Sequence[Item],
    speak_for: NDArray[np.bool_],
    encoder: TextEncoder,
    sample: NDArray[np.int64],
    spread: float,
    pack: Pack,
) -> tuple[ServedPart, TextSpace]:
    """Return the part of words, which speaks for the marked items.

    The others have words as well: their events speak for the marked. spread: of the model's own parts;
    without any, words speak for all.
    """
    small = len(items) < _SMALL
    unmoved = np.zeros(encoder.dimensions, dtype=np.float32) if small else None
    some = items[:: max(1, len(items) // _ENOUGH)]
    few = text_vectors(encoder, some, unmoved, labels=False, split_title=pack.split_title)
    axes = fit_projection(few.rows, min(DIMENSIONS, encoder.dimensions)).axes
    kinds = feature_basis(pack.catalogue(items), min_items=2)
    labels = kinds.matrix[:, :-1]
    mean = np.zeros(labels.shape[1], dtype=np.float32) if small else labels.mean(axis=0)
    space = TextSpace(encoder.name, few.mean, axes, kinds.names, mean, 1.0)
    blocks = [items[start : start + _BLOCK] for start in range(0, len(items), _BLOCK)] or [items]
    words = np.concatenate([_said(block, encoder, space, pack) for block in blocks])
    weight, said = 1.0, np.ones(len(items), dtype=np.float32)
    if spread > 0:
        weight = TEXT_SPREAD * spread / (_alike(words, sample) or 1.0)
        said = (weight * speak_for).astype(np.float32)
    ones = np.ones(len(items), dtype=np.float32)
    strengths = np.ones(words.shape[1], dtype=np.float32)
    part = quantise_part(Factors(TEXT_PART, words, strengths, ones, said, TEXT_HALF_LIFE))
    return part, replace(space, weight=weight)


def _said(items: Sequence[Item], encoder: TextEncoder, space: TextSpace, pack: Pack) -> NDArray[np.float32]:
    """Return what titles and descriptions say of items, and beside it what their features say.

    float32 [items, k + labels]; either side has norm 1, or 0 where nothing is said.
    """
    vectors = text_vectors(encoder, items, space.mean, labels=False, split_title=pack.split_title)
    words = project(vectors.rows, Projection(space.axes, np.ones(space.axes.shape[1], dtype=np.float32)))
    labels = feature_rows(space.kinds, pack.catalogue(items))[:, :-1]
    labelled = labels.any(axis=1, keepdims=True)
    kinds = unit_rows(np.where(labelled, labels - space.kinds_mean, 0).astype(np.float32))
    return np.concatenate((words, kinds), axis=1)


def _label_columns(
    labels: Sequence[Sequence[str]],
) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.int64]]:
    """Return all labels, sorted, and which rows carry each (CSC)."""
    rows_of: dict[str, list[int]] = {}
    for row, carried in enumerate(labels):
        for label in dict.fromkeys(carried):
            rows_of.setdefault(label, []).append(row)
    names = tuple(sorted(rows_of))
    starts = np.cumsum([0, *(len(rows_of[name]) for name in names)], dtype=np.int64)
    return names, starts, np.array([row for name in names for row in rows_of[name]], dtype=np.int64)


def _creators(items: Sequence[Item]) -> NDArray[np.int64]:
    """Return a digest of each item's creator, however the name is written, int64 [n]; 0 where it has none."""
    digest_of = {
        name: int.from_bytes(hashlib.blake2b(folded(name).encode(), digest_size=8).digest(), signed=True) or 1
        for name in {item.creator for item in items}
    }
    digest_of[""] = 0
    return np.array([digest_of[item.creator] for item in items], dtype=np.int64)


def _with_labels(
    library: Library, labels: Sequence[Sequence[str]]
) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.int64]]:
    """Return the label columns of a library with more rows at its end."""
    names, starts, rows = _label_columns(labels)
    rows_of = dict(zip(library.labels, _cut(library.label_rows, library.label_starts), strict=True))
    for name, more in zip(names, _cut(rows + len(library), starts), strict=True):
        rows_of[name] = np.concatenate((rows_of[name], more)) if name in rows_of else more
    names = tuple(sorted(rows_of))
    starts = np.cumsum([0, *(len(rows_of[name]) for name in names)], dtype=np.int64)
    return names, starts, np.concatenate([np.zeros(0, dtype=np.int64), *(rows_of[name] for name in names)])


def _cut(rows: NDArray[np.int64], starts: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [rows[start:stop] for start, stop in pairwise(starts.tolist())]


def _spread(parts: Sequence[ServedPart], sample: NDArray[np.int64]) -> float:
    """Return the root mean square of what an event of one sampled item adds to another."""
    added = np.zeros((len(sample), len(sample)))
    for part in parts:
        vectors = part.vectors[sample].astype(np.float64)
        kernel = (vectors * part.strengths) @ vectors.T
        added += part.context_weights[sample][:, None] * kernel * part.item_weights[sample]
    return float(np.sqrt(np.mean(added**2))) if added.size else 0.0


def _alike(words: NDArray[np.float32], sample: NDArray[np.int64]) -> float:
    """Return the root mean square of the cosines between sampled items."""
    kernel = words[sample] @ words[sample].T
    return float(np.sqrt(np.mean(kernel**2))) if kernel.size else 0.0
