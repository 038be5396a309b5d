"""The model as a device holds it: 8-bit vectors, exact scores, exact reasons.

A part is a symmetric kernel: an event of item i adds

    context_weights[i] * item_weights[j] * sum_k strengths[k] * vectors[i, k] * vectors[j, k]

to the score of item j, times what the event still counts. Vectors are stored as int8; each row's scale is
folded into its two weights, and each column's strength into the column before rounding (`quantise_part`), so
that rounding errs equally in what every column adds to a score. All arithmetic here is float64 on the stored
numbers: a score and what its reasons add up to agree to about 1e-12.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.models.factors import FactoredModel, Factors, OwnHistory

LARGEST = 127
"""Largest magnitude of a stored entry: the range is symmetric."""

_FORGOTTEN = 64  # half-lives after which an event is far below the rounding of a new one: left out of queries

Rows = NDArray[np.integer]
Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True, eq=False)
class ServedPart:
    """One part: vectors int8 [n, d], strengths float32 [d], context_weights and item_weights float32 [n].

    half_life: events after which an event counts half, above 0. DataError when something does not fit or is
    not finite.
    """

    name: str
    vectors: NDArray[np.int8]
    strengths: NDArray[np.float32]
    context_weights: NDArray[np.float32]
    item_weights: NDArray[np.float32]
    half_life: float

    def __post_init__(self) -> None:
        """Refuse what could only be scored wrongly."""
        if self.vectors.ndim != 2 or self.vectors.dtype != np.int8:
            raise DataError(f"model part {self.name!r}: vectors are int8 with one row an item")
        items, columns = self.vectors.shape
        for array, size in (
            (self.strengths, columns),
            (self.context_weights, items),
            (self.item_weights, items),
        ):
            if array.shape != (size,) or array.dtype != np.float32 or not np.isfinite(array).all():
                raise DataError(
                    f"model part {self.name!r}: strengths and weights are finite float32, one a column and "
                    f"one a row of the {items} x {columns} vectors"
                )
        if not 0 < self.half_life < math.inf:
            raise DataError(f"model part {self.name!r}: a half-life of {self.half_life} events is impossible")

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        arrays = (self.vectors, self.strengths, self.context_weights, self.item_weights)
        return sum(array.nbytes for array in arrays)


@final
@dataclass(frozen=True, slots=True, eq=False)
class NewRows:
    """Rows of a part for m new items: vectors float [m, d] in the part's columns, and their weights [m]."""

    vectors: NDArray[np.floating]
    context_weights: NDArray[np.floating]
    item_weights: NDArray[np.floating]


