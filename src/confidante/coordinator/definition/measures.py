"""What a population measures besides its trainings, each time as one private sum: `[[task]]` in its file."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal, final

import msgspec
from msgspec import Meta

from confidante.core.errors import DataError
from confidante.models.contributors import ContributorTask
from confidante.models.popularity import PopularityTask
from confidante.models.quality import CompareTask, QualityTask
from confidante.models.scoring import ModelName
from confidante.models.task import Task
from confidante.privacy.accounting import calibrate
from confidante.protocol.coordination import Asks

Kind = Literal["popularity", "contributors", "quality", "compare"]

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


AnyTable = _Popularity | _Contributors | _Quality | _Compare


@final
@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is measured again and again.

    every: seconds from a sum to the next. epsilon: of one sum. models: those it grades, "newest", "previous"
    (the one before that differs) or the sha256 of a published one in hex. k: length of the lists that are
    graded. most_items: of one person that are counted.
    """

    name: str
    kind: Kind
    every: float
    epsilon: float
    models: tuple[str, ...] = ()
    k: int = 10
    most_items: int = 50

    @property
    def prefix(self) -> str:
        """What the names of its rounds begin with; their number follows."""
        return f"{PREFIX}{self.name} "

    @property
    def purpose(self) -> Asks:
        """The switch that a device gives a sum of it for."""
        return "quality" if self.models else "cohort"

    def task(self, items: int, models: Sequence[bytes]) -> Task:
        """Return what devices are asked to compute. models: digests, in the order of `models`."""
        match self.kind:
            case "popularity":
                return PopularityTask(items)
            case "contributors":
                return ContributorTask(items, self.most_items)
            case "quality":
                return QualityTask(ModelName(models[0]), self.k)
            case "compare":
                return CompareTask(ModelName(models[0]), ModelName(models[1]), self.k)


def read_measures(tables: Sequence[AnyTable]) -> tuple[Measure, ...]:
    """Return what the tables of a file define; DataError for equal names, or a comparison with itself."""
    found = list[Measure]()
    for table in tables:
        name = table.name or str(table.__struct_config__.tag)
        common = (name, table.every_hours * 3600, table.epsilon)
        if name in [one.name for one in found]:
            raise DataError(f"task.name: two tasks are called {name!r}: give each a name of its own")
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
        case _:
            return Measure(name, "popularity", every, epsilon)


@lru_cache(maxsize=64)
def noise_of(epsilon: float, delta: float) -> float:
    """Return the noise multiplier of one sum that alone costs this much."""
    return calibrate(epsilon, delta, (1.0,))[0]
