"""From the noisy sum over cohorts to a table that every device downloads whole and reads one row of.

Small groups fold into their parents. A group that is large enough is shrunk towards its parent by empirical
Bayes (Efron and Morris 1973): what it has more or less of an item than its parent's share would give counts
by how much of that difference is signal. The noise is known exactly from the plan, and how far groups differ
is estimated from the same noisy sum, so neither costs any budget.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Annotated, final

import msgspec
import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError, WireError
from confidante.tasks.base import NoisySum
from confidante.tasks.cohorts.task import ITEM_NORM, SIZE_NORM, CohortTask
from confidante.tasks.cohorts.tree import MAX_TREE_BYTES, MOST_GROUPS, ROOT, CohortTree

GATE = 50.0
"""Devices that a group needs at least by default, so as not to fold into its parent."""

CONFIDENCE = 0.99
"""A group of fewer devices than the gate passes with a chance of at most 1 - this."""

MAX_BYTES = 1 << 28
"""Size of the largest table."""

LARGEST = 1e9
"""Largest points of an item."""

_SURE = 2.0  # standard errors by which groups must differ before they do
_DEVIATE = 2.3263478740408408  # of the standard normal distribution, at CONFIDENCE
_TINY = float(np.finfo(np.float64).tiny)
_MAGIC = b"confidante cohorts 1\n"
_DIGEST = 32

_Group = Annotated[int, msgspec.Meta(ge=0, lt=MOST_GROUPS)]


class _Header(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    catalogue: Annotated[bytes, msgspec.Meta(min_length=_DIGEST, max_length=_DIGEST)]
    items: Annotated[int, msgspec.Meta(ge=1, le=1 << 26)]
    tree: Annotated[bytes, msgspec.Meta(max_length=MAX_TREE_BYTES)]
    serves: Annotated[tuple[_Group, ...], msgspec.Meta(min_length=1, max_length=MOST_GROUPS)]


@final
@dataclass(frozen=True, slots=True, eq=False)
class CohortTable:
    """What is published of the cohorts: nothing personal, the same for every device.

    catalogue: SHA-256 of the catalogue (`CatalogueWire.digest`) in whose order items stand. serves: for each
    group of the tree, the group whose row it reads: itself, or the nearest above it that was large enough.
    priors: float32 [rows, items], 0 or above, one row for each group but the root that serves itself, in
    their order, in the units of the model's own prior, in whose place it is put; the root reads the model's
    own prior. Raises DataError for pieces that do not fit.
    """

    catalogue: bytes
    tree: CohortTree
    serves: tuple[int, ...]
    priors: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        if len(self.catalogue) != _DIGEST:
            raise DataError("a cohort table names its catalogue by 32 bytes")
        if len(self.serves) != len(self.tree) or any(
            by not in self.tree.path(group) or self.serves[by] != by for group, by in enumerate(self.serves)
        ):
            raise DataError("a cohort table serves a group by one that it is not part of")
        rows = len(self.rows)
        if self.priors.ndim != 2 or self.priors.dtype != np.float32 or len(self.priors) != rows:
            raise DataError(f"a cohort table has {rows} groups of its own: give each a float32 row")
        with np.errstate(invalid="ignore"):
            if not ((self.priors >= 0) & (self.priors <= LARGEST)).all():  # NaN fails too
                raise DataError("a cohort table has points that are not finite, or far too large")

    @property
    def rows(self) -> tuple[int, ...]:
        """The groups that have a row, in the order of the rows."""
        return _own(self.serves)

    @property
    def items(self) -> int:
        """Size of the catalogue."""
        return int(self.priors.shape[1])

    def prior(self, group: int) -> NDArray[np.float32] | None:
        """Return the prior of a group, float32 [items]; None where the model's own prior serves.

        DataError for a group that there is not.
        """
        by = self.serves[self.tree.path(group)[0]]
        return None if by == ROOT else self.priors[self.rows.index(by)]

    def encode(self) -> bytes:
        """Return the canonical bytes. DataError for a table that is too large."""
        header = msgspec.msgpack.encode(_Header(self.catalogue, self.items, self.tree.encode(), self.serves))
        body = b"".join(
            (_MAGIC, len(header).to_bytes(4, "little"), header, self.priors.astype("<f4").tobytes())
        )
        data = body + hashlib.sha256(body).digest()
        try:
            CohortTable.decode(data)
        except WireError as error:
            raise DataError(f"the cohorts cannot be published: {error}") from None
        return data

    @classmethod
    def decode(cls, data: bytes) -> "CohortTable":
        """Return the table in canonical bytes; WireError when they are not."""
        start = len(_MAGIC) + 4
        _require(start + _DIGEST < len(data) <= MAX_BYTES, f"it cannot have {len(data)} bytes")
        _require(data[: len(_MAGIC)] == _MAGIC, "it does not begin like one")
        _require(
            hashlib.sha256(memoryview(data)[:-_DIGEST]).digest() == data[-_DIGEST:], "its digest is wrong"
        )
        end = start + int.from_bytes(data[len(_MAGIC) : start], "little")
        _require(end <= len(data) - _DIGEST, "its header is too long")
        try:
            header = msgspec.msgpack.decode(memoryview(data)[start:end], type=_Header)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WireError(f"a cohort table cannot be read: its header is malformed ({error})") from None
        _require(msgspec.msgpack.encode(header) == data[start:end], "its header is not in its one form")
        rows = len(_own(header.serves))
        size = 4 * rows * header.items
        _require(len(data) - _DIGEST - end == size, f"its {rows} rows do not fit its {len(data)} bytes")
        priors = np.frombuffer(data, "<f4", rows * header.items, end).reshape(rows, header.items)
        tree = CohortTree.decode(header.tree)
        try:
            return cls(header.catalogue, tree, header.serves, priors.astype(np.float32))
        except DataError as error:
            raise WireError(f"a cohort table is inconsistent: {error}") from None


def digest(data: bytes) -> str:
    """Return the name of a table in bytes, SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def cohort_table(
    task: CohortTask, total: NoisySum, prior: NDArray[np.floating], *, catalogue: bytes, gate: float = GATE
) -> CohortTable:
    """Return what is published of the sum of `task`.

    prior: of the model, [items]: its largest entry times the root of relative popularity. catalogue: see
    `CohortTable`. gate: devices that a group needs at least; a group passes when its noisy size exceeds the
    gate by so many standard deviations of the known noise that a smaller group passes with a chance of at
    most 1 - CONFIDENCE. DataError for pieces that do not fit.
    """
    if total.values.shape != (task.length,) or prior.shape != (task.items,) or not prior.max(initial=0) > 0:
        raise DataError("cohorts: sum, task and prior belong to different catalogues")
    counted = len(task.tree) * task.width
    sums = total.values[:counted].reshape(len(task.tree), task.width) / ITEM_NORM
    sizes = total.values[counted:] / SIZE_NORM
    sums, sizes, terms = _with_all_below(task.tree, sums, sizes)
    spread = math.sqrt(total.variance) / SIZE_NORM
    largest = float(prior.max())
    rates = {ROOT: (prior.astype(np.float64) / largest) ** 2}
    serves, priors = [ROOT], []
    noise = total.variance / ITEM_NORM**2
    for group in range(1, len(task.tree)):
        above = serves[task.tree.groups[group].parent]
        if not passes(float(sizes[group]), spread * math.sqrt(terms[group]), gate):
            serves.append(above)
            continue
        own, parent = (
            _Sum(sums[which], noise * terms[which], float(sizes[which])) for which in (group, above)
        )
        rates[group] = _shrunk(own, parent, task.columns, rates[above])
        serves.append(group)
        priors.append((largest * np.sqrt(rates[group] / rates[group].max())).astype(np.float32))
    table = np.array(priors, dtype=np.float32).reshape(len(priors), task.items)
    return CohortTable(catalogue, task.tree, tuple(serves), table)


