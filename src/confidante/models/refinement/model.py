"""What a server refines lists with: the half that devices hold, and the half that scores.

The server's kernel has columns like a served model's (`models.served`): an event of item i puts what i says
into a query, and an item's score is its vector's product with the query. The device works the query out
itself (`QuerySide`), rounds it to 8 bits, and has it multiplied by the server's 8-bit vectors (`ItemSide`):
encrypted (`protocol.scoring`), or by itself where it downloaded them. Both give the very same integers.

What stands here is public and the same for everybody. The kernel is symmetric: whoever has the query side
knows the direction of every item's vector, and a server that keeps its item side keeps only how much each
item weighs, and the vectors of items that say nothing in a query.
"""

import hashlib
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import Catalogue
from confidante.crypto.he.scheme import LARGEST, MOST_DIMENSIONS

MOST_BUCKETS = 4096
BIGGEST = 1e9
"""Largest size of any number here: products of a few of them stay finite."""

_BATCH = 1 << 16  # items scored at once


@final
@dataclass(frozen=True, slots=True, eq=False)
class QueryPart:
    """What events say. vectors: int8 [m, d]; weights: float32 [m], what an event of the item counts.

    half_life: events after which an event counts half, above 0.
    """

    name: str
    half_life: float
    vectors: NDArray[np.int8]
    weights: NDArray[np.float32]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Rounded:
    """A query in whole numbers.

    values: int64 [D], -127 to 127; scale: of one unit, 0 for a query of zeros.
    """

    values: NDArray[np.int64]
    scale: float


