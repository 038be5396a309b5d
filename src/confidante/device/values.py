"""What a device speaks of: answers and their reasons, tastes, purposes. Frozen, and nothing secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, final

from confidante.core.values import Item
from confidante.privacy.purposes import Purpose as Purpose


@final
@dataclass(frozen=True, slots=True)
class Retention:
    """How long raw events are kept: the newest `events`, none older than `days` (None: of any age).

    keep_seen: whether an item stays known as one that the person had, and so out of suggestions, when its
    events are too old to be kept; else that goes when an event of its time would.
    """

    events: int = 500
    days: float | None = None
    keep_seen: bool = True


class ReasonKind(StrEnum):
    """What a share of a score comes from. Nothing else can be a reason."""

    EVENT = "event"  # an event of the person's own
    EVENTS = "events"  # all further events of the person's own together
    REQUEST = "less like this"  # an item the person asked to see less of
    TASTE = "taste edit"  # a taste the person raised or lowered
    POPULARITY = "popularity"  # learnt from many devices: the same for all, or for all of one group
    REFINEMENT = "refinement"  # what a server knows, worked out from an encrypted question
    RULE = "operator's rule"  # what the server's operator adds to an item, the same for all


@final
@dataclass(frozen=True, slots=True)
class Reason:
    """One share of a score.

    kind, subject: what it comes from (the title of the own event's item, the label of the taste, how many
    further events; for popularity whose it is, empty for everyone's). event: number of the own event. item:
    its item. said: of an event with a rating, what it is beside the person's usual one. points: in units of
    the score; the points of all reasons add up to the score. parts: the same points by part of the model
    ("what followed what", "kind of item", "words and labels"), for one event.
    """

    kind: ReasonKind
    subject: str
    points: float
    parts: Mapping[str, float] = field(default_factory=dict)
    event: int | None = None
    item: str | None = None
    said: str = ""


@final
@dataclass(frozen=True, slots=True)
class Suggestion:
    """One recommended item, its score, and its reasons, heaviest (by size of points) first.

    A list of recommendations names the events that weigh most and adds up the others in one reason;
    `Device.explain` names them all.
    """

    item: Item
    score: float
    reasons: tuple[Reason, ...]

    @property
    def unexplained(self) -> float:
        """Score minus all its reasons: rounding only."""
        return self.score - sum(reason.points for reason in self.reasons)


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """What was recommended. personal: False when no-profiling mode answered, the same for everybody.

    note: one sentence for the person when the answer is not what they may expect (nothing known yet, fewer
    than asked for because of a filter), else empty. refinement: of a list that was to be refined, how that
    stands; None when it was not.
    """

    suggestions: tuple[Suggestion, ...]
    personal: bool
    note: str = ""
    refinement: "PendingRefinement | None" = field(default=None, compare=False, repr=False)

    def refined(self, timeout: float | None = None) -> "Answer":
        """Return the refined list, or this one when there is none: `refinement.reason` says why.

        It waits until the refinement is done or its time is up, or `timeout` seconds if that is sooner.
        """
        return self if self.refinement is None else self.refinement.answer(self, timeout)


class PendingRefinement(Protocol):
    """What becomes of one list that was to be refined.

    Stability: provisional
    """

    @property
    def done(self) -> bool:
        """Whether it is decided."""

    @property
    def reason(self) -> "NotRefined | None":
        """Why the list is not refined; None when it is, or while it is not decided."""

    @property
    def said(self) -> str:
        """The same as a sentence; empty when there is no reason."""

    def answer(self, local: Answer, timeout: float | None = None) -> Answer:
        """Return the refined list, or `local`; see `Answer.refined`."""


class NotRefined(StrEnum):
    """Why a list is not refined."""

    SWITCHED_OFF = "switched_off"  # the person does not allow it
    NO_SERVER = "no_server"  # `Device.refine_with` was not called
    NOT_PREPARED = "not_prepared"  # what it takes was not fetched yet: `Device.refresh_refinement`
    NO_LIBRARY = "no_library"  # encryption is not installed here, or none that the server knows
    NO_TOKENS = "no_tokens"
    NO_BUDGET = "no_budget"  # a bucket's number would cost more epsilon than is left
    NO_PROFILING = "no_profiling"
    TOO_SOON = "too_soon"  # the coordinator saw this device fetch just now
    TOO_SLOW = "too_slow"
    UNREACHABLE = "unreachable"
    RELAY = "relay"  # something came that no gateway sealed for this question
    REFUSED = "refused"
    STALE = "stale"  # the server has newer vectors, or another key, than this device
    NONSENSE = "nonsense"
    ALARM = "alarm"  # the coordinator was caught at something, and the person has not dismissed it
    STOPPED = "stopped"  # this device was closed, or could not go on


@final
@dataclass(frozen=True, slots=True)
class Counterfactual:
    """The fewest own events without which an item leaves the top `n`.

    events: their numbers; empty when none of the searched sets does it, or the item is not in the top n.
    smallest: True when every smaller set was tried and fails. sentence: the same for a person to read.
    """

    item: str
    n: int
    events: tuple[int, ...]
    smallest: bool
    sentence: str


@final
@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an item scores what it scores, wherever it ranks.

    rank: 1-based among all candidates, None when it is no candidate (seen before, excluded): `note` says why.
    """

    suggestion: Suggestion
    rank: int | None
    counterfactual: Counterfactual
    note: str = ""


@final
@dataclass(frozen=True, slots=True)
class ItemEntry:
    """An item as the library has it. hidden: it is not recommended. note: what an app keeps with it."""

    item: Item
    hidden: bool
    note: str


@final
@dataclass(frozen=True, slots=True)
class Taste:
    """A label and how much of the person's recent history it is.

    share: in [0, 1], all shares add up to 1; events: own events that carry it; level: the person's edit,
    -2 (much less) to 2 (much more), 0 untouched; removed: never suggest it.
    """

    label: str
    share: float
    events: int
    level: int = 0
    removed: bool = False


@final
@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was forgotten. undo: hand it to `Device.undo` until `until` (seconds since 1970), or None.

    seen: how many items no longer count as had, and may be suggested.
    """

    events: int
    undo: str | None = None
    until: float | None = None
    seen: int = 0


@final
@dataclass(frozen=True, slots=True)
class Rollback:
    """What was found missing when a profile was opened: an older copy of it, or of a part, was put back.

    Attributes:
        at: When it was found, in seconds since 1970.
        departures: Entries of the ledger that are missing, or are not those that were written.
        receipts: The same of changes of switches; whatever sends was switched off then.
        renewals: How many times something was erased that the older copy still has.
        changes: How many changes are missing of all that are counted: those above, and every forgetting and
            change of retention, pause, profiling or limit of the budget; at least 1 where that is not known.
        epsilon: What had been spent of the privacy budget and was charged again; 0.0 when that was known.
        readable: Whether the note of how far the profile was could be read; if not, nothing else is known.

    Stability: provisional
    """

    at: float
    departures: int = 0
    receipts: int = 0
    renewals: int = 0
    changes: int = 0
    epsilon: float = 0.0
    readable: bool = True

    @property
    def sentence(self) -> str:
        """What it means, for a person to read."""
        if not self.readable:
            return (
                "The note in the system's key ring of how far this profile was cannot be read, so nobody can "
                "tell whether an older copy of it was put back."
            )
        lost = []
        if self.renewals or self.changes:
            lost.append("what you forgot since may be here again: look through your history")
            lost.append("pause, retention and the limit of the budget may be those of then")
        if self.receipts:
            lost.append(
                "switches were older than your last choice, so everything that sends was switched off"
            )
        if self.departures:
            lost.append("the list of what was sent lacks its newest entries")
        if self.epsilon:
            lost.append("what they gave away was charged to your privacy budget again")
        return f"An older copy of this profile, or of a part of it, was put back: {'; '.join(lost)}."


@final
@dataclass(frozen=True, slots=True)
class SeenItem:
    """An item that the person had. at: when last, in seconds since 1970."""

    item: Item
    at: float


@final
@dataclass(frozen=True, slots=True)
class OwnCohort:
    """The group whose popularity is used on this device, found on it and never sent.

    name: of the group whose table is used; path: the group in which the person stands, then all that it is
    part of, everyone last; why: in words for the person. size: devices of the group `name`, by a noisy sum;
    error: standard deviation of the noise in that. folded: whether the person's own group was too small for
    a table, so that one above it serves.
    """

    name: str
    path: tuple[str, ...]
    why: str
    size: float
    error: float
    folded: bool