def noisy_sizes(task: CohortTask, total: NoisySum) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how many devices each group seems to have, those below it included, and the noise in that.

    Both float64 [groups]; the second is the standard deviation of the known noise. DataError for a sum of
    another task.
    """
    if total.values.shape != (task.length,):
        raise DataError("cohorts: the sum belongs to another task")
    counts = total.values[len(task.tree) * task.width :] / SIZE_NORM
    nothing = np.zeros((len(task.tree), 0))
    _, sizes, terms = _with_all_below(task.tree, nothing, counts)
    return sizes, math.sqrt(total.variance) / SIZE_NORM * np.sqrt(terms)


def passes(size: float, spread: float, gate: float) -> bool:
    """Whether a group of a noisy `size` is large enough. spread: standard deviation of the noise in it."""
    return size - _DEVIATE * spread >= gate


def _with_all_below(
    tree: CohortTree, sums: NDArray[np.float64], sizes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return each group's sums and size with those of all groups below it, and how many groups these are."""
    sums, sizes, terms = sums.copy(), sizes.copy(), np.ones(len(tree), dtype=np.int64)
    for group in range(len(tree) - 1, 0, -1):
        parent = tree.groups[group].parent
        sums[parent] += sums[group]
        sizes[parent] += sizes[group]
        terms[parent] += terms[group]
    return sums, sizes, terms


