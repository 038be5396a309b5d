"""A population's TOML file: read whole, or refused with the key that is wrong."""

import re
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from confidante.coordinator.config.catalogue_file import read_catalogue
from confidante.coordinator.config.measures import EXAMPLES, AnyConfig, Measure, read_measures
from confidante.coordinator.config.message_sizes import other_bytes
from confidante.coordinator.config.population import EnrolmentTerms, Population
from confidante.coordinator.config.refinement import EXAMPLE as REFINEMENT_EXAMPLE
from confidante.coordinator.config.refinement import RefinementTable, refinement_terms
from confidante.coordinator.config.upload_sizes import upload_sizes
from confidante.core.errors import DataError, PlanError
from confidante.core.values import DEFAULT_PACK
from confidante.packs.registry import pack_named
from confidante.privacy.plan import Cohort
from confidante.secagg.phases import PHASES
from confidante.wire.catalogue import CatalogueWire

EXAMPLE = (
    """\
# A population: the people whose devices learn one model together.

name = "films"            # small letters, digits and dashes; devices ask for it by this name
catalogue = "items.csv"   # item,title,labels (labels are separated by |); its order is what devices count in
repeat = false            # true where people take the same item again, as in a shop
# pack = "media"          # the domain of the items; "none": nothing is read of them but their labels

[cohort]
devices = 200             # take part in each round; every device may take part in every round
max_dropout = 0.3         # part of them that may vanish; a round that loses more ends without a sum
max_collusion = 0.1       # part of them that may tell this coordinator all they know

[privacy]
noise = true              # false: secure sums only, nothing hides in their results; no cohorts, no likes
epsilon = 8.0             # of all rounds together, for ever; when it is spent, no round is opened any more
delta = 1e-5              # chance in which the promise of epsilon may fail

[training]
epsilon = 4.0             # of one training; a round that fails has used up its part and is paid for again
every_hours = 168.0       # from one model to the next training
likes = 0.0               # part of it for one sum more (0.2, say), so that three likes of a person say much
# picks = 0.0             # the older name of likes; give one of the two

# Measured besides the training, each time as a private sum of its own, paid for out of privacy.epsilon.
# Take away the # of those that you want; a task may have a `name` of its own, and then be there twice.

"""
    + EXAMPLES
    + """
[upload]
bits = 20                 # an entry of a sum, 8 to 32; with noise, 8 hold some 10 devices, 12 some hundreds
max_bytes = 262144        # all that a device sends in one round
small_bytes = 65536       # a longer vector, and pairs of items, are for devices that call themselves large

[enrolment]               # who may take part; each round costs a device one anonymous token
verifier = "address"      # tokens by network; "invitation": by code, as written by `confidante coordinator
                          # invite`; "package.module:Class": your own verifier; "open": none are asked for
tokens = 64               # for one network, invitation or other subject (devices ask for 2 at once) every
hours = 24.0              # so many hours
keep_key = 7              # after so many times these hours the tokens' key is replaced

[seconds]                 # a phase ends when all answered, or after so many seconds
advertise = 60.0          # devices send their keys for this round
share = 60.0              # shares of their secrets, for when they drop out
mask = 300.0              # their masked vectors: here a device computes its own
confirm = 60.0            # signatures of who is in the sum
reveal = 60.0             # what takes the masks off the sum
rest = 60.0               # between a round that failed and the next try
waiting = 90.0            # a device that was not heard of for so long does not wait for a round any more

"""
    + REFINEMENT_EXAMPLE
)
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
    likes: Annotated[float, msgspec.Meta(ge=0, le=0.5)] | None = None
    picks: Annotated[float, msgspec.Meta(ge=0, le=0.5)] | None = None  # the older name of the same


class _Upload(_Table, frozen=True):
    bits: Annotated[int, msgspec.Meta(ge=8, le=32)] = 20
    max_bytes: Annotated[int, msgspec.Meta(ge=1024, le=1 << 28)] = 262144
    small_bytes: Annotated[int, msgspec.Meta(ge=0, le=1 << 28)] = 65536


class _EnrolmentTable(_Table, frozen=True):
    verifier: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "address"
    tokens: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 64
    hours: Annotated[float, msgspec.Meta(ge=1, le=24 * 366)] = 24.0
    keep_key: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 7