@final
@dataclass(frozen=True, slots=True, eq=False)
class QuerySide:
    """What a device needs to ask.

    catalogue: the m items that the server knows, in the order of its vectors. column_scale: float32 [D],
    what a query's coordinates are multiplied by before they are rounded. unit: points of score for each
    unit of product and of the query's scale. spread: root mean square of what an event adds to an item's
    score, above 0. table: sha256 of the item side's bytes. centroids: int8 [k, D], k may be 0; buckets:
    uint16 [m], the bucket of each item, or [0] where k is 0. DataError for what does not fit together.
    """

    catalogue: Catalogue
    parts: tuple[QueryPart, ...]
    column_scale: NDArray[np.float32]
    unit: float
    spread: float
    table: bytes
    centroids: NDArray[np.int8]
    buckets: NDArray[np.uint16]

    def __post_init__(self) -> None:
        """Refuse what could only be asked wrongly."""
        items, columns = len(self.catalogue), len(self.column_scale)
        _require(items >= 1 and self.parts != (), "it has no items or no part")
        _require(1 <= columns <= MOST_DIMENSIONS, f"it has {columns} columns")
        _require(len({part.name for part in self.parts}) == len(self.parts), "two parts have one name")
        for part in self.parts:
            _check_vectors(part.vectors, items)
            _require(part.vectors.shape[1] >= 1, f"part {part.name!r} says nothing")
            _require(
                part.weights.shape == (items,) and part.weights.dtype == np.float32, "weights do not fit"
            )
            _require(_sound(part.weights), "a weight is not finite, or far too large")
            _require(0 < part.half_life <= BIGGEST, f"a half-life of {part.half_life} events is impossible")
        _require(sum(part.vectors.shape[1] for part in self.parts) == columns, "its columns do not add up")
        _require(self.column_scale.shape == (columns,) and self.column_scale.dtype == np.float32, "no scales")
        _require(_sound(self.column_scale), "a scale is not finite, or far too large")
        _require(0 < self.unit <= BIGGEST and 0 < self.spread <= BIGGEST, "its unit or spread is impossible")
        _require(len(self.table) == 32, "it names no table")
        count = len(self.centroids)
        _check_vectors(self.centroids, count)
        _require(self.centroids.shape[1] == columns and count <= MOST_BUCKETS, "its buckets do not fit")
        _require(self.buckets.shape == (items if count else 0,), "its items are not in buckets")
        _require(self.buckets.dtype == np.uint16, "its items are not in buckets")
        _require(not count or int(self.buckets.max()) < count, "an item is in a bucket that does not exist")

    @property
    def items(self) -> int:
        """How many items the server knows."""
        return len(self.catalogue)

    @property
    def dimensions(self) -> int:
        """Width of a query."""
        return len(self.column_scale)

    @property
    def bucket_count(self) -> int:
        """How many buckets there are, 0 for none."""
        return len(self.centroids)

    @property
    def bucket_size(self) -> int:
        """Items that every bucket's answer has, padding included; 0 without buckets."""
        return int(np.bincount(self.buckets, minlength=1).max()) if self.bucket_count else 0

    def in_bucket(self, bucket: int) -> NDArray[np.int64]:
        """Return the rows of a bucket's items, rising: answers are in this order.

        DataError for a bucket that there is not.
        """
        if not 0 <= bucket < self.bucket_count:
            raise DataError(f"there is no bucket {bucket}: there are {self.bucket_count}")
        return np.flatnonzero(self.buckets == bucket)

    def query(
        self, rows: NDArray[np.integer], ages: NDArray[np.floating], weights: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Return the query, float64 [D], of a person's events.

        rows: of the events' items [e]; ages: events since, 0 or more [e]; weights: what each event counts,
        any sign [e], or in each part [e, parts]. DataError for a row that there is not.
        """
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < self.items:
            raise DataError(f"an event is outside the server's {self.items} items: fetch its vectors again")
        said = []
        for place, part in enumerate(self.parts):
            own = weights if weights.ndim == 1 else weights[:, place]
            counts = own * 0.5 ** (ages / part.half_life) * part.weights[rows].astype(np.float64)
            said.append(counts @ part.vectors[rows].astype(np.float64))
        return np.concatenate(said)

    def rounded(self, query: NDArray[np.floating]) -> Rounded:
        """Return a query in whole numbers, its largest coordinate 127. DataError for a wrong width."""
        if query.shape != (self.dimensions,) or not np.isfinite(query).all():
            raise DataError(f"a query has {self.dimensions} finite coordinates, not {query.shape}")
        scaled: NDArray[np.float64] = query.astype(np.float64) * self.column_scale.astype(np.float64)
        scale = float(np.abs(scaled).max()) / LARGEST
        if not scale > 0:
            return Rounded(np.zeros(self.dimensions, dtype=np.int64), 0.0)
        return Rounded(np.rint(scaled / scale).clip(-LARGEST, LARGEST).astype(np.int64), scale)

    def points(self, products: NDArray[np.integer], scale: float) -> NDArray[np.float64]:
        """Return products with a rounded query as points of score, float64 like `products`."""
        found: NDArray[np.float64] = products.astype(np.float64) * (self.unit * scale)
        return found


@final
@dataclass(frozen=True, slots=True, eq=False)
class ItemSide:
    """The server's vectors, int8 [m, D], in the order of its query side. DataError for anything else."""

    vectors: NDArray[np.int8]

    def __post_init__(self) -> None:
        """Refuse what no query side belongs to."""
        _check_vectors(self.vectors, len(self.vectors))
        _require(1 <= self.vectors.shape[1] <= MOST_DIMENSIONS and len(self.vectors) >= 1, "it is empty")

    def scores(self, rounded: Rounded) -> NDArray[np.int64]:
        """Return the products with a query, int64 [m]: what the encrypted path yields, without encryption."""
        if rounded.values.shape != (self.vectors.shape[1],):
            raise DataError(f"a query has {self.vectors.shape[1]} coordinates, not {rounded.values.shape}")
        query = rounded.values.astype(np.float32)  # whole numbers below 2^24 are exact in float32
        found = np.empty(len(self.vectors), dtype=np.int64)
        for start in range(0, len(found), _BATCH):
            block = self.vectors[start : start + _BATCH].astype(np.float32)
            found[start : start + _BATCH] = block @ query
        return found

    def bucket(self, side: QuerySide, bucket: int) -> NDArray[np.int8]:
        """Return the vectors of a bucket, int8 [side.bucket_size, D].

        Zeros stand at the end where it is smaller, so an answer's size does not tell buckets apart.
        """
        rows = side.in_bucket(bucket)
        padded = np.zeros((side.bucket_size, self.vectors.shape[1]), dtype=np.int8)
        padded[: len(rows)] = self.vectors[rows]
        return padded


def name_of(data: bytes) -> bytes:
    """Return the digest by which either side's bytes are named: their sha256."""
    return hashlib.sha256(data).digest()


def _check_vectors(vectors: NDArray[np.int8], rows: int) -> None:
    _require(vectors.ndim == 2 and vectors.dtype == np.int8 and len(vectors) == rows, "vectors do not fit")
    _require(not vectors.size or int(vectors.min()) >= -LARGEST, "an entry is below -127")


def _sound(array: NDArray[np.floating]) -> bool:
    with np.errstate(invalid="ignore"):
        return bool((np.abs(array) <= BIGGEST).all())


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise DataError(f"the server's vectors are inconsistent: {problem}")
