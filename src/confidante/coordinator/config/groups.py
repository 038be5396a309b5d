"""The tree of cohorts in a population's file: `by` for a regular one, or `[[task.group]]` for any."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from confidante.core.errors import DataError
from confidante.core.values import Catalogue
from confidante.tasks.cohort_table import MAX_BYTES
from confidante.tasks.cohorts import MAX_TREE_BYTES, MOST_GROUPS, CohortTree, Group, everyone_by

Text = Annotated[str, Meta(min_length=1, max_length=200)]
Texts = Annotated[tuple[Text, ...], Meta(max_length=10_000)]
# As long as a device keeps what is stated.
Named = Annotated[str, Meta(min_length=1, max_length=64)]
Stated = Annotated[str, Meta(min_length=1, max_length=100)]
By = dict[Named, Annotated[tuple[Stated, ...], Meta(min_length=1, max_length=MOST_GROUPS)]]

EVERYONE = "everyone"
"""Name of the group that is not written down: it is there first, and the parent of who names none."""


class GroupTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A `[[task.group]]`: a name, the parent's name, and one rule."""

    name: Text
    parent: Text = EVERYONE
    attribute: Annotated[str, Meta(max_length=64)] = ""
    values: Annotated[tuple[Stated, ...], Meta(max_length=10_000)] = ()
    labels: Texts = ()
    items: Texts = ()


def read_tree(by: Mapping[str, tuple[str, ...]], groups: Sequence[GroupTable]) -> CohortTree:
    """Return the tree that a task defines; DataError naming the key that is wrong."""
    if bool(by) == bool(groups):
        raise DataError("task.by: a cohorts task needs either `by` or `[[task.group]]` tables, not both")
    if by:
        return _by_attributes(by)
    places = {EVERYONE: 0}
    rows = [Group(EVERYONE, -1)]
    for group in groups:
        if group.name in places:
            raise DataError(f"task.group.name: two groups are called {group.name!r}: name them apart")
        parent = places.get(group.parent)
        if parent is None:
            raise DataError(
                f"task.group.parent of {group.name!r} is {group.parent!r}: name a group that stands before it"
            )
        places[group.name] = len(rows)
        rows.append(Group(group.name, parent, group.attribute, group.values, group.labels, group.items))
    return _sound(tuple(rows))


def check_fits(tree: CohortTree, catalogue: Catalogue) -> None:
    """Raise DataError when a group names what the catalogue lacks, or the tables are more than can be."""
    size = len(tree) * len(catalogue) * 4
    if size > MAX_BYTES - MAX_TREE_BYTES:
        raise DataError(
            f"task.by: {len(tree)} groups of {len(catalogue)} items make a table of {size:,} bytes, and no "
            f"device takes more than {MAX_BYTES:,}: take fewer groups"
        )
    ids, labels = set(catalogue.ids), {label for some in catalogue.labels for label in some}
    for group in tree.groups:
        for key, named, known in (("items", group.items, ids), ("labels", group.labels, labels)):
            strange = next((one for one in named if one not in known), None)
            if strange is not None:
                raise DataError(
                    f"task.group.{key} of {group.name!r} has {strange!r}, unknown to the catalogue"
                )


def _by_attributes(by: Mapping[str, tuple[str, ...]]) -> CohortTree:
    level = count = 1
    for attribute, values in by.items():
        if len(set(values)) != len(values):
            raise DataError(f"task.by.{attribute}: a value stands there twice")
        level *= len(values)
        count += level
        if count > MOST_GROUPS:  # before so many are made
            raise DataError(f"task.by: it makes more than {MOST_GROUPS} groups: take fewer values")
    try:
        tree = everyone_by(by)
        tree.encode()
    except DataError as error:
        raise DataError(f"task.by: {_bare(error)}") from None
    return tree


def _bare(error: DataError) -> str:
    return error.problem.removeprefix("cohorts: ")


def _sound(rows: tuple[Group, ...]) -> CohortTree:
    try:
        tree = CohortTree(rows)
        tree.encode()
    except DataError as error:
        raise DataError(f"task.group: {_bare(error)}") from None
    return tree
