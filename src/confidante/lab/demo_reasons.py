"""What is suggested to a person and why, in shares of the score that add up to the whole.

A score is the popularity term plus one exact term for each own event and part of the model
(`SequentialModel.contributions`). It is cut in two ways here: by own event, and by part. A negative share
spoke against the item. Shares are of the score's magnitude.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.values import Catalogue, Histories
from confidante.lab.rank import best_items
from confidante.models.sequential import Contributions, SequentialModel

POPULARITY_SHARE = "popularity"


@final
@dataclass(frozen=True, slots=True)
class Share:
    """A part of a score: what it comes from, and how large it is (1.0 is the whole score)."""

    what: str
    share: float


@final
@dataclass(frozen=True, slots=True)
class Suggestion:
    """One suggested item with its reasons.

    because: the own events that weigh most, either way, largest first; others: all further `other_events`
    together; popularity: what everyone gets. Those three add up to 1. parts: the same score by part of the
    model, adding up to 1 as well.
    """

    title: str
    labels: tuple[str, ...]
    score: float
    because: tuple[Share, ...]
    others: float
    other_events: int
    popularity: float
    parts: tuple[Share, ...]


@final
@dataclass(frozen=True, slots=True)
class Person:
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
    suggestions: tuple[Suggestion, ...]


def person_shown(
    model: SequentialModel,
    catalogue: Catalogue,
    *,
    name: str,
    group: str,
    events: NDArray[np.int32],
    held_out: int,
    held_out_rank: int,
    suggestions: int = 3,
) -> Person:
    """Return a person's best items with reasons. events: item indices, oldest first."""
    histories = Histories(np.array([0, len(events)]), events, np.zeros(len(events), dtype=np.int64))
    best = next(best_items(model, histories, suggestions))
    return Person(
        name=name,
        group=group,
        events=len(events),
        latest=tuple(catalogue.titles[item] for item in events[::-1][:3]),
        held_out=catalogue.titles[held_out],
        held_out_rank=held_out_rank,
        suggestions=tuple(
            explain(model.contributions(events, item), catalogue, events, item) for item in best.tolist()
        ),
    )


def explain(
    why: Contributions, catalogue: Catalogue, events: NDArray[np.int32], item: int, *, most: int = 3
) -> Suggestion:
    """Return the reasons of one score; `most` own events are named."""
    unit = abs(why.score) or 1.0
    by_event = why.by_event.sum(axis=1) / unit
    order = np.argsort(-np.abs(by_event), kind="stable")
    named, rest = order[:most], order[most:]
    by_part = why.by_event.sum(axis=0) / unit
    return Suggestion(
        title=catalogue.titles[item],
        labels=catalogue.labels[item],
        score=why.score,
        because=tuple(Share(catalogue.titles[events[row]], float(by_event[row])) for row in named),
        others=float(by_event[rest].sum()),
        other_events=len(rest),
        popularity=why.prior / unit,
        parts=(
            *(Share(part, float(share)) for part, share in zip(why.parts, by_part, strict=True)),
            Share(POPULARITY_SHARE, why.prior / unit),
        ),
    )
