"""A population as its operator defined it; `population_file` reads it from TOML."""

from dataclasses import dataclass, field
from typing import final

from confidante.coordinator.config.measures import Measure
from confidante.coordinator.config.message_sizes import other_bytes
from confidante.coordinator.config.refinement import RefinementTerms
from confidante.core.values import Catalogue
from confidante.privacy.plan import Cohort


@final
@dataclass(frozen=True, slots=True)
class EnrolmentTerms:
    """Who may take part, as an operator decides it.

    verifier: "open" (no tokens are asked for), "address", "invitation" or an own "package.module:Class".
    most: tokens of one subject in an epoch; seconds: of an epoch; rotate: epochs until a new key is made.
    """

    verifier: str = "open"
    most: int = 8
    seconds: float = 86_400.0
    rotate: int = 7


@final
@dataclass(frozen=True, slots=True)
class Population:
    """A population as its operator defined it.

    catalogue: the public items. repeat: whether people take an item again. noise: False for secure sums
    only; then epsilon is not looked at. epsilon: limit of all rounds together, with delta;
    training_epsilon: of one training; likes: the share of it that the sum for likes takes, 0 for no such
    sum. every: seconds from a model to the next training. tasks: what else is summed. bits: of an entry;
    max_bytes: of all that a device sends in a round; small_bytes: the longest vector of a small device.
    phases: seconds by phase; rest: seconds after a round that failed; waiting: seconds for which a device
    that waits is counted on. enrolment: who may take part. refinement: how lists are refined, None for not
    at all.
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
    enrolment: EnrolmentTerms = field(default_factory=EnrolmentTerms)
    tasks: tuple[Measure, ...] = ()
    small_bytes: int = 65536
    likes: float = 0.0
    refinement: RefinementTerms | None = None

    def seconds(self, phase: str) -> float:
        """Return how long a phase may take."""
        return dict(self.phases)[phase]

    @property
    def max_length(self) -> int:
        """Entries of the longest vector that fits an upload."""
        return (self.max_bytes - other_bytes(self.cohort)) * 8 // self.bits
