"""What a population measures besides its trainings, each time as one private sum: `[[task]]` in its file."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Union, final

from confidante.core.errors import DataError
from confidante.privacy.accounting import calibrate
from confidante.privacy.purposes import Purpose
from confidante.tasks.base import TaskConfig, TaskKind
from confidante.tasks.registry import kind_of, kinds

PREFIX = "measure "
"""Names of rounds that measure begin with it, and names of rounds that train never do."""

EXAMPLES = "\n".join(kind.example for kind in kinds() if kind.example)
"""A `[[task]]` of each kind, as a comment."""

if TYPE_CHECKING:
    AnyConfig = TaskConfig
else:
    AnyConfig = Union[tuple(kind.config for kind in kinds() if kind.config)]  # noqa: UP007


@final
@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is measured again and again, as its table in the file says."""

    config: TaskConfig

    @property
    def kind(self) -> TaskKind:
        """What is measured."""
        return kind_of(self.config)

    @property
    def name(self) -> str:
        """The name that the operator gave it, or that of its kind."""
        return self.config.name or self.kind.name

    @property
    def every(self) -> float:
        """Seconds from a sum to the next."""
        return self.config.every_hours * 3600

    @property
    def prefix(self) -> str:
        """What the names of its rounds begin with; their number follows."""
        return f"{PREFIX}{self.name} "

    @property
    def purpose(self) -> Purpose:
        """The switch that a device gives a sum of it for."""
        return self.kind.purposes[0]


def read_measures(tables: Sequence[TaskConfig]) -> tuple[Measure, ...]:
    """Return what the tables of a file define; DataError for what cannot stand side by side, with its key."""
    found = list[Measure]()
    for one in map(Measure, tables):
        if one.name in [other.name for other in found]:
            raise DataError(f"task.name: two tasks are called {one.name!r}: give each a name of its own")
        if one.kind.single and one.kind in [other.kind for other in found]:
            raise DataError(f"task.kind: two tasks are of {one.kind.name}, and devices use one: keep one")
        found.append(one)
    return tuple(found)


@lru_cache(maxsize=64)
def noise_of(epsilon: float, delta: float) -> float:
    """Return the noise multiplier of one sum that alone costs this much."""
    return calibrate(epsilon, delta, (1.0,))[0]
