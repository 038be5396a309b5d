"""Cohorts in a population's file, what devices are asked for them, and what is published of the sum.

The tree is written as `by`, for a regular one, or as `[[task.group]]` tables, for any. All that follows from
it is a function of what is public already: the file, the newest model, the noisy sum.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import Catalogue
from confidante.tasks.base import MOST_ENTRIES, NoisySum, TaskConfig, TaskContext
from confidante.tasks.cohorts.release import CohortRelease
from confidante.tasks.cohorts.table import GATE, MAX_BYTES, cohort_table, noisy_sizes
from confidante.tasks.cohorts.task import ITEM_NORM, CohortTask
from confidante.tasks.cohorts.tree import MAX_TREE_BYTES, MOST_GROUPS, CohortTree, Group, everyone_by
from confidante.tasks.popularity import popularity
from confidante.tasks.registry import decode_task
from confidante.wire.catalogue import CatalogueWire

_Text = Annotated[str, Meta(min_length=1, max_length=200)]
_Texts = Annotated[tuple[_Text, ...], Meta(max_length=10_000)]
# As long as a device keeps what is stated.
_Named = Annotated[str, Meta(min_length=1, max_length=64)]
_Value = Annotated[str, Meta(min_length=1, max_length=100)]
_By = dict[_Named, Annotated[tuple[_Value, ...], Meta(min_length=1, max_length=MOST_GROUPS)]]

EVERYONE = "everyone"
"""Name of the group that is not written down: it is there first, and the parent of who names none."""


class GroupConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A `[[task.group]]`: a name, the parent's name, and one rule."""

    name: Annotated[_Text, Meta(description="how it is called where results are shown")]
    parent: Annotated[_Text, Meta(description="a group that stands before this one")] = EVERYONE
    attribute: Annotated[str, Meta(max_length=64, description="its people stated this of themselves")] = ""
    values: Annotated[tuple[_Value, ...], Meta(max_length=10_000, description="one of these values")] = ()
    labels: Annotated[_Texts, Meta(description="its people picked items with one of these labels")] = ()
    items: Annotated[_Texts, Meta(description="its people picked one of these items, by id")] = ()


@final
class CohortConfig(TaskConfig, tag="cohorts", frozen=True):
    """`[[task]] kind = "cohorts"`.

    by: values of attributes, for a regular tree; group: any tree, in its place; gate: devices that a group
    needs; columns: how many items are counted, 0 for all that the upload has room for.
    """

    by: _By = msgspec.field(default_factory=dict)
    group: Annotated[tuple[GroupConfig, ...], Meta(max_length=MOST_GROUPS - 1)] = ()
    gate: Annotated[float, Meta(ge=1, le=1e9)] = GATE
    columns: Annotated[int, Meta(ge=0, le=MOST_ENTRIES)] = 0

    @property
    def tree(self) -> CohortTree:
        """The tree; DataError naming the key that is wrong."""
        return _read_tree(self.by, self.group)

    def check(self, wire: CatalogueWire) -> None:
        """Refuse what is not a tree, or names what the catalogue lacks."""
        _check_fits(self.tree, wire.catalogue)

    def width(self, groups: int, items: int, max_length: int) -> int:
        """Return how many of so many items a sum over so many groups counts; see `TaskContext`."""
        room = max(max_length // groups - 1, 1)
        return min(items, self.columns or room)

    def task(self, context: TaskContext) -> CohortTask:
        """Return the task over the most popular items; over the catalogue's first before there is a model."""
        tree = self.tree
        width = self.width(len(tree), context.items, context.max_length)
        if width == context.items:
            return CohortTask(tree, context.items)
        popular = context.popular()
        columns = np.arange(width)
        if popular is not None:
            columns = np.sort(np.argsort(-popular, kind="stable")[:width])
        return CohortTask(tree, context.items, columns.astype(np.int64))

    def release(self, body: bytes, total: NoisySum, context: TaskContext) -> bytes:
        """Return the table of all groups, as `CohortRelease.encode`.

        Where there is no model, the sum itself says what is popular with everyone. DataError or WireError for
        a sum of another catalogue.
        """
        task = decode_task(body, context.wire)
        assert isinstance(task, CohortTask)  # noqa: S101  (a round of cohorts has no other task)
        prior = context.popular()
        if prior is None:
            prior = _popular(task, total)
        table = cohort_table(task, total, prior, catalogue=context.wire.digest, gate=self.gate)
        sizes, spreads = (tuple(one.tolist()) for one in noisy_sizes(task, total))
        return CohortRelease(body, self.gate, sizes, spreads, table).encode()


def _read_tree(by: Mapping[str, tuple[str, ...]], groups: Sequence[GroupConfig]) -> CohortTree:
    """Return the tree that a task defines; DataError naming the key that is wrong."""
    if bool(by) == bool(groups):
        raise DataError("task.by: a cohorts task needs either `by` or `[[task.group]]` tables, not both")
    if by:
        return _by_attributes(by)
    places = {EVERYONE: 0}
    rows = [Group(EVERYONE, -1)]
    for group in groups:
        if group.name in places:
            raise DataError(f"task.group.name: two groups are called {group.name!r}: give each its own name")
        parent = places.get(group.parent)
        if parent is None:
            raise DataError(
                f"task.group.parent of {group.name!r} is {group.parent!r}: name a group that stands before it"
            )
        places[group.name] = len(rows)
        rows.append(Group(group.name, parent, group.attribute, group.values, group.labels, group.items))
    return _sound(tuple(rows))


def _check_fits(tree: CohortTree, catalogue: Catalogue) -> None:
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
            raise DataError(f"task.by.{attribute}: a value is listed twice")
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


def _popular(task: CohortTask, total: NoisySum) -> NDArray[np.float64]:
    """Return the prior that the sum of all groups gives, float64 [items], 1 for the most popular item."""
    groups = len(task.tree)
    sums = total.values[: groups * task.width].reshape(groups, task.width).sum(axis=0) / ITEM_NORM
    found = popularity(NoisySum(sums, total.variance * groups, total.contributors))
    prior = np.full(task.items, math.sqrt(float(found.min() / found.max())))
    prior[slice(None) if task.columns is None else task.columns] = np.sqrt(found / found.max())
    return prior
