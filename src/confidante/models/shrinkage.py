"""How much a group and picks still say of a person of whom more is known: less by expected error, no switch.

What people of a group like is a person's own liking with an error: people of one group differ. What the
person's own events say has an error too, that falls with their number. Where a person's liking is drawn
around the group's with variance B and measured by the mean of n events with variance S each, the estimate of
least expected squared error gives the group the weight (S / n) / (S / n + B) = k / (k + n), k = S / B (Efron
and Morris 1973; Robinson 1991). That form is taken here and no more: a score adds up what events say and does
not average it, so it is applied to the term of the group alone (and to that of picks), and nothing proves it
to be the best. n counts own events; k is a public constant that was set, not fitted. The model's global prior
and what events say are left as they were tuned, so where much is known nothing changes. cold-start.md has
what it is worth, measured.

Picks are evidence of another kind: they say what a person loves, not what comes next. Where a model has a
part that speaks for picks, they count fully there, and faintly or not at all in the others.
"""

import numpy as np
from numpy.typing import NDArray

from confidante.models.factors import ITEM_PART, PICK_PART
from confidante.models.served import ServedModel

ENOUGH = 10.0
"""Own events at which a group counts half."""

PICK_WEIGHT = 0.02
"""What a pick counts, of an event, in other parts than its own. Chosen on validation people of MovieLens."""


def group_share(weights: NDArray[np.floating], picks: NDArray[np.integer] | None) -> float:
    """Return how much a group's popularity counts against everyone's, above 0 to 1; falls with each event.

    weights: of own events [e], any sign; picks: above 0 for those that are picks and no events [e], or None.
    """
    events = np.abs(weights) if picks is None else np.abs(weights)[picks == 0]
    return float(ENOUGH / (ENOUGH + events.sum()))


def part_weights(
    model: ServedModel,
    rows: NDArray[np.integer],
    weights: NDArray[np.floating],
    picks: NDArray[np.integer] | None,
    order: NDArray[np.floating] | None = None,
) -> NDArray[np.float64]:
    """Return what each event counts in each part, float64 [e] where that is the same, else [e, parts].

    rows: of the events' items in the model [e]; weights, picks: as above. order: what events count where it
    is learnt what followed what [e]; as elsewhere when left out. A pick of which the part for picks knows
    nothing counts as an event.
    """
    part = next((part for part in model.parts if part.name == PICK_PART), None)
    ordered = order is not None and ITEM_PART in model.names and not np.array_equal(order, weights)
    if part is None and not ordered:
        return weights.astype(np.float64)
    picked = np.zeros(len(weights), dtype=np.bool_) if picks is None else picks > 0
    picked &= False if part is None else part.context_weights[rows] != 0
    found = np.repeat(weights.astype(np.float64)[:, None], len(model.names), axis=1)
    found[picked] *= PICK_WEIGHT
    for place, name in enumerate(model.names):
        if name == PICK_PART:
            found[:, place] = np.where(picked, weights * group_share(weights, picks), 0.0)
        elif name == ITEM_PART:
            if order is not None:
                found[:, place] = order
            found[picked, place] = 0.0
    return found
