"""What is suggested to a person and why, in shares of the score that add up to the whole.

A score is the popularity term plus one exact term for each own event and part of the model, as a device gives
them (`device.values.Reason`). It is cut in two ways here: by own event, and by part. A negative share spoke
against the item. Shares are of the score's magnitude.
"""

from collections import Counter
from dataclasses import dataclass
from typing import final

from confidante.core.values import Histories
from confidante.device import values as device
from confidante.device.values import ReasonKind
from confidante.lab.published_recommender import PublishedRecommender

POPULARITY_SHARE = "popularity"


@final
@dataclass(frozen=True, slots=True)
class ScoreShare:
    """A part of a score: what it comes from, and how large it is (1.0 is the whole score)."""

    what: str
    share: float


@final
@dataclass(frozen=True, slots=True)
class ShownSuggestion:
    """One suggested item with its reasons.

    because: the own events that weigh most, either way, largest first; others: all further `other_events`
    together; popularity: what everyone gets. Those three add up to 1. parts: the same score by part of the
    model, adding up to 1 as well.
    """

    title: str
    labels: tuple[str, ...]
    score: float
    because: tuple[ScoreShare, ...]
    others: float
    other_events: int
    popularity: float
    parts: tuple[ScoreShare, ...]


@final
@dataclass(frozen=True, slots=True)
class ShownPerson:
    """One person as the report shows them.

    group: light, medium or heavy history; latest: the newest own titles, newest first; held_out: what the
    person really took next, which nothing was trained on, and its rank among all they did not have.
    """

    name: str
    group: str
    events: int
    latest: tuple[str, ...]
    held_out: str
    held_out_rank: int
    suggestions: tuple[ShownSuggestion, ...]


def person_shown(
    recommender: PublishedRecommender,
    history: Histories,
    *,
    name: str,
    group: str,
    held_out: int,
    held_out_rank: int,
    suggestions: int = 3,
) -> ShownPerson:
    """Return a person's best items with reasons. history: of this person only."""
    items = recommender.items
    return ShownPerson(
        name=name,
        group=group,
        events=len(history.items),
        latest=tuple(items[item].title for item in history.items[::-1][:3].tolist()),
        held_out=items[held_out].title,
        held_out_rank=held_out_rank,
        suggestions=tuple(explain(found) for found in recommender.suggestions(history, suggestions)),
    )


def explain(found: device.Suggestion, *, most: int = 3) -> ShownSuggestion:
    """Return a device's reasons in shares of the score; `most` own events are named."""
    unit = abs(found.score) or 1.0
    events = [reason for reason in found.reasons if reason.kind is ReasonKind.EVENT]
    popularity = sum(reason.points for reason in found.reasons if reason.kind is ReasonKind.POPULARITY) / unit
    parts: Counter[str] = Counter()
    for reason in events:
        parts.update(reason.parts)
    return ShownSuggestion(
        title=found.item.title,
        labels=found.item.labels,
        score=found.score,
        because=tuple(ScoreShare(reason.subject, reason.points / unit) for reason in events[:most]),
        others=sum(reason.points for reason in events[most:]) / unit,
        other_events=len(events[most:]),
        popularity=popularity,
        parts=(
            *(ScoreShare(part, points / unit) for part, points in parts.items()),
            ScoreShare(POPULARITY_SHARE, popularity),
        ),
    )
