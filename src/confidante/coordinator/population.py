"""What an operator decides: one TOML file a population, read whole or refused with the key that is wrong."""

import csv
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, final

import msgspec

from confidante.coordinator.enrolment import Enrolling
from confidante.coordinator.store.values import COLLECTING
from confidante.core.errors import DataError, PlanError
from confidante.core.types import Catalogue
from confidante.models.popularity import PopularityTask
from confidante.privacy.plan import Cohort, plan_sum
from confidante.protocol.config import RoundConfig

EXAMPLE = """\
# A population: the people whose devices learn one model together.

name = "films"            # small letters, digits and dashes; devices ask for it by this name
catalogue = "items.csv"   # item,title,labels (labels are separated by |); its order is what devices count in
repeat = false            # true where people take the same item again, as in a shop

[cohort]
devices = 200             # take part in each round; every device may take part in every round
max_dropout = 0.3         # part of them that may vanish; a round that loses more ends without a sum
max_collusion = 0.1       # part of them that may tell this coordinator all they know

[privacy]
noise = true              # false: secure sums only, nothing hides in their results
epsilon = 8.0             # of all rounds together, for ever; when it is spent, no round is opened any more
delta = 1e-5

[training]
epsilon = 4.0             # of one training; a round that fails has used up its part and is paid for again
every_hours = 168.0       # from one model to the next training

[upload]
bits = 20                 # an entry of a sum, 8 to 32
max_bytes = 262144        # of one masked vector

[enrolment]               # who may take part; each round costs a device one anonymous token
verifier = "open"         # whoever asks. "address": tokens by network; "invitation": by code, as written by
                          # `confidante coordinator invite`; "package.module:Class": your own verifier
tokens = 8                # that one network, invitation or other subject gets, each
hours = 24.0              # so many hours
keep_key = 7              # after so many times these hours the tokens' key is replaced

[seconds]                 # a phase ends when all answered, or after so many seconds
advertise = 60.0
share = 60.0
mask = 300.0
confirm = 60.0
reveal = 60.0
rest = 60.0               # between a round that failed and the next try
waiting = 3600.0          # after so long, a device that waits for a round is not counted on any more
"""
"""What `confidante coordinator init` writes."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_Part = Annotated[float, msgspec.Meta(ge=0, lt=1)]
_Epsilon = Annotated[float, msgspec.Meta(gt=0, le=100)]
_Seconds = Annotated[float, msgspec.Meta(gt=0, le=1e7)]


class _Table(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A table of the file."""


class _CohortTable(_Table, frozen=True):
    devices: Annotated[int, msgspec.Meta(ge=3, le=1 << 16)] = 200
    max_dropout: _Part = 0.3
    max_collusion: _Part = 0.1


class _Privacy(_Table, frozen=True):
    noise: bool = True
    epsilon: _Epsilon = 8.0
    delta: Annotated[float, msgspec.Meta(ge=1e-15, le=0.5)] = 1e-5


class _Training(_Table, frozen=True):
    epsilon: _Epsilon = 4.0
    every_hours: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 168.0


class _Upload(_Table, frozen=True):
    bits: Annotated[int, msgspec.Meta(ge=8, le=32)] = 20
    max_bytes: Annotated[int, msgspec.Meta(ge=1024, le=1 << 28)] = 262144


class _EnrolmentTable(_Table, frozen=True):
    verifier: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "open"
    tokens: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 8
    hours: Annotated[float, msgspec.Meta(ge=1, le=24 * 366)] = 24.0
    keep_key: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 7


class _SecondsTable(_Table, frozen=True):
    advertise: _Seconds = 60.0
    share: _Seconds = 60.0
    mask: _Seconds = 300.0
    confirm: _Seconds = 60.0
    reveal: _Seconds = 60.0
    rest: Annotated[float, msgspec.Meta(ge=0, le=1e7)] = 60.0
    waiting: _Seconds = 3600.0


class _File(_Table, frozen=True):
    name: str
    catalogue: str
    repeat: bool = False
    cohort: _CohortTable = _CohortTable()
    privacy: _Privacy = _Privacy()
    training: _Training = _Training()
    upload: _Upload = _Upload()
    enrolment: _EnrolmentTable = _EnrolmentTable()
    seconds: _SecondsTable = _SecondsTable()


@final
@dataclass(frozen=True, slots=True)
class Population:
    """A population as its operator defined it.

    catalogue: the public items. repeat: whether people take an item again. noise: False for secure sums
    only; then epsilon is not looked at. epsilon: limit of all rounds together, with delta;
    training_epsilon: of one training. every: seconds from a model to the next training. bits, max_bytes: of
    an upload. phases: seconds by phase; rest: seconds after a round that failed; waiting: seconds for which
    a device that waits is counted on. enrolment: who may take part.
    """

    name: str
    catalogue: Catalogue
    repeat: bool
    cohort: Cohort
    noise: bool
    epsilon: float
    delta: float
    training_epsilon: float
    every: float
    bits: int
    max_bytes: int
    phases: tuple[tuple[str, float], ...]
    rest: float
    waiting: float
    enrolment: Enrolling = field(default_factory=Enrolling)

    def seconds(self, phase: str) -> float:
        """Return how long a phase may take."""
        return dict(self.phases)[phase]

    @property
    def max_length(self) -> int:
        """Entries of the longest vector that fits an upload."""
        return self.max_bytes * 8 // self.bits