class _SecondsTable(_Table, frozen=True):
    advertise: _Seconds = 60.0
    share: _Seconds = 60.0
    mask: _Seconds = 300.0
    confirm: _Seconds = 60.0
    reveal: _Seconds = 60.0
    rest: Annotated[float, msgspec.Meta(ge=0, le=1e7)] = 60.0
    waiting: _Seconds = 90.0


class _File(_Table, frozen=True):
    name: str
    catalogue: str
    repeat: bool = False
    pack: str = DEFAULT_PACK
    cohort: _CohortTable = _CohortTable()
    privacy: _Privacy = _Privacy()
    training: _Training = _Training()
    task: Annotated[tuple[AnyConfig, ...], msgspec.Meta(max_length=32)] = ()
    upload: _Upload = _Upload()
    enrolment: _EnrolmentTable = _EnrolmentTable()
    seconds: _SecondsTable = _SecondsTable()
    refinement: RefinementTable | None = None


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
        raise DataError(f"is not valid TOML: {error}", path=path) from None
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
    try:
        tasks = read_measures(found.task)
    except DataError as error:
        raise DataError(error.problem, path=path) from None
    dear = [one for one in tasks if one.config.epsilon > found.privacy.epsilon]
    if dear and found.privacy.noise:
        raise DataError(
            f"task.epsilon of {dear[0].name!r} is {dear[0].config.epsilon}, and privacy.epsilon, the limit "
            f"of all, is {found.privacy.epsilon}: lower the one or raise the other",
            path=path,
        )
    if found.training.likes is not None and found.training.picks is not None:
        raise DataError("training has likes and picks, two names of one thing: keep likes", path=path)
    _check_hidden(found, tasks, path)
    try:
        refinement = None if found.refinement is None else refinement_terms(found.refinement, path.parent)
    except DataError as error:
        raise DataError(error.problem, path=path) from None
    try:
        pack = pack_named(found.pack)
    except DataError as error:
        raise DataError(f"pack: {error}", path=path) from None
    catalogue = pack.read(read_catalogue(path.parent / found.catalogue))
    try:
        for one in tasks:
            one.config.check(CatalogueWire(catalogue))
    except DataError as error:
        raise DataError(error.problem, path=path) from None
    try:
        cohort = Cohort(found.cohort.devices, found.cohort.max_dropout, found.cohort.max_collusion)
        other_bytes(cohort)  # whether there can be such a round at all
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
        likes=found.training.likes or found.training.picks or 0.0,
        every=found.training.every_hours * 3600,
        bits=found.upload.bits,
        max_bytes=found.upload.max_bytes,
        phases=tuple((phase.name, getattr(found.seconds, phase.word)) for phase in PHASES),
        rest=found.seconds.rest,
        waiting=found.seconds.waiting,
        enrolment=EnrolmentTerms(
            found.enrolment.verifier,
            found.enrolment.tokens,
            found.enrolment.hours * 3600,
            found.enrolment.keep_key,
        ),
        tasks=tasks,
        small_bytes=found.upload.small_bytes,
        refinement=refinement,
    )
    try:
        upload_sizes(population)
    except PlanError as error:
        raise DataError(str(error), path=path) from None
    return population


def _check_hidden(found: _File, tasks: tuple[Measure, ...], path: Path) -> None:
    """Refuse sums of few people's items that nothing would hide: a group may be one person, and so a row."""
    if found.privacy.noise:
        return
    training = ((f"training.{key} is above 0", getattr(found.training, key)) for key in ("likes", "picks"))
    measured = ((f"task {one.name!r} is over {one.kind.name}", one.kind.hides_little) for one in tasks)
    what = next((said for said, shows in (*measured, *training) if shows), None)
    if what is None:
        return
    raise DataError(
        f"privacy.noise is false and {what}: without noise the sum of a small group or of a rare item is "
        "somebody's own items; set privacy.noise = true, or remove that task or setting",
        path=path,
    )


def _key_of(error: msgspec.ValidationError) -> str:
    """Return a complaint of msgspec with its key in front."""
    problem, _, place = str(error).partition(" - at `$")
    key = place.rstrip("`").lstrip(".")
    return f"{key}: {problem}" if key else problem


def _said(error: OSError | UnicodeDecodeError) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror)
