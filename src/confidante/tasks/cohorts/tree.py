"""Cohorts: coarse groups of devices, in a public tree.

A device finds its own group from what a person or an app states on it (`CohortTree.leaf_of`); the group is
never sent.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, final

import msgspec

from confidante.core.errors import DataError, WireError

ROOT = 0
"""The group of everyone."""

MOST_GROUPS = 512
MAX_TREE_BYTES = 1 << 20
"""Size of the largest tree in bytes."""

MOST_RULES = 20_000
"""Values, labels and items that all groups of a tree name together at most."""

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Texts = Annotated[tuple[_Text, ...], msgspec.Meta(max_length=10_000)]


@final
class Group(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """One group: who of its parent's people is in it.

    name: what people read; parent: its place in the tree, -1 for the root only. Exactly one of these rules,
    and none for the root: `attribute` is stated to be one of `values`; or likes of the items `items`, by id,
    or of items with one of `labels`.
    """

    name: _Text
    parent: Annotated[int, msgspec.Meta(ge=-1, lt=MOST_GROUPS)]
    attribute: Annotated[str, msgspec.Meta(max_length=200)] = ""
    values: _Texts = ()
    labels: _Texts = ()
    items: _Texts = ()

    @property
    def by_likes(self) -> bool:
        """Whether likes decide."""
        return bool(self.labels or self.items)


class _Tree(msgspec.Struct, tag="cohort tree 1", array_like=True, forbid_unknown_fields=True, frozen=True):
    groups: Annotated[tuple[Group, ...], msgspec.Meta(min_length=1, max_length=MOST_GROUPS)]


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
        liked_labels: Collection[str] = (),
        liked_items: Collection[str] = (),
    ) -> int:
        """Return the group in which a device stands: the deepest one whose rules all hold.

        attributes: what is stated, by name. liked_labels: labels of the liked items, repeated as often as
        items carry them; liked_items: ids. From the root downwards, the first child whose attribute is
        stated so is taken, else the child with most likes (ties by order); where none fits, the descent ends:
        with nothing known it is the root. All that the tree names is gone through once, whatever is liked:
        a tree is a stranger's, and how long this takes must not say how many likes there are.
        """
        labels, items = Counter(liked_labels), Counter(liked_items)
        likes = [
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
            most = max((likes[place] for place in below), default=0)
            if most == 0:
                return here
            here = next(place for place in below if likes[place] == most)

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
        try:
            data = msgspec.msgpack.encode(_Tree(self.groups))
            CohortTree.decode(data)
        except UnicodeEncodeError:
            raise DataError("cohorts: a name is not Unicode text: correct it") from None
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
            tree = cls(found.groups)
        except DataError as error:
            raise WireError(f"cohorts cannot be used: {error}") from None
        if msgspec.msgpack.encode(found) != bytes(data):
            raise WireError("cohorts are not in canonical form: make them again")
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


def _problem(groups: tuple[Group, ...]) -> str:
    """Return why the groups are no tree, or an empty text."""
    if not 1 <= len(groups) <= MOST_GROUPS:
        return f"there are {len(groups)} groups: give 1 to {MOST_GROUPS}"
    if groups[0].parent != -1 or groups[0].attribute or groups[0].values or groups[0].by_likes:
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
        if stated != (bool(group.attribute) or bool(group.values)) or stated == group.by_likes:
            return f"{group.name!r} needs one rule: an attribute and its values, or labels or items"
    return ""
