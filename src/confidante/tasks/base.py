"""What a task is, and the one entry by which devices and coordinators know it.

A task is one file: the vector that a device computes (`Task`), its bytes (`TaskForm`), its table in a
population's file (`TaskConfig`), what its sum is shown as (`Found`), and `KIND`, which ties these together.
The registry finds it there, or by an entry point of another package, and both ends ask the registry.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Annotated, Any, Protocol, Self, final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from confidante.core.errors import WireError
from confidante.core.values import Histories, SparseRows
from confidante.models.scoring import Scores
from confidante.privacy.purposes import Purpose
from confidante.wire.catalogue import CatalogueWire

MOST_ENTRIES = 1 << 26
"""Entries of the longest vector."""

NEWEST, PREVIOUS = "newest", "previous"
"""Names of published models: the newest, and the newest before it that differs."""

Digest = Annotated[bytes, Meta(min_length=32, max_length=32)]
Events = Annotated[int, Meta(ge=1, le=1 << 20)]
Many = Annotated[int, Meta(ge=1, le=1 << 16)]
Positive = Annotated[float, Meta(gt=0, le=1e100)]

Models = Callable[[bytes], Scores]
"""Gives the model of a digest, ready to score the catalogue at hand."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class NoisySum:
    """What the coordinator learns of a task.

    values: float64 [length], in the units of the devices' vectors; variance: of the noise in each entry,
    known exactly from the plan and the number of survivors (0.0 without noise); contributors: devices in
    the sum.

    Stability: stable.
    """

    values: NDArray[np.float64]
    variance: float
    contributors: int


class Task(Protocol):
    """A vector that each device computes from its own history and what was broadcast (the task's fields).

    `client_update` is the very code of a device; the lab hands it many people at once. Each row it returns
    has an l2 norm of at most `l2_bound`; the plan clips its entries to `linf_bound`, so a person whose whole
    say is one entry keeps only that much of it.
    What the sum becomes is a function of the task's module, called with the `NoisySum`.

    Stability: stable.
    """

    @property
    def name(self) -> str:
        """Name for plans and the ledger."""

    @property
    def length(self) -> int:
        """Entries of the vector."""

    @property
    def l2_bound(self) -> float:
        """Bound on each person's l2 norm."""

    @property
    def linf_bound(self) -> float:
        """Bound on each entry of a person's vector."""

    def client_update(self, histories: Histories) -> SparseRows:
        """Return one row a person."""


