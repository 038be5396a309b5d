"""Cohorts: coarse groups of devices, in a public tree, and the one private sum that counts for all of them.

A device finds its own group from what a person or an app states on it (`CohortTree.leaf_of`); the group is
never sent. What the device sends is one term of one sum that has room for every group: its popularity vector
stands in the rows of its own group, all other rows are zeros, and under the masks nobody can tell which.
What the sum becomes is in `cohort_table.py`.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, final

import msgspec
import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError, WireError
from confidante.core.values import Histories, SparseRows
from confidante.tasks.rows import newest_distinct

ROOT = 0
"""The group of everyone."""

MOST_GROUPS = 512
MAX_TREE_BYTES = 1 << 20
"""Size of the largest tree in bytes."""

MOST_RULES = 20_000
"""Values, labels and items that all groups of a tree name together at most."""

SIZE_NORM = 0.3
"""Part of a device's norm that counts it; the rest of the norm is for its items."""

ITEM_NORM = 0.8
"""Part of a device's norm that its items have. The rest is room for rounding: a vector without it would be
shrunk, and with it the entry that counts the device."""

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Texts = Annotated[tuple[_Text, ...], msgspec.Meta(max_length=10_000)]

MOST_ITEMS = 100
"""Distinct items of a device that are counted at most: each more rounds to a longer vector."""

Where = int | Callable[[Histories], NDArray[np.int64]]
"""The group of the one person there is, or the group of each of many people, int64 [people]."""


@final
@dataclass(frozen=True, slots=True)
class Group:
    """One group: who of its parent's people is in it.

    name: what people read; parent: its place in the tree, -1 for the root only. Exactly one of these rules,
    and none for the root: `attribute` is stated to be one of `values`; or picks of the items `items`, by id,
    or of items with one of `labels`.
    """

    name: str
    parent: int
    attribute: str = ""
    values: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    items: tuple[str, ...] = ()

    @property
    def by_picks(self) -> bool:
        """Whether picks decide."""
        return bool(self.labels or self.items)


class _Group(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    name: _Text
    parent: Annotated[int, msgspec.Meta(ge=-1, lt=MOST_GROUPS)]
    attribute: Annotated[str, msgspec.Meta(max_length=200)]
    values: _Texts
    labels: _Texts
    items: _Texts


class _Tree(msgspec.Struct, tag="cohort tree 1", array_like=True, forbid_unknown_fields=True, frozen=True):
    groups: Annotated[tuple[_Group, ...], msgspec.Meta(min_length=1, max_length=MOST_GROUPS)]


@final
@dataclass(frozen=True, slots=True)
class CohortTree:
    """The public definition of all groups; the root stands first and a parent before its children.

    Raises DataError for a tree that places nobody for sure: a wrong root, a parent that comes later, a name
    twice, a group without exactly one rule.
    """

    groups: tuple[Group, ...]

    def __post_init__(self) -> None:
        """Refuse what is no tree."""
        problem = _problem(self.groups)
        if problem:
            raise DataError(f"cohorts: {problem}")

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.groups)

    def leaf_of(
        self,
        attributes: Mapping[str, str],
        picked_labels: Collection[str] = (),
        picked_items: Collection[str] = (),
    ) -> int:
        """Return the group in which a device stands: the deepest one whose rules all hold.

        attributes: what is stated, by name. picked_labels: labels of the picked items, repeated as often as
        items carry them; picked_items: ids. From the root downwards, the first child whose attribute is
        stated so is taken, else the child with most picks (ties by order); where none fits, the descent ends:
        with nothing known it is the root. All that the tree names is gone through once, whatever was picked:
        a tree is a stranger's, and how long this takes must not say how many picks there are.
        """
        labels, items = Counter(picked_labels), Counter(picked_items)
        picks = [
            sum(labels.get(label, 0) for label in set(group.labels))
            + sum(items.get(item, 0) for item in set(group.items))
            for group in self.groups
        ]
        here = ROOT
        while True:
            below = [place for place, group in enumerate(self.groups) if group.parent == here]
            stated = [
                place
                for place in below
                if self.groups[place].attribute
                and attributes.get(self.groups[place].attribute) in self.groups[place].values
            ]
            if stated:
                here = stated[0]
                continue
            most = max((picks[place] for place in below), default=0)
            if most == 0:
                return here
            here = next(place for place in below if picks[place] == most)

    def path(self, group: int) -> tuple[int, ...]:
        """Return a group and all that it is part of, the root last. DataError for a group there is not."""
        if not 0 <= group < len(self.groups):
            raise DataError(f"cohorts: there is no group {group}: the tree has {len(self.groups)}")
        found = [group]
        while self.groups[found[-1]].parent >= 0:
            found.append(self.groups[found[-1]].parent)
        return tuple(found)

    def encode(self) -> bytes:
        """Return the canonical bytes. DataError for a tree out of bounds, or text that is no Unicode."""
        rows = tuple(_Group(g.name, g.parent, g.attribute, g.values, g.labels, g.items) for g in self.groups)
        try:
            data = msgspec.msgpack.encode(_Tree(rows))
            CohortTree.decode(data)
        except UnicodeEncodeError:
            raise DataError("cohorts: a name is no Unicode text: mend it") from None
        except WireError as error:
            raise DataError(f"the cohorts cannot be sent to devices: {error}") from None
        return data

    @classmethod
    def decode(cls, data: bytes) -> "CohortTree":
        """Return the tree in canonical bytes; WireError when they are not."""
        if len(data) > MAX_TREE_BYTES:
            raise WireError(f"cohorts have {len(data)} bytes, at most {MAX_TREE_BYTES} are read")
        try:
            found = msgspec.msgpack.decode(data, type=_Tree)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise WireError(f"cohorts cannot be read: they are malformed ({error})") from None
        try:
            tree = cls(
                tuple(Group(g.name, g.parent, g.attribute, g.values, g.labels, g.items) for g in found.groups)
            )
        except DataError as error:
            raise WireError(f"cohorts cannot be used: {error}") from None
        if msgspec.msgpack.encode(found) != bytes(data):
            raise WireError("cohorts are not in their one form: make them anew")
        return tree


