"""The model on a device: linear in a decayed history, so fold-in is one addition and reasons are exact.

The score of item j is prior_j plus, over parts and own events e, decay(age of e) * <context_{i_e}, item_j>.
Parts (learnt item basis, public features) stand side by side in one vector, so the device keeps one state
and multiplies once. With repurchase data an own-history part adds what the person took before.
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import Histories

_FORGOTTEN = 2.0**-40  # an event whose weight is below this share no longer counts

ITEM_PART = "what followed what"
"""Name of the part of a model that says what comes next by what came before."""

PICK_PART = "who chose it too"
"""Name of the part of a model that speaks for picks; it has nothing to say of other events."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One linear part.

    context: float32 [items, d], what an event adds to the state; item: float32 [items, d], what a candidate
    is compared with; half_life: events after which an event counts half.
    """

    name: str
    context: NDArray[np.float32]
    item: NDArray[np.float32]
    half_life: float


@final
@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """A symmetric kernel: after item i, j scores context_weights[i] item_weights[j] v_i diag(strengths) v_j.

    vectors: float32 [items, d]; strengths: float32 [d], of any sign; context_weights, item_weights: float32
    [items]; half_life: events after which an event counts half.
    """

    name: str
    vectors: NDArray[np.float32]
    strengths: NDArray[np.float32]
    context_weights: NDArray[np.float32]
    item_weights: NDArray[np.float32]
    half_life: float

    def part(self) -> Part:
        """Return it multiplied out."""
        return Part(
            self.name,
            self.vectors * self.strengths * self.context_weights[:, None],
            self.vectors * self.item_weights[:, None],
            self.half_life,
        )


@final
@dataclass(frozen=True, slots=True)
class OwnHistory:
    """For repurchase data: an own event adds `weight`, halved every `half_life` events, to its own item."""

    weight: float
    half_life: float

    def __post_init__(self) -> None:
        """Refuse numbers that would make scores meaningless."""
        if not math.isfinite(self.weight) or not 0 < self.half_life < math.inf:
            raise DataError(
                f"own history of weight {self.weight} and half-life {self.half_life} cannot be scored"
            )

    def weights(self, age: NDArray[np.int64] | NDArray[np.floating]) -> NDArray[np.float64]:
        """Return what events add to their own items, float64 like `age` (events since, 0 for the newest)."""
        added: NDArray[np.float64] = self.weight * 0.5 ** (age.astype(np.float64) / self.half_life)
        return added


@final
@dataclass(frozen=True, slots=True, eq=False)
class FactoredModel:
    """What training leaves: kernels over one catalogue, prior float32 [items], own history or None."""

    parts: tuple[Factors, ...]
    prior: NDArray[np.float32]
    own: OwnHistory | None = None


@final
@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """Why an item scores what it scores: everything adds up to `score` to within rounding.

    by_event: float64 [events, parts]; parts: their names; prior: what everyone gets, from popularity.
    """

    parts: tuple[str, ...]
    by_event: NDArray[np.float64]
    prior: float
    score: float


@final
class SequentialModel:
    """Parts, prior and (for repurchase data) own history, ready to score."""

    def __init__(
        self, parts: tuple[Part, ...], prior: NDArray[np.float32], own: OwnHistory | None = None
    ) -> None:
        """Stack the parts; DataError when there is none, or one does not fit."""
        items = len(prior)
        if not parts:
            raise DataError("a model needs at least one part")
        for part in parts:
            fits = part.item.ndim == 2 and part.context.shape == part.item.shape and len(part.item) == items
            if not fits or not 0 < part.half_life < math.inf:
                raise DataError(f"model part {part.name!r} does not fit a catalogue of {items} items")
        self.parts = parts
        self.prior = prior
        self.own = own
        self.context = np.concatenate([p.context for p in parts], axis=1)  # [items, d]
        self.item = np.concatenate([p.item for p in parts], axis=1)  # [items, d]
        self.decay = np.concatenate(
            [np.full(p.item.shape[1], 0.5 ** (1 / p.half_life)) for p in parts]
        )  # [d]

    @classmethod
    def of(cls, factored: FactoredModel) -> "SequentialModel":
        """Return the model multiplied out, for scoring many people at once."""
        return cls(tuple(part.part() for part in factored.parts), factored.prior, factored.own)

    @property
    def items(self) -> int:
        """Size of the catalogue."""
        return len(self.prior)

    def begin(self) -> NDArray[np.float64]:
        """Return the state of an empty history, float64 [d]."""
        return np.zeros(self.item.shape[1])

    def fold_in(self, state: NDArray[np.float64], item: int) -> NDArray[np.float64]:
        """Return the state after one more event."""
        self._check(item)
        folded: NDArray[np.float64] = state * self.decay + self.context[item]
        return folded

    def state(self, events: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return the state of a history (item indices, oldest first): what folding in each would give."""
        self._check(events)
        halves = []
        for part in self.parts:
            recent = events[-_horizon(part) :]
            weights = 0.5 ** (np.arange(len(recent))[::-1] / part.half_life)
            halves.append(weights @ part.context[recent].astype(np.float64))
        return np.concatenate(halves)

    def score_state(self, state: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return float32 [items], without the own-history part."""
        scores: NDArray[np.float32] = self.item @ state.astype(np.float32) + self.prior
        return scores

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Return scores, float32 [people, items]."""
        states = np.zeros((histories.people, self.item.shape[1]))
        for person, (start, stop) in enumerate(_spans(histories)):
            states[person] = self.state(histories.items[start:stop])
        scores: NDArray[np.float32] = states.astype(np.float32) @ self.item.T + self.prior
        if self.own is not None:
            age = histories.indptr[1:][histories.person_of_event] - 1 - np.arange(len(histories.items))
            added = self.own.weights(age).astype(np.float32)
            np.add.at(scores, (histories.person_of_event, histories.items), added)
        return scores

    def contributions(self, events: NDArray[np.integer], item: int) -> Contributions:
        """Return the exact share of each own event, by part, in the score of `item`.

        events: item indices, oldest first.
        """
        return self.contributions_of(events, np.array([item]))[0]

    def contributions_of(
        self, events: NDArray[np.integer], items: NDArray[np.integer]
    ) -> tuple[Contributions, ...]:
        """Return `contributions` of each of `items`, in one go."""
        self._check(events)
        self._check(items)
        age = np.arange(len(events))[::-1]
        shares = []  # float64 [items, events] a part
        for part in self.parts:
            matters = min(_horizon(part), len(events))
            recent = events[len(events) - matters :]
            share = np.zeros((len(items), len(events)))
            products = part.item[items].astype(np.float64) @ part.context[recent].astype(np.float64).T
            share[:, len(events) - matters :] = products * 0.5 ** (age[len(age) - matters :] / part.half_life)
            shares.append(share)
        names = tuple(part.name for part in self.parts)
        if self.own is not None:
            same = np.asarray(items)[:, None] == np.asarray(events)
            shares.append(same * self.own.weights(age))
            names = (*names, "own history")
        by_event = np.stack(shares, axis=2)
        prior = self.prior[items].astype(np.float64)
        total = prior + by_event.sum(axis=(1, 2))
        return tuple(
            Contributions(names, by_event[k], float(prior[k]), float(total[k])) for k in range(len(items))
        )

    def _check(self, items: NDArray[np.integer] | int) -> None:
        """Refuse an item that the catalogue does not have, before an index wraps around."""
        if np.any((np.asarray(items) < 0) | (np.asarray(items) >= self.items)):
            raise DataError(
                f"an event names an item outside the catalogue of {self.items}: refresh the catalogue"
            )


def _horizon(part: Part) -> int:
    """Return how many of the newest events can still matter."""
    return int(np.ceil(-np.log2(_FORGOTTEN) * part.half_life))


def _spans(histories: Histories) -> list[tuple[int, int]]:
    return list(zip(histories.indptr[:-1].tolist(), histories.indptr[1:].tolist(), strict=True))
