"""Why: a score cut into its exact shares."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from confidante.device.question import Profile, Question
from confidante.device.values import Item, Reason, ReasonKind, Suggestion

OWN_HISTORY = "taken before"


def suggestions(
    question: Question, rows: NDArray[np.int64], items: Mapping[int, Item]
) -> tuple[Suggestion, ...]:
    """Return `rows` as suggestions with all their reasons, in the given order.

    items: item by row, for `rows` and for those of the profile's events and requests.
    """
    if len(rows) == 0:
        return ()
    model = question.library.model
    profile = question.profile
    shares = model.contributions(profile.rows, question.ages, question.weights, rows)
    names = [part.name for part in model.parts]
    priors = model.prior[rows].astype(np.float64)
    labelled = {label: np.isin(rows, question.library.rows_with(label)) for label in question.steps}
    own, less = question.own_points(rows), question.less_points(rows)
    scores = question.scores(rows)
    found = []
    for place, row in enumerate(rows.tolist()):
        reasons = [Reason(ReasonKind.POPULARITY, "", float(priors[place]))]
        reasons += [
            Reason(ReasonKind.TASTE, label, question.steps[label])
            for label, carried in labelled.items()
            if carried[place]
        ]
        reasons += [
            Reason(
                ReasonKind.REQUEST,
                items[int(profile.less[k])].title,
                float(less[place, k]),
                item=items[int(profile.less[k])].id,
            )
            for k in np.flatnonzero(less[place]).tolist()
        ]
        reasons += _events(profile, items, names, shares[place], own[place])
        reasons.sort(key=lambda reason: -abs(reason.points))
        found.append(Suggestion(items[row], float(scores[place]), tuple(reasons)))
    return tuple(found)


def _events(
    profile: Profile,
    items: Mapping[int, Item],
    names: Sequence[str],
    shares: NDArray[np.float64],
    own: NDArray[np.float64],
) -> Iterator[Reason]:
    """Yield a reason for each own event that says anything; shares: float64 [events, parts]."""
    points = shares.sum(axis=1) + own
    for event in np.flatnonzero(np.any(shares != 0, axis=1) | (own != 0)).tolist():
        parts = dict(zip(names, shares[event].tolist(), strict=True))
        if own[event]:
            parts[OWN_HISTORY] = float(own[event])
        source = items[int(profile.rows[event])]
        yield Reason(
            ReasonKind.EVENT,
            source.title,
            float(points[event]),
            MappingProxyType(parts),
            int(profile.numbers[event]),
            source.id,
        )
