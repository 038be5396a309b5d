"""JSON objects of our own endpoints, and how they are made of the device's values."""

import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from confidante.core.values import Item
from confidante.device.values import Answer, Explanation, Purpose, Suggestion, Taste
from confidante.device.web.shapes import Name, Number, Shape, Time

if TYPE_CHECKING:
    from confidante.device.privacy.budget import Budget
    from confidante.device.privacy.ledger import EgressRecord

UndoSeconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
Numbers = Annotated[list[Number], Field(max_length=1000)]


class State(Shape):
    """How the device is. paused_until: seconds since 1970; None when not paused, or until resumed."""

    items: int
    events: int
    has_model: bool
    protection: str
    no_profiling: bool
    paused: bool
    paused_until: float | None


class ItemShape(Shape):
    """An item."""

    id: str
    title: str
    labels: list[str]
    description: str


class ReasonShape(Shape):
    """One share of a score; the points of all add up to it."""

    kind: str
    subject: str
    points: float
    parts: dict[str, float]
    event: int | None
    item: str | None


class SuggestionShape(Shape):
    """An item, its score, and every reason for it."""

    item: ItemShape
    score: float
    reasons: list[ReasonShape]


class AnswerShape(Shape):
    """A list of suggestions. personal: whether anything of the person was used."""

    suggestions: list[SuggestionShape]
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

    suggestion: SuggestionShape
    rank: int | None
    counterfactual: CounterfactualShape
    note: str


class WhatIf(Shape):
    """Events to leave out, by number."""

    without: Numbers = Field(default_factory=list)
    n: Annotated[int, Field(ge=1, le=1000)] = 10


class Forget(Shape):
    """What to forget: one event, one item, a range of time, or everything."""

    event: Number | None = None
    item: Name | None = None
    since: Time | None = None
    until: Time | None = None
    everything: bool = False
    undo_seconds: UndoSeconds = 0.0


class ForgottenShape(Shape):
    """How many events were forgotten, and how to take it back."""

    events: int
    undo: str | None
    until: float | None


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


class Consent(Shape):
    """Every switch, and whether the person's browser has said Sec-GPC."""

    switches: list[Switch]
    gpc: bool


class TasteShape(Shape):
    """A label, its share of the recent history, and what the person set."""

    label: str
    share: float
    events: int
    level: int
    removed: bool


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

    epsilon_spent: float | None
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
    digest: str
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


def item_shape(item: Item) -> ItemShape:
    """Show an item."""
    return ItemShape(id=item.id, title=item.title, labels=list(item.labels), description=item.description)


def suggestion_shape(one: Suggestion) -> SuggestionShape:
    """Show a suggestion with all its reasons."""
    reasons = [
        ReasonShape(
            kind=reason.kind.value,
            subject=reason.subject,
            points=reason.points,
            parts=dict(reason.parts),
            event=reason.event,
            item=reason.item,
        )
        for reason in one.reasons
    ]
    return SuggestionShape(item=item_shape(one.item), score=one.score, reasons=reasons)


def answer_shape(answer: Answer) -> AnswerShape:
    """Show an answer."""
    return AnswerShape(
        suggestions=[suggestion_shape(one) for one in answer.suggestions],
        personal=answer.personal,
        note=answer.note,
    )


def explanation_shape(one: Explanation) -> ExplanationShape:
    """Show an explanation."""
    fewest = one.counterfactual
    return ExplanationShape(
        suggestion=suggestion_shape(one.suggestion),
        rank=one.rank,
        counterfactual=CounterfactualShape(
            n=fewest.n, events=list(fewest.events), smallest=fewest.smallest, sentence=fewest.sentence
        ),
        note=one.note,
    )


def taste_shape(taste: Taste) -> TasteShape:
    """Show a taste."""
    return TasteShape(
        label=taste.label, share=taste.share, events=taste.events, level=taste.level, removed=taste.removed
    )


def budget_shape(budget: "Budget") -> BudgetShape:
    """Show the budget. JSON has no infinity."""
    return BudgetShape(
        epsilon_spent=budget.epsilon_spent if math.isfinite(budget.epsilon_spent) else None,
        epsilon_limit=budget.epsilon_limit,
        delta=budget.delta,
        rounds=budget.rounds,
        sentence=budget.sentence,
    )


def departure_shape(one: "EgressRecord") -> EgressShape:
    """Show an entry of the ledger."""
    return EgressShape(
        number=one.number,
        at=one.at,
        purpose=one.purpose,
        task=one.task,
        destination=one.destination,
        size=one.size,
        digest=one.digest.hex(),
        content=one.content,
        visible=one.visible,
        epsilon=one.epsilon,
        delta=one.delta,
        state=one.state.value,
        receipt=dict(one.receipt),
    )