@final
@dataclass(frozen=True, slots=True)
class Rows:
    """A result as a table, for the operator's page and the command line.

    rows: as many cells as headings, each as it is to be read; numbers: the columns that hold numbers, which
    are aligned to the right; note: a sentence to stand below, or empty.

    Stability: provisional.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...] = ()
    note: str = ""


def estimated(value: float, error: float, digits: int, among: int = 1) -> tuple[str, str]:
    """Return the cells of an estimate and of its noise: no number where the noise alone may have made it.

    error: standard error that the noise adds. among: how many estimates this is one of, or was chosen from:
    of all of them together the noise alone makes one look like a finding in 1 of 20 cases (Bonferroni).

    Stability: provisional.
    """
    noise = f"± {error:.{digits}f}"
    if error > 0 and abs(value) <= NormalDist().inv_cdf(1 - 0.025 / among) * error:
        return "-", f"{noise}, {NOT_TOLD}"
    return f"{value:.{digits}f}", noise


NOT_TOLD = "not distinguishable from noise"


class Found(Protocol):
    """What a noisy sum came to: a frozen dataclass, whose fields `results --json` prints.

    Stability: provisional.
    """

    def rows(self, models: Sequence[str]) -> Rows:
        """Return it as a table. models: sha256 in hex of those that the task names."""


class TaskForm(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """The bytes of a task of one kind. A subclass has a tag of its own: its kind and a version.

    catalogue: SHA-256 of the catalogue in whose order entries are counted. Features do not travel: both ends
    work them out from the catalogue. Nor do models: a form names them by the sha256 of their bytes, as the
    public log does, and whoever computes fetches them first. The tag and the order of fields never change.

    Stability: provisional.
    """

    catalogue: Digest

    @classmethod
    def of(cls, task: Any, catalogue: bytes) -> Self:
        """Return the form of `task`; DataError when it cannot travel."""
        raise NotImplementedError

    def task(self, wire: CatalogueWire, models: Models) -> Task:
        """Return the task; WireError for a field out of bounds. wire: the catalogue that it names."""
        raise NotImplementedError

    @property
    def models(self) -> tuple[bytes, ...]:
        """The models, by sha256 of their bytes, that it takes to compute the task."""
        return ()

    def found(self, total: NoisySum, wire: CatalogueWire, released: bytes) -> Found | None:
        """Return what the sum came to; None when there is nothing to show.

        wire: the population's catalogue of today, which may be another one. released: what was published of
        the sum (`TaskConfig.release`), empty for the sum alone.
        """
        return None


@final
@dataclass(frozen=True, slots=True)
class TaskContext:
    """What a task is made from, besides its table.

    wire: the population's catalogue; max_length: entries of the longest vector that is uploaded; models:
    digests of those that the table names, in its order; popular: gives the popularity of each item by the
    newest model, float64 [items], or None before there is one.

    Stability: provisional.
    """

    wire: CatalogueWire
    max_length: int
    models: tuple[bytes, ...] = ()
    popular: Callable[[], NDArray[np.float64] | None] = lambda: None

    @property
    def items(self) -> int:
        """Size of the catalogue."""
        return len(self.wire.catalogue)


class TaskConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, tag_field="kind"):
    """A `[[task]]` table of a population's file: what all kinds have. A subclass has its kind as tag.

    epsilon: of one sum, taken alone; every_hours: from one sum to the next; name: of this measure, the kind
    when empty.

    Stability: provisional.
    """

    epsilon: Annotated[float, Meta(gt=0, le=100, description="of one such sum, taken alone")]
    every_hours: Annotated[float, Meta(gt=0, le=1e6, description="from one sum to the next")] = 168.0
    name: Annotated[str, Meta(pattern=r"^([a-z0-9][a-z0-9-]{0,63})?\Z", description="of this measure")] = ""

    @property
    def models(self) -> tuple[str, ...]:
        """The models that it names: "newest", "previous" or the sha256 of a published one in hex."""
        return ()

    def check(self, wire: CatalogueWire) -> None:
        """Raise DataError, with the key that is wrong, when it does not fit together or the catalogue."""

    def task(self, context: TaskContext) -> Task:
        """Return what devices are asked to compute now."""
        raise NotImplementedError

    def release(self, body: bytes, total: NoisySum, context: TaskContext) -> bytes:
        """Return what is published of a sum for devices to fetch; empty when the sum is all.

        body: the task as it was announced.
        """
        return b""


@final
@dataclass(frozen=True, slots=True)
class Stated:
    """What a person stated and likes on a device. It never leaves it, and a task may be placed by it.

    attributes: by name; liked_items: ids of items that were picked; liked_labels: theirs, as often as they
    carry them.
    """

    attributes: Mapping[str, str]
    liked_items: tuple[str, ...] = ()
    liked_labels: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TaskKind:
    """All that devices and coordinators ask of one kind of task; a task's module calls it `KIND`.

    task, form: its classes. purposes: those that it may be announced for; the first is that of a `[[task]]`.
    reads_order: whether it reads which event came after which; likes are not a sequence, and are left out
    then. config: its table, None for a task that only trainings use; example: that table as
    `confidante coordinator init` writes it. large: whether only large devices take it on, however short it
    is. single: whether a population can have one such table at most. hides_little: whether its sum without
    noise would show single people. place: on the device, from what its person stated, the task that can be
    computed and what only the person may read of it.

    Stability: provisional.
    """

    task: type[Any]
    form: type[TaskForm]
    purposes: tuple[Purpose, ...]
    reads_order: bool
    config: type[TaskConfig] | None = None
    example: str = ""
    large: bool = False
    single: bool = False
    hides_little: bool = False
    place: Callable[[Any, Stated], tuple[Task, Mapping[str, str]]] | None = None

    @property
    def tag(self) -> str:
        """What its bytes begin with: its name and a version."""
        return str(self.form.__struct_config__.tag)

    @property
    def name(self) -> str:
        """Its name on the wire and in a population's file."""
        return self.tag.rpartition(" ")[0]


def require(holds: bool, problem: str) -> None:
    """Raise WireError saying what is wrong with a task in bytes, unless it `holds`."""
    if not holds:
        raise WireError(problem)


def items_out(items: NDArray[np.int64] | None) -> bytes:
    """Return items of a catalogue as bytes, little-endian u32 each; nothing for all."""
    return b"" if items is None else items.astype("<u4").tobytes()


def items_in(data: bytes, items: int) -> NDArray[np.int64] | None:
    """Return different items of a catalogue of `items`, None for no bytes; WireError for anything else."""
    if not data:
        return None
    require(len(data) % 4 == 0, "a task counts items that there are not")
    found = np.frombuffer(data, dtype="<u4").astype(np.int64)
    require(int(found.max()) < items, "a task names an item that does not exist")
    require(len(np.unique(found)) == len(found), "a task names an item twice")
    return found