@dataclass(frozen=True, slots=True, eq=False)
class _Sum:
    """What a group and all below it have, float64 [columns], the noise's variance in it, and their size."""

    values: NDArray[np.float64]
    variance: float
    size: float


def _shrunk(
    own: _Sum, parent: _Sum, columns: NDArray[np.int64] | None, above: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a group's popularity, [items], shrunk towards its parent's.

    parent: of the same sum, the group itself in it; above: the parent's popularity as it is served, [items].
    A counted item has what the parent's share gives, times 1 + a deviation of the group's own (whose variance
    is the same for all items), plus the chance of there being no more people, plus the noise.
    """
    share = above if columns is None else above[columns]
    mass = float(own.values @ share) / max(float(share @ share), _TINY)
    if mass <= 0:
        return above.copy()
    expected = mass * share
    entry = _entry(parent)
    signal = _deviation(own, parent, expected, entry) * expected**2
    known = signal / np.maximum(signal + entry * expected + own.variance, _TINY)
    found = above.copy()
    found[slice(None) if columns is None else columns] = (
        np.maximum(expected + known * (own.values - expected), 0.0) / mass
    )
    return found if found.max() > 0 else above.copy()


def _deviation(own: _Sum, parent: _Sum, expected: NDArray[np.float64], entry: float) -> float:
    """Return the variance of a group's deviations from its parent's share, relative, 0 where none is sure.

    By moments, less two standard errors of the estimate: a group is taken to be its parent's like unless the
    sum is sure of the contrary. The group is held against its part of what its parent has *in the same sum*,
    whose noise is known. What is served of the parent has an error of another sum's noise, which all groups
    would share: it would pass for their difference. expected: what the parent's share gives, [columns].
    """
    part = float(own.values @ expected) / max(float(parent.values @ expected), _TINY)
    if part >= 1:
        return 0.0  # all of its parent are in it
    part = max(part, 0.0)
    # the rest of the parent has chance and noise of its own
    chance = entry * expected * (1 - part)
    chance += (1 - part) ** 2 * own.variance + part**2 * (parent.variance - own.variance)
    chance = np.maximum(chance, _TINY)
    weights = (expected / chance) ** 2
    excess = float(np.sum(weights * ((own.values - part * parent.values) ** 2 - chance)))
    unsure = _SURE * math.sqrt(2 * float(np.sum((weights * chance) ** 2)))
    return max(excess - unsure, 0.0) / max(float(np.sum(weights * expected**2)), _TINY)


def _entry(of: _Sum) -> float:
    """Return how much a person adds to an item of theirs, 1 at most."""
    return min(max(of.size, 0.0) / max(float(of.values.sum()), 1.0), 1.0)


def _own(serves: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(group for group, by in enumerate(serves) if group == by != ROOT)


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise WireError(f"a cohort table cannot be used: {problem}")
