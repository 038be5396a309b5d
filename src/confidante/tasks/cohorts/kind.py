"""Cohorts as a kind of task: their bytes, what an operator sees, and where a device stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, final

from msgspec import Meta

from confidante.privacy.purposes import Purpose
from confidante.tasks.base import (
    MOST_ENTRIES,
    Models,
    NoisySum,
    Rows,
    Stated,
    TaskForm,
    TaskKind,
    estimated,
    items_in,
    items_out,
    require,
)
from confidante.tasks.cohorts.config import CohortConfig
from confidante.tasks.cohorts.release import CohortRelease
from confidante.tasks.cohorts.task import CohortTask
from confidante.tasks.cohorts.tree import MAX_TREE_BYTES, CohortTree
from confidante.wire.catalogue import CatalogueWire


@final
@dataclass(frozen=True, slots=True)
class GroupSeen:
    """One cohort. depth: how many groups it is part of; size: devices in it, by the noisy sum, and error:
    standard deviation of the noise in that. served_by: name of the group whose table it reads: its own, or of
    the one above that it folded into.
    """

    name: str
    depth: int
    size: float
    error: float
    served_by: str

    @property
    def folded(self) -> bool:
        """Whether it was too small for a table of its own."""
        return self.name != self.served_by


@final
@dataclass(frozen=True, slots=True)
class Groups:
    """What was published of cohorts, in the order of their tree. gate: devices that a group needed."""

    groups: tuple[GroupSeen, ...]
    gate: float

    @classmethod
    def of(cls, release: CohortRelease) -> "Groups":
        """Return what an operator sees of a release; everybody may see it."""
        tree, serves = release.table.tree, release.table.serves
        rows = zip(tree.groups, release.sizes, release.spreads, serves, strict=True)
        return cls(
            tuple(
                GroupSeen(group.name, len(tree.path(place)) - 1, size, spread, tree.groups[by].name)
                for place, (group, size, spread, by) in enumerate(rows)
            ),
            release.gate,
        )

    def rows(self, models: Sequence[str]) -> Rows:
        """Return a group a row."""
        rows = tuple(
            (
                one.name,
                *estimated(one.size, one.error, 1, len(self.groups)),
                f"{one.served_by}{' (folded)' if one.folded else ''}",
            )
            for one in self.groups
        )
        return Rows(
            ("Group", "Devices", "Noise", "Table of"),
            rows,
            (1, 2),
            "Popularity in each, from one noised sum; sizes are noisy. A group has a table of its own when "
            f"its size, less what the noise may add, is {self.gate:g}; otherwise its devices read the table "
            "of the group above it.",
        )


@final
class _Form(TaskForm, tag="cohorts 1", frozen=True):
    """tree: as `CohortTree.encode` writes it; columns: as `items_out`, nothing for all items."""

    tree: Annotated[bytes, Meta(max_length=MAX_TREE_BYTES)]
    columns: bytes

    @classmethod
    def of(cls, task: CohortTask, catalogue: bytes) -> "_Form":
        return cls(catalogue, task.tree.encode(), items_out(task.columns))

    def task(self, wire: CatalogueWire, models: Models) -> CohortTask:
        items = len(wire.catalogue)
        task = CohortTask(CohortTree.decode(self.tree), items, items_in(self.columns, items))
        require(0 < task.length <= MOST_ENTRIES, f"a task over cohorts has {task.length} entries: too many")
        return task

    def found(self, total: NoisySum, wire: CatalogueWire, released: bytes) -> Groups | None:
        return Groups.of(CohortRelease.decode(released)) if released else None


def _place(task: CohortTask, stated: Stated) -> tuple[CohortTask, Mapping[str, str]]:
    group = task.tree.leaf_of(stated.attributes, stated.liked_labels, stated.liked_items)
    said = {"your group, which only this device knows": task.tree.groups[group].name}
    return task.placed(group), said


KIND = TaskKind(
    task=CohortTask,
    form=_Form,
    purposes=(Purpose.COHORT,),
    reads_order=False,
    config=CohortConfig,
    single=True,
    hides_little=True,
    place=_place,
    example="""\
# [[task]]
# kind = "cohorts"        # popularity in each of some groups, for devices that know little of their person.
# every_hours = 168.0     # A device finds its own group by what its person stated on it, and never tells.
# epsilon = 1.0
# gate = 50               # devices that a group needs; a smaller one is served by the group above it
# columns = 0             # most popular items that are counted; 0: as many as upload.max_bytes has room for
# by = {age = ["18-24", "25-34", "35+"], tongue = ["en", "fr"]}   # or, in place of `by`, any tree:
# [[task.group]]
# name = "young"          # parent = "everyone" when left out, else a group that stands before this one
# attribute = "age"       # who stated one of these values
# values = ["18-24", "25-34"]
# [[task.group]]
# name = "young and frightened"
# parent = "young"
# labels = ["Horror"]     # who likes items with one of these labels, or of `items`, by id
""",
)