def read_population(path: Path) -> Population:
    """Return the population that a TOML file defines; its catalogue is found beside it.

    Raises DataError naming the key (or the line) that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read ({_said(error)}): name a TOML file", path=path) from None
    try:
        found = msgspec.convert(tomllib.loads(text), _File)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"is no TOML: {error}", path=path) from None
    except msgspec.ValidationError as error:
        raise DataError(f"{_key_of(error)}: see `confidante coordinator init`", path=path) from None
    if not _NAME.fullmatch(found.name):
        raise DataError(
            f"name is {found.name[:80]!r}: give 1 to 64 small letters, digits and dashes", path=path
        )
    if found.training.epsilon > found.privacy.epsilon and found.privacy.noise:
        raise DataError(
            f"training.epsilon is {found.training.epsilon}, and privacy.epsilon, the limit of all, is "
            f"{found.privacy.epsilon}: lower the one or raise the other",
            path=path,
        )
    catalogue = read_catalogue(path.parent / found.catalogue)
    try:
        cohort = Cohort(found.cohort.devices, found.cohort.max_dropout, found.cohort.max_collusion)
        _check_rounds(cohort)
    except PlanError as error:
        raise DataError(f"cohort: {error}", path=path) from None
    population = Population(
        name=found.name,
        catalogue=catalogue,
        repeat=found.repeat,
        cohort=cohort,
        noise=found.privacy.noise,
        epsilon=found.privacy.epsilon,
        delta=found.privacy.delta,
        training_epsilon=found.training.epsilon,
        every=found.training.every_hours * 3600,
        bits=found.upload.bits,
        max_bytes=found.upload.max_bytes,
        phases=tuple((phase, getattr(found.seconds, phase.lower())) for phase in COLLECTING),
        rest=found.seconds.rest,
        waiting=found.seconds.waiting,
        enrolment=Enrolling(
            found.enrolment.verifier,
            found.enrolment.tokens,
            found.enrolment.hours * 3600,
            found.enrolment.keep_key,
        ),
    )
    if len(catalogue) > population.max_length:
        raise DataError(
            f"upload.max_bytes is {population.max_bytes}: {len(catalogue)} items at {population.bits} bits "
            f"need {(len(catalogue) * population.bits + 7) // 8}",
            path=path,
        )
    task = PopularityTask(len(catalogue))
    try:  # the least that a plan asks for: without noise
        plan_sum(task.name, task.length, task.l2_bound, task.linf_bound, 0.0, cohort, population.bits)
    except PlanError as error:
        raise DataError(f"upload.bits: {error}", path=path) from None
    return population


def read_catalogue(path: Path) -> Catalogue:
    """Return the items of a CSV file `item,title,labels`, in its order; DataError naming file and line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(_rows(path, file))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"the catalogue cannot be read ({_said(error)}): give UTF-8 `item,title,labels`", path=path
        ) from None
    if len(rows) < 2:
        raise DataError(f"has {len(rows)} items: at least 2 are needed to choose between", path=path)
    ids, titles, labels = zip(*rows, strict=True)
    try:
        return Catalogue(ids, titles, labels)
    except DataError as error:
        raise DataError(error.problem, path=path) from None


def _rows(path: Path, file: Any) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    reader = csv.reader(file, strict=True)
    try:
        names = next(reader, [])
        if not {"item", "title", "labels"} <= set(names):
            raise DataError("its first line has to name the columns item,title,labels", path=path, line=1)
        item, title, labels = map(names.index, ("item", "title", "labels"))
        for row in reader:
            if not row:
                continue
            if len(row) != len(names):
                raise DataError(
                    f"has {len(row)} fields, the first line {len(names)}", path=path, line=reader.line_num
                )
            if not row[item].strip():
                raise DataError("has no item id: give one", path=path, line=reader.line_num)
            split = (label.strip() for label in row[labels].split("|"))
            yield row[item].strip(), row[title].strip(), tuple(dict.fromkeys(filter(None, split)))
    except csv.Error as error:
        raise DataError(f"is no CSV: {error}", path=path, line=reader.line_num) from None


def _check_rounds(cohort: Cohort) -> None:
    """Raise PlanError when no secure round can have such a cohort."""
    RoundConfig.plan(
        round_id=bytes(32),
        graph_seed=bytes(32),
        n=cohort.devices,
        length=1,
        bits=32,
        max_abs_entry=1,
        max_dropout=cohort.max_dropout,
        max_collusion=cohort.max_collusion,
    )


def _key_of(error: msgspec.ValidationError) -> str:
    """Return a complaint of msgspec with its key in front."""
    problem, _, place = str(error).partition(" - at `$")
    key = place.rstrip("`").lstrip(".")
    return f"{key}: {problem}" if key else problem


def _said(error: OSError | UnicodeDecodeError) -> str:
    return "it is no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror)
