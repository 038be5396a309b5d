"""Why: a score cut into its exact shares."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from confidante.core.values import Item
from confidante.device.recommend.query import Profile, ScoringQuery
from confidante.device.values import Reason, ReasonKind, Suggestion

OWN_HISTORY = "taken before"
CREATOR = "same creator"
PEOPLE_LIKE = "people like: {}"
SERVER = "what the server knows"
RULE = "the operator's rule"


def suggestions(
    query: ScoringQuery,
    rows: NDArray[np.int64],
    item_of: Callable[[NDArray[np.int64]], Mapping[int, Item]],
    *,
    most: int | None = None,
) -> tuple[Suggestion, ...]:
    """Return `rows` as suggestions with their reasons, in the given order.

    item_of: gives the items of some rows, by row. most: so many events are named, those that weigh most, and
    the others are one reason together; None: all are named.
    """
    if len(rows) == 0:
        return ()
    profile, model = query.profile, query.library.model
    shares = model.contributions(profile.rows, query.ages, query.part_weights, rows)
    own, by_creator, less = query.own_points(rows), query.creator_points(rows), query.less_points(rows)
    points = shares.sum(axis=2) + own + by_creator
    named = _heaviest(points, most)
    rest = points.copy()
    np.put_along_axis(rest, named, 0.0, axis=1)
    together, others = rest.sum(axis=1).tolist(), np.count_nonzero(rest, axis=1).tolist()
    items = item_of(np.unique(np.concatenate((rows, profile.rows[named.ravel()], profile.less))))
    names = model.names
    for name, more in ((OWN_HISTORY, own if query.repeats else None), (CREATOR, by_creator)):
        if more is not None and (name is OWN_HISTORY or more.any()):
            names, shares = (*names, name), np.concatenate((shares, more[:, :, None]), axis=2)
    priors, scores = query.prior(rows).tolist(), query.scores(rows).tolist()
    group = "" if profile.prior is None else profile.prior.group
    popular = PEOPLE_LIKE.format(group) if group else ""
    events = _events(profile, items, names, named, points, shares)
    by_server = _by_server(query, rows)
    labelled = {label: np.isin(rows, query.library.rows_with(label)) for label in query.steps}
    found = []
    for place, (row, of_events) in enumerate(zip(rows.tolist(), events, strict=True)):
        reasons = [Reason(ReasonKind.POPULARITY, popular, priors[place])]
        reasons += [
            Reason(ReasonKind.TASTE, label, query.steps[label])
            for label, carried in labelled.items()
            if carried[place]
        ]
        for k, taken in enumerate(less[place].tolist()):
            if taken:
                asked = items[int(profile.less[k])]
                reasons.append(Reason(ReasonKind.REQUEST, asked.title, taken, item=asked.id))
        reasons += by_server[place]
        reasons += of_events
        if others[place]:
            reasons.append(Reason(ReasonKind.EVENTS, f"{others[place]} other events", together[place]))
        reasons.sort(key=_weight)
        found.append(Suggestion(items[row], scores[place], tuple(reasons)))
    return tuple(found)


def _heaviest(points: NDArray[np.float64], most: int | None) -> NDArray[np.int64]:
    """Return the places of the events that weigh most, heaviest first, int64 [candidates, events named]."""
    weights = -np.abs(points)
    if most is None or most >= points.shape[1]:
        return np.argsort(weights, axis=1, kind="stable")
    few = np.sort(np.argpartition(weights, most, axis=1)[:, :most], axis=1)
    order = np.argsort(np.take_along_axis(weights, few, axis=1), axis=1, kind="stable")
    return np.take_along_axis(few, order, axis=1)


def _events(
    profile: Profile,
    items: Mapping[int, Item],
    names: Sequence[str],
    named: NDArray[np.int64],
    points: NDArray[np.float64],
    shares: NDArray[np.float64],
) -> Iterator[list[Reason]]:
    """Yield, for each candidate, a reason for each of its `named` events that says anything.

    named: int64 [candidates, named], places in the profile; points: float64 [candidates, events]; shares: the
    same by part, float64 [candidates, events, parts].
    """
    all_points = np.take_along_axis(points, named, axis=1).tolist()
    all_shares = np.take_along_axis(shares, named[:, :, None], axis=1).tolist()
    numbers, rows = profile.numbers[named].tolist(), profile.rows[named].tolist()
    ratings = profile.ratings or ("",) * len(profile.rows)
    for candidate in zip(numbers, rows, named.tolist(), all_points, all_shares, strict=True):
        reasons = []
        for number, row, place, value, parts in zip(*candidate, strict=True):
            if value:
                source = items[row]
                said = dict(zip(names, parts, strict=True))
                reasons.append(
                    Reason(
                        ReasonKind.EVENT, source.title, value, said, number or None, source.id, ratings[place]
                    )
                )
        yield reasons


def _by_server(query: ScoringQuery, rows: NDArray[np.int64]) -> list[list[Reason]]:
    """Return for each row what a server adds to it: nothing where none was asked, or it says nothing."""
    if query.added is None:
        return [[] for _ in rows]
    shares = (
        (ReasonKind.REFINEMENT, SERVER, query.added.refinement[rows].tolist()),
        (ReasonKind.RULE, RULE, query.added.rule[rows].tolist()),
    )
    return [
        [Reason(kind, subject, points[place]) for kind, subject, points in shares if points[place]]
        for place in range(len(rows))
    ]


def _weight(reason: Reason) -> float:
    return -abs(reason.points)
