"""A population's TOML file: read whole, or refused with the key that is wrong."""

import re
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from confidante.coordinator.config.catalogue_file import read_catalogue
from confidante.coordinator.config.groups import check_fits
from confidante.coordinator.config.measures import AnyTable, Measure, read_measures
from confidante.coordinator.config.message_sizes import other_bytes
from confidante.coordinator.config.population import EnrolmentTerms, Population
from confidante.coordinator.config.refinement import EXAMPLE as REFINEMENT_EXAMPLE
from confidante.coordinator.config.refinement import RefinementTable, refinement_terms
from confidante.coordinator.config.upload_sizes import upload_sizes
from confidante.core.errors import DataError, PlanError
from confidante.privacy.plan import Cohort
from confidante.secagg.phases import PHASES

EXAMPLE = (
    """\
# A population: the people whose devices learn one model together.

name = "films"            # small letters, digits and dashes; devices ask for it by this name
catalogue = "items.csv"   # item,title,labels (labels are separated by |); its order is what devices count in
repeat = false            # true where people take the same item again, as in a shop

[cohort]
devices = 200             # take part in each round; every device may take part in every round
max_dropout = 0.3         # part of them that may vanish; a round that loses more ends without a sum
max_collusion = 0.1       # part of them that may tell this coordinator all they know

[privacy]
noise = true              # false: secure sums only, nothing hides in their results; no cohorts, no picks
epsilon = 8.0             # of all rounds together, for ever; when it is spent, no round is opened any more
delta = 1e-5              # chance in which the promise of epsilon may fail

[training]
epsilon = 4.0             # of one training; a round that fails has used up its part and is paid for again
every_hours = 168.0       # from one model to the next training
picks = 0.0               # part of it for one sum more (0.2, say), so that three picks of a person say much

# Measured besides the training, each time as a private sum of its own, paid for out of privacy.epsilon.
# Take away the # of those that you want; a task may have a `name` of its own, and then be there twice.

# [[task]]
# kind = "popularity"     # how many people met each item, each person with the same say
# every_hours = 168.0
# epsilon = 1.0           # of one such sum

# [[task]]
# kind = "contributors"   # how many devices met each item
# most_items = 50         # of one person, the newest, are counted
# every_hours = 168.0
# epsilon = 1.0

# [[task]]
# kind = "quality"        # hit rate and NDCG at k: does the model foretell what people took last?
# model = "newest"        # or "previous", or the sha256 of a published one
# k = 10
# every_hours = 24.0
# epsilon = 0.5

# [[task]]
# kind = "compare"        # the same for two models, on the same people
# a = "previous"
# b = "newest"
# k = 10
# every_hours = 168.0
# epsilon = 0.5

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
# labels = ["Horror"]     # who picked items with one of these labels, or of `items`, by id

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
    picks: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.0


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
    cohort: _CohortTable = _CohortTable()
    privacy: _Privacy = _Privacy()
    training: _Training = _Training()
    task: Annotated[tuple[AnyTable, ...], msgspec.Meta(max_length=32)] = ()
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
    try:
        tasks = read_measures(found.task)
    except DataError as error:
        raise DataError(error.problem, path=path) from None
    dear = [one for one in tasks if one.epsilon > found.privacy.epsilon]
    if dear and found.privacy.noise:
        raise DataError(
            f"task.epsilon of {dear[0].name!r} is {dear[0].epsilon}, and privacy.epsilon, the limit of all, "
            f"is {found.privacy.epsilon}: lower the one or raise the other",
            path=path,
        )
    _check_hidden(found, tasks, path)
    try:
        refinement = None if found.refinement is None else refinement_terms(found.refinement, path.parent)
    except DataError as error:
        raise DataError(error.problem, path=path) from None
    catalogue = read_catalogue(path.parent / found.catalogue)
    for tree in (one.tree for one in tasks if one.tree is not None):
        try:
            check_fits(tree, catalogue)
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
        picks=found.training.picks,
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
    cohorts = next((one.name for one in tasks if one.tree is not None), None)
    if found.privacy.noise or (cohorts is None and not found.training.picks):
        return
    what = "training.picks is above 0" if cohorts is None else f"task {cohorts!r} is over cohorts"
    raise DataError(
        f"privacy.noise is false and {what}: without noise the sum of a small group or of a rare item is "
        "somebody's own items; set privacy.noise = true, or ask for no such sum",
        path=path,
    )


def _key_of(error: msgspec.ValidationError) -> str:
    """Return a complaint of msgspec with its key in front."""
    problem, _, place = str(error).partition(" - at `$")
    key = place.rstrip("`").lstrip(".")
    return f"{key}: {problem}" if key else problem


def _said(error: OSError | UnicodeDecodeError) -> str:
    return "it is no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror)
