"""JSON objects of our own endpoints, where they are not the device's own values.

What an endpoint returns is read by its attributes: the names here are those of the values.
"""

import math
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from confidante.device.values import Purpose, Suggestion
from confidante.device.web.shapes import Finite, Name, Number, Shape, Time

UndoSeconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
Numbers = Annotated[list[Number], Field(max_length=1000)]


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None


class State(Shape):
    """How the device is. paused_until: seconds since 1970; None when not paused, or until resumed."""

    items: int
    events: int
    seen: int
    has_model: bool
    protection: str
    no_profiling: bool
    paused: bool
    paused_until: float | None


class AnswerShape(Shape):
    """A list of suggestions. personal: whether anything of the person was used."""

    suggestions: list[Suggestion]
    personal: bool
    note: str


class CounterfactualShape(Shape):
    """The fewest events without which an item leaves the top n."""

    n: int
    events: list[int]
    smallest: bool
    sentence: str


class ExplanationShape(Shape):
    """Why an item scores what it scores."""

    suggestion: Suggestion
    rank: int | None
    counterfactual: CounterfactualShape
    note: str


class WhatIf(Shape):
    """Events to leave out, by number."""

    without: Numbers = Field(default_factory=list)
    n: Annotated[int, Field(ge=1, le=1000)] = 10


class Record(Shape):
    """Something the person did. kind: see `Device.record`; at: now when left out."""

    item: Name
    kind: Name = "view"
    at: Time | None = None
    value: Finite | None = None
    context: dict[str, str] = Field(default_factory=dict)


class EventShape(Shape):
    """An event that is remembered. number: its name here."""

    number: int
    item: str
    kind: str
    at: float
    value: float | None
    context: dict[str, str]


class Recorded(Shape):
    """The event, or null where nothing was kept: learning is off or paused, or the kind means private."""

    event: EventShape | None


class Forget(Shape):
    """What to forget: one event, one item, a range of time, or everything."""

    event: Number | None = None
    item: Name | None = None
    since: Time | None = None
    until: Time | None = None
    everything: bool = False
    undo_seconds: UndoSeconds = 0.0


class ItemIds(Shape):
    """Ids of items."""

    items: Annotated[list[Name], Field(min_length=1, max_length=1000)]


class Unmark(ItemIds):
    """Items that may be suggested again. undo_seconds: how long that can be taken back."""

    undo_seconds: UndoSeconds = 0.0


class SeenCount(Shape):
    """How many items were had."""

    seen: int


class Undo(Shape):
    """The token that a forgetting gave."""

    undo: Name


class Undone(Shape):
    """How many events came back."""

    events: int


class Switch(Shape):
    """One switch."""

    purpose: Purpose
    on: bool


class RetentionShape(Shape):
    """How long events are kept: the newest so many, none older than so many days (None: of any age).

    keep_seen: whether that an item was had stays known when its events are too old to be kept.
    """

    events: Annotated[int, Field(ge=1, le=100_000)] = 500
    days: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] | None = None
    keep_seen: bool = True


class Consent(Shape):
    """Every switch, and whether the person's browser has said Sec-GPC."""

    switches: list[Switch]
    gpc: bool


class TasteEdit(Shape):
    """Raise (1, 2), lower (-1, -2), leave untouched (0) or remove a taste."""

    label: Name
    level: Annotated[int, Field(ge=-2, le=2)] = 0
    removed: bool = False


class Pause(Shape):
    """Pause for so many seconds, until resumed (paused without seconds), or not at all."""

    paused: bool
    seconds: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] | None = None


class BudgetShape(Shape):
    """What was given away, and how much may be. epsilon_spent is None when nothing bounds it any more."""

    epsilon_spent: Annotated[float | None, BeforeValidator(_finite)]
    epsilon_limit: float
    delta: float
    rounds: int
    sentence: str


class EgressShape(Shape):
    """One thing that left, or was about to."""

    number: int
    at: float
    purpose: Purpose
    task: str
    destination: str
    size: int
    digest: Annotated[str, BeforeValidator(bytes.hex)]
    content: Any
    visible: str
    epsilon: float
    delta: float
    state: str
    receipt: dict[str, Any]


class LedgerShape(Shape):
    """What left, newest first. intact: whether the chain shows that no entry was altered or removed."""

    departures: list[EgressShape]
    budget: BudgetShape
    intact: bool
