"""What a population measures besides its trainings, each time as one private sum: `[[task]]` in its file."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal, final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from confidante.coordinator.config.groups import By, GroupTable, read_tree
from confidante.core.errors import DataError
from confidante.models.scoring import ModelName
from confidante.privacy.accounting import calibrate
from confidante.tasks.base import Task
from confidante.tasks.cohort_table import GATE
from confidante.tasks.cohorts import MOST_GROUPS, CohortTask, CohortTree
from confidante.tasks.contributors import ContributorTask
from confidante.tasks.popularity import PopularityTask
from confidante.tasks.quality import CompareTask, QualityTask
from confidante.wire.rounds import Asks

Kind = Literal["popularity", "contributors", "quality", "compare", "cohorts"]

NEWEST, PREVIOUS = "newest", "previous"
PREFIX = "measure "
"""Names of rounds that measure begin with it, and names of rounds that train never do."""

_Model = Annotated[str, Meta(pattern=r"^(newest|previous|[0-9a-f]{64})\Z")]
_Many = Annotated[int, Meta(ge=1, le=1 << 16)]


class Table(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A `[[task]]` of the file: what all kinds have."""

    epsilon: Annotated[float, Meta(gt=0, le=100)]
    every_hours: Annotated[float, Meta(gt=0, le=1e6)] = 168.0
    name: Annotated[str, Meta(pattern=r"^([a-z0-9][a-z0-9-]{0,63})?\Z")] = ""


class _Popularity(Table, tag_field="kind", tag="popularity", frozen=True):
    pass


class _Contributors(Table, tag_field="kind", tag="contributors", frozen=True):
    most_items: _Many = 50


class _Quality(Table, tag_field="kind", tag="quality", frozen=True):
    model: _Model = NEWEST
    k: _Many = 10


class _Compare(Table, tag_field="kind", tag="compare", frozen=True):
    a: _Model = PREVIOUS
    b: _Model = NEWEST
    k: _Many = 10


class _Cohorts(Table, tag_field="kind", tag="cohorts", frozen=True):
    """columns: how many items are counted; 0 for all that the upload has room for."""

    by: By = msgspec.field(default_factory=dict)
    group: Annotated[tuple[GroupTable, ...], Meta(max_length=MOST_GROUPS - 1)] = ()
    gate: Annotated[float, Meta(ge=1, le=1e9)] = GATE
    columns: Annotated[int, Meta(ge=0, le=1 << 26)] = 0


AnyTable = _Popularity | _Contributors | _Quality | _Compare | _Cohorts


@final
@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is measured again and again.

    every: seconds from a sum to the next. epsilon: of one sum. models: those it grades, "newest", "previous"
    (the one before that differs) or the sha256 of a published one in hex. k: length of the lists that are
    graded. most_items: of one person that are counted. Of cohorts: tree; gate: devices that a group needs;
    columns: items that are counted, 0 for all that there is room for.
    """

    name: str
    kind: Kind
    every: float
    epsilon: float
    models: tuple[str, ...] = ()
    k: int = 10
    most_items: int = 50
    tree: CohortTree | None = None
    gate: float = GATE
    columns: int = 0

    @property
    def prefix(self) -> str:
        """What the names of its rounds begin with; their number follows."""
        return f"{PREFIX}{self.name} "

    @property
    def purpose(self) -> Asks:
        """The switch that a device gives a sum of it for."""
        return "quality" if self.models else "cohort"

    def width(self, items: int, max_length: int) -> int:
        """Return how many items a sum over cohorts counts. max_length: entries of the longest vector."""
        assert self.tree is not None  # noqa: S101  (only cohorts have a width)
        room = max(max_length // len(self.tree) - 1, 1)
        return min(items, self.columns or room)

    def task(self, items: int, models: Sequence[bytes], columns: NDArray[np.int64] | None = None) -> Task:
        """Return what devices are asked to compute.

        models: digests, in the order of `models`. columns: the items that are counted of cohorts; None: all.
        """
        if self.tree is not None:
            return CohortTask(self.tree, items, columns)
        match self.kind:
            case "popularity":
                return PopularityTask(items)
            case "contributors":
                return ContributorTask(items, self.most_items)
            case "quality":
                return QualityTask(ModelName(models[0]), self.k)
            case _:
                return CompareTask(ModelName(models[0]), ModelName(models[1]), self.k)


def read_measures(tables: Sequence[AnyTable]) -> tuple[Measure, ...]:
    """Return what the tables of a file define; DataError for what cannot be, with its key."""
    found = list[Measure]()
    for table in tables:
        name = table.name or str(table.__struct_config__.tag)
        common = (name, table.every_hours * 3600, table.epsilon)
        if name in [one.name for one in found]:
            raise DataError(f"task.name: two tasks are called {name!r}: give each a name of its own")
        if isinstance(table, _Cohorts) and any(one.kind == "cohorts" for one in found):
            raise DataError("task.kind: two tasks are of cohorts, and devices use one tree: keep one of them")
        found.append(_measure(table, *common))
    return tuple(found)


def _measure(table: AnyTable, name: str, every: float, epsilon: float) -> Measure:
    match table:
        case _Contributors():
            return Measure(name, "contributors", every, epsilon, most_items=table.most_items)
        case _Quality():
            return Measure(name, "quality", every, epsilon, (table.model,), table.k)
        case _Compare():
            if table.a == table.b:
                raise DataError(f"task.b: {name!r} compares a model with itself: name another")
            return Measure(name, "compare", every, epsilon, (table.a, table.b), table.k)
        case _Cohorts():
            tree = read_tree(table.by, table.group)
            return Measure(name, "cohorts", every, epsilon, tree=tree, gate=table.gate, columns=table.columns)
        case _:
            return Measure(name, "popularity", every, epsilon)


@lru_cache(maxsize=64)
def noise_of(epsilon: float, delta: float) -> float:
    """Return the noise multiplier of one sum that alone costs this much."""
    return calibrate(epsilon, delta, (1.0,))[0]