def everyone_by(attributes: Mapping[str, tuple[str, ...]]) -> CohortTree:
    """Return the tree that splits everyone by the first attribute, each part by the second, and so on.

    attributes: the values of each attribute, by its name.
    """
    groups = [Group("everyone", -1)]
    level = [ROOT]
    for attribute, values in attributes.items():
        below = []
        for parent in level:
            before = "" if parent == ROOT else f"{groups[parent].name}, "
            for value in values:
                below.append(len(groups))
                groups.append(Group(f"{before}{attribute} {value}", parent, attribute, (value,)))
        level = below
    return CohortTree(tuple(groups))


@final
@dataclass(frozen=True, slots=True, eq=False)
class CohortTask:
    """Each device's popularity vector in the rows of its own group, and one entry that counts the device.

    tree: public; items: size of the catalogue; columns: int64, the different items that are counted, None for
    all of them. A device has its newest MOST_ITEMS distinct items among these at one size each, together of
    norm ITEM_NORM, and SIZE_NORM in its group's count; a device without any event sends zeros. Entry
    `group * columns + column`, and after all of these `group`. Without `where` the task can be looked at and
    not computed.
    """

    tree: CohortTree
    items: int
    columns: NDArray[np.int64] | None = None
    where: Where | None = None
    name: str = "cohorts"
    l2_bound: float = 1.0
    linf_bound: float = 0.5

    @property
    def width(self) -> int:
        """How many items are counted."""
        return self.items if self.columns is None else len(self.columns)

    @property
    def length(self) -> int:
        """One entry a group and counted item, and one a group."""
        return len(self.tree) * (self.width + 1)

    def placed(self, where: Where) -> "CohortTask":
        """Return the same task, computable. where: see `Where`; it stays on the device."""
        return replace(self, where=where)

    def client_update(self, histories: Histories) -> SparseRows:
        """Return one row a person; see the class. DataError where nobody said who stands in which group."""
        groups = self._groups(histories)
        row, item = newest_distinct(histories, self.items, self.columns, MOST_ITEMS)
        if self.columns is not None:
            column = np.zeros(self.items, dtype=np.int64)
            column[self.columns] = np.arange(len(self.columns))
            item = column[item]
        distinct = np.bincount(row, minlength=histories.people)
        values = ITEM_NORM / np.sqrt(distinct[row])
        present = np.flatnonzero(histories.lengths > 0)
        rows = np.concatenate((row, present))
        places = np.concatenate(
            (groups[row] * self.width + item, len(self.tree) * self.width + groups[present])
        )
        entries = np.concatenate((values, np.full(len(present), SIZE_NORM)))
        order = np.lexsort((places, rows))
        indptr = np.searchsorted(rows[order], np.arange(histories.people + 1)).astype(np.int64)
        return SparseRows(indptr, places[order], entries[order], self.length)

    def _groups(self, histories: Histories) -> NDArray[np.int64]:
        if self.where is None:
            raise DataError("a cohort task is not placed: only a device knows in which group it stands")
        if isinstance(self.where, int):
            groups = np.full(histories.people, self.where, dtype=np.int64)
        else:
            groups = self.where(histories)
        if groups.shape != (histories.people,) or np.any((groups < 0) | (groups >= len(self.tree))):
            raise DataError(f"cohorts: give each person one of the {len(self.tree)} groups, 0 or above")
        return groups


def _problem(groups: tuple[Group, ...]) -> str:
    """Return why the groups are no tree, or an empty text."""
    if not 1 <= len(groups) <= MOST_GROUPS:
        return f"there are {len(groups)} groups: give 1 to {MOST_GROUPS}"
    if groups[0].parent != -1 or groups[0].attribute or groups[0].values or groups[0].by_picks:
        return "the first group is everyone: it has the parent -1 and no rule"
    if len({group.name for group in groups}) != len(groups):
        return "two groups have the same name: name them apart"
    named = sum(len(group.values) + len(group.labels) + len(group.items) for group in groups)
    if named > MOST_RULES:
        return f"the groups name {named} values, labels and items together, at most {MOST_RULES} are read"
    for place, group in enumerate(groups[1:], start=1):
        if not 0 <= group.parent < place:
            return f"{group.name!r} has the parent {group.parent}: a parent stands before its children"
        stated = bool(group.attribute) and bool(group.values)
        if stated != (bool(group.attribute) or bool(group.values)) or stated == group.by_picks:
            return f"{group.name!r} needs one rule: an attribute and its values, or labels or items"
    return ""
