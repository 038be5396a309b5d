"""Why: a score cut into its exact shares."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from confidante.device.question import Question
from confidante.device.values import Item, Reason, ReasonKind, Suggestion

OWN_HISTORY = "taken before"


def suggestions(
    question: Question, rows: NDArray[np.int64], items: Mapping[int, Item]
) -> tuple[Suggestion, ...]:
    """Return `rows` as suggestions with all their reasons, in the given order.

    items: item by row, for `rows` and for the rows of the question's terms.
    """
    if len(rows) == 0:
        return ()
    model = question.library.model
    shares = model.contributions(question.rows, question.ages, question.weights, rows)
    names = [part.name for part in model.parts]
    priors = model.prior[rows].astype(np.float64)
    labelled = {label: np.isin(rows, question.library.rows_with(label)) for label in question.steps}
    own = question.own_points(rows)
    return tuple(
        _suggestion(
            question,
            items,
            int(row),
            shares[place],
            names,
            float(priors[place]),
            {label: question.steps[label] for label, carried in labelled.items() if carried[place]},
            own[place],
        )
        for place, row in enumerate(rows)
    )


def _suggestion(
    question: Question,
    items: Mapping[int, Item],
    row: int,
    shares: NDArray[np.float64],
    names: Sequence[str],
    prior: float,
    tastes: Mapping[str, float],
    own: NDArray[np.float64],
) -> Suggestion:
    reasons = [Reason(ReasonKind.POPULARITY, "", prior)]
    reasons += [Reason(ReasonKind.TASTE, label, points) for label, points in tastes.items()]
    events = len(question.profile.rows)
    spoke = np.any(shares != 0, axis=1)
    spoke[:events] |= own != 0
    for term in np.flatnonzero(spoke).tolist():
        parts = dict(zip(names, shares[term].tolist(), strict=True))
        if term < events and own[term]:
            parts[OWN_HISTORY] = float(own[term])
        source = items[int(question.rows[term])]
        is_event = term < events
        reasons.append(
            Reason(
                ReasonKind.EVENT if is_event else ReasonKind.REQUEST,
                source.title,
                sum(parts.values()),
                MappingProxyType(parts),
                int(question.profile.numbers[term]) if is_event else None,
                source.id,
            )
        )
    reasons.sort(key=lambda reason: -abs(reason.points))
    score = float(question.scores(np.array([row]))[0])
    return Suggestion(items[row], score, tuple(reasons))