@final
@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """Parts over the same n rows, prior float32 [n], and for repurchase data own history.

    The score of a row is its prior, plus over parts its item weight times its vector's product with the
    part's query (`queries`), plus its own points (`own_points`).
    """

    parts: tuple[ServedPart, ...]
    prior: NDArray[np.float32]
    own: OwnHistory | None = None

    def __post_init__(self) -> None:
        """Refuse parts that are of different catalogues, and names that repeat."""
        if self.prior.ndim != 1 or self.prior.dtype != np.float32 or not np.isfinite(self.prior).all():
            raise DataError("a model's prior is finite float32, one number an item")
        for part in self.parts:
            if len(part.vectors) != len(self.prior):
                raise DataError(
                    f"model part {part.name!r} does not fit a catalogue of {len(self.prior)} items"
                )
        if len({part.name for part in self.parts}) != len(self.parts):
            raise DataError("two parts of a model have the same name: give each its own")

    @property
    def rows(self) -> int:
        """Number of rows (items)."""
        return len(self.prior)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts, in the order of `queries` and `contributions`."""
        return tuple(part.name for part in self.parts)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self.prior.nbytes + sum(part.nbytes for part in self.parts)

    def queries(
        self, rows: Rows, ages: NDArray[np.floating], weights: NDArray[np.floating]
    ) -> tuple[Floats, ...]:
        """Return one query a part, float64 [d of the part].

        rows: of the events' items [e]; ages: events since, 0 or more [e]; weights: what each event counts,
        any sign [e], or in each part [e, parts]: "less like this" is an event of age 0 and negative weight.
        DataError for a row that the model does not have.
        """
        self._check(rows)
        return tuple(_query(part, rows, ages, _of_part(weights, k)) for k, part in enumerate(self.parts))

    def scores(self, rows: Rows, queries: Sequence[NDArray[np.floating]]) -> Floats:
        """Return the scores of `rows`, float64 [k]: prior and parts, without own history.

        A row has the same score, bit for bit, whatever rows it is asked for with.
        """
        self._check(rows)
        found = self.prior[rows].astype(np.float64)
        for part, query in zip(self.parts, queries, strict=True):
            # One product a row: a product of matrices sums up a row in an order that its neighbours decide.
            found += part.item_weights[rows] * np.vecdot(part.vectors[rows].astype(np.float64), query)
        return found

    def contributions(
        self, rows: Rows, ages: NDArray[np.floating], weights: NDArray[np.floating], candidates: Rows
    ) -> Floats:
        """Return what each event adds to each candidate, float64 [candidates, events, parts].

        rows, ages, weights: of the events, as in `queries`. With `prior` (and `own_points`) they add up to
        the score.
        """
        self._check(rows)
        self._check(candidates)
        shares = np.empty((len(candidates), len(rows), len(self.parts)))
        for k, part in enumerate(self.parts):
            events = part.vectors[rows].astype(np.float64) * part.strengths  # [events, d]
            products = part.vectors[candidates].astype(np.float64) @ events.T  # [candidates, events]
            products *= part.item_weights[candidates, None]
            shares[:, :, k] = products * _coefficients(part, rows, ages, _of_part(weights, k))
        return shares

    def own_points(
        self,
        rows: Rows,
        ages: NDArray[np.floating],
        candidates: Rows,
        weights: NDArray[np.floating] | None = None,
    ) -> Floats:
        """Return what each event adds to its own item by own history, float64 [candidates, events].

        Zeros where the model has no own history. weights: as in `queries`; 1 when left out.
        """
        if self.own is None:
            return np.zeros((len(candidates), len(rows)))
        points = self.own.weights(ages) * (1.0 if weights is None else weights)
        added: Floats = (candidates[:, None] == rows) * points
        return added

    def with_rows(self, prior: NDArray[np.floating], new: Mapping[str, NewRows]) -> "ServedModel":
        """Return the model with more rows at the end.

        prior: [m], of the new items; new: their rows by name of part; a part that is not named says nothing
        of them. DataError for rows that do not fit, or a part that the model does not have.
        """
        strange = set(new) - set(self.names)
        if strange:
            raise DataError(f"the model has no part {min(strange)!r}: it has {', '.join(self.names)}")
        parts = tuple(_longer(part, new.get(part.name), len(prior)) for part in self.parts)
        return ServedModel(parts, np.concatenate((self.prior, prior.astype(np.float32))), self.own)

    def with_part(self, part: ServedPart) -> "ServedModel":
        """Return the model with one more part, or with `part` in place of the one of its name."""
        return replace(self, parts=(*(p for p in self.parts if p.name != part.name), part))

    def subset(self, rows: Rows) -> "ServedModel":
        """Return the model of the given rows, in the given order."""
        self._check(rows)
        parts = tuple(
            replace(
                part,
                vectors=part.vectors[rows],
                context_weights=part.context_weights[rows],
                item_weights=part.item_weights[rows],
            )
            for part in self.parts
        )
        return ServedModel(parts, self.prior[rows], self.own)

    def _check(self, rows: Rows) -> None:
        """Refuse a row that the model does not have, before an index wraps around."""
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < self.rows:
            raise DataError(f"an item is outside the model's {self.rows} rows: refresh the catalogue")


def quantise(model: FactoredModel) -> ServedModel:
    """Return the trained model with 8-bit vectors."""
    parts = tuple(quantise_part(part) for part in model.parts)
    return ServedModel(parts, model.prior.astype(np.float32), model.own)


def quantise_part(part: Factors) -> ServedPart:
    """Return one part in 8 bits: columns are scaled by their strengths, rows by their largest entry."""
    kept = np.flatnonzero(part.strengths)
    scale = column_scale(part.strengths[kept])
    vectors, row_scale = _rounded(part.vectors[:, kept] * scale)
    return ServedPart(
        part.name,
        vectors,
        np.sign(part.strengths[kept]).astype(np.float32),
        (part.context_weights * row_scale).astype(np.float32),
        (part.item_weights * row_scale).astype(np.float32),
        part.half_life,
    )


def column_scale(strengths: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return what columns are multiplied by so that their strengths become 1 or -1."""
    scale: NDArray[np.floating] = np.sqrt(np.abs(strengths))
    return scale


def _rounded(vectors: NDArray[np.floating]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Return (int8 vectors, float64 scales) whose product is closest to `vectors`; zeros stay zeros."""
    largest = np.abs(vectors).max(axis=1, initial=0).astype(np.float64)
    unit = np.where(largest > 0, largest / LARGEST, 1.0)
    return np.rint(vectors / unit[:, None]).astype(np.int8), np.where(largest > 0, unit, 0.0)


def _of_part(weights: NDArray[np.floating], part: int) -> NDArray[np.floating]:
    return weights if weights.ndim == 1 else weights[:, part]


def _query(part: ServedPart, rows: Rows, ages: NDArray[np.floating], weights: NDArray[np.floating]) -> Floats:
    """Return what a part's vectors are multiplied by, float64 [d]."""
    heard = ages <= _FORGOTTEN * part.half_life
    rows, ages, weights = rows[heard], ages[heard], weights[heard]
    said: Floats = _coefficients(part, rows, ages, weights) @ part.vectors[rows].astype(np.float64)
    return part.strengths * said


def _coefficients(
    part: ServedPart, rows: Rows, ages: NDArray[np.floating], weights: NDArray[np.floating]
) -> Floats:
    """Return what multiplies each event's vector, float64 [e]."""
    decayed: Floats = weights * 0.5 ** (ages / part.half_life) * part.context_weights[rows].astype(np.float64)
    return decayed


def _longer(part: ServedPart, new: NewRows | None, count: int) -> ServedPart:
    """Return the part with `count` more rows."""
    if new is None:
        new = NewRows(np.zeros((count, part.vectors.shape[1])), np.zeros(count), np.zeros(count))
    if new.vectors.shape != (count, part.vectors.shape[1]):
        raise DataError(
            f"model part {part.name!r}: new vectors are {new.vectors.shape}, "
            f"not {(count, part.vectors.shape[1])}"
        )
    if not np.isfinite(new.vectors).all():
        raise DataError(f"model part {part.name!r}: a new vector has a number that is not finite")
    vectors, scale = _rounded(new.vectors)
    context, item = (new.context_weights * scale, new.item_weights * scale)
    return replace(
        part,
        vectors=np.concatenate((part.vectors, vectors)),
        context_weights=np.concatenate((part.context_weights, context.astype(np.float32))),
        item_weights=np.concatenate((part.item_weights, item.astype(np.float32))),
    )
