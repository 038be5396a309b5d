"""What people run, for many people at once: a published model, laid out and asked by the device's own code.

A device builds its library out of the published bytes and the words of its items, turns a history into a
query and takes the best rows. All of that is called here as a device calls it, so the lists, their order and
their scores are a device's. Only the search differs: one product of matrices narrows the rows down for a
whole batch of people, and the device's exact scores decide among what is left.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.values import NO_CONTEXT, Catalogue, Histories, Item
from confidante.device.catalog.build import build
from confidante.device.catalog.index.base import Found, Queries, best_of
from confidante.device.catalog.text import TextEncoder, best_available
from confidante.device.recommend.query import Profile, ScoringQuery, build_query, top_k
from confidante.device.recommend.reasons import suggestions
from confidante.device.values import Suggestion
from confidante.lab.ratings import weighed
from confidante.models.served import ServedModel
from confidante.models.snapshot import decode
from confidante.packs.registry import pack_named

_CELLS = 4_000_000  # scores held at once: 32 MB of float64
_SLACK = 1e-6  # of the largest score: more than rounding to float32 and the order of a sum can change


@final
class PublishedRecommender:
    """Scores, lists and reasons of a published model over its catalogue; rows are items of the catalogue.

    Stability: provisional
    """

    def __init__(self, published: bytes, catalogue: Catalogue, encoder: TextEncoder | None = None) -> None:
        """Lay the items out.

        Args:
            published: The model, as `snapshot.publish` gave it.
            catalogue: Its items.
            encoder: Turns titles into vectors; by default what a device would take.

        Raises:
            WireError: The bytes are not a published model.
        """
        columns = (catalogue.ids, catalogue.titles, catalogue.labels)
        self.items = [Item(*row) for row in zip(*columns, strict=True)]
        rows = np.arange(len(catalogue))
        self.library = build(
            self.items,
            rows,
            np.zeros(len(rows), dtype=np.bool_),
            decode(published),
            best_available if encoder is None else lambda: encoder,
            pack_named(catalogue.pack),
        )
        parts = [
            part.vectors * part.item_weights[:, None].astype(np.float64) for part in self.library.model.parts
        ]
        self._vectors = np.concatenate(parts, axis=1).T  # [all columns, items]

    def score(self, histories: Histories) -> NDArray[np.float64]:
        """Return the score of every item for every person, float64 [people, items], to within rounding."""
        return self._scores(self._built(weighed(histories), repeats=True))

    def lists(self, histories: Histories, n: int, *, repeats: bool = False) -> Iterator[NDArray[np.int64]]:
        """Yield each person's `n` best items, best first, as their device would list them.

        Args:
            histories: The people; they are scored in batches, so memory does not grow with their number.
            n: Items of a list, 1 or more; a list is shorter where there are no more candidates.
            repeats: Whether a person's own items are candidates.
        """
        histories = weighed(histories)
        step = max(1, _CELLS // max(1, len(self.items)))
        for start in range(0, histories.people, step):
            batch = histories.slice(start, min(start + step, histories.people))
            queries = self._built(batch, repeats=repeats)
            for query, scores in zip(queries, self._scores(queries), strict=True):
                narrowed = _Narrowed(self.library.model, _in_the_running(query, scores, n))
                yield top_k(query, narrowed, n)

    def suggestions(self, histories: Histories, n: int, *, repeats: bool = False) -> tuple[Suggestion, ...]:
        """Return the list of the only person in `histories`, with exact scores and all reasons."""
        (rows,) = self.lists(histories, n, repeats=repeats)
        (query,) = self._built(weighed(histories), repeats=repeats)
        return suggestions(query, rows, lambda named: {row: self.items[row] for row in named.tolist()})

    def _built(self, histories: Histories, *, repeats: bool) -> list[ScoringQuery]:
        """histories: as `weighed` gives them."""
        profiles = []
        given = np.ones(len(histories.items)) if histories.ratings is None else histories.ratings
        cuts = histories.indptr[1:-1]
        for rows, weights, times in zip(
            np.split(histories.items.astype(np.int64), cuts),
            np.split(given, cuts),
            np.split(histories.times, cuts),
            strict=True,
        ):
            events, order = len(rows), (weights > 0).astype(np.float64)
            profiles.append(
                Profile(
                    np.arange(events) + 1,
                    rows,
                    weights,
                    (NO_CONTEXT,) * events,
                    order=order,
                    moments=times,
                )
            )
        return [build_query(self.library, profile, repeats=repeats) for profile in profiles]

    def _scores(self, queries: Sequence[ScoringQuery]) -> NDArray[np.float64]:
        vectors = [np.concatenate(query.queries) for query in queries]
        scores: NDArray[np.float64] = np.reshape(vectors, (len(queries), -1)) @ self._vectors
        scores += self.library.model.prior
        own = self.library.model.own
        for query, row in zip(queries, scores, strict=True):
            if query.repeats and own is not None:
                np.add.at(row, query.profile.rows, own.weights(query.ages) * query.weights)
        return scores


@final
@dataclass(frozen=True, slots=True)
class _Narrowed:
    """The device's index over the only rows that can be in a list."""

    model: ServedModel
    candidates: NDArray[np.int64]

    def search(
        self,
        queries: Queries,
        n: int,
        *,
        allowed: NDArray[np.bool_] | None = None,  # noqa: ARG002 - the candidates are
        bonus: NDArray[np.float32] | None = None,
    ) -> Found:
        """Return the `n` best candidates; where they are no more, in any order: `top_k` sorts them."""
        if len(self.candidates) <= n:
            return self.candidates, np.empty(0, dtype=np.float32)
        return best_of(self.model, self.candidates, queries, n, bonus)


def _in_the_running(query: ScoringQuery, scores: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Return the allowed rows whose score comes near the nth best, int64."""
    found = np.where(query.allowed, scores, -np.inf)
    least = np.partition(found, len(found) - n)[len(found) - n] if n < len(found) else -np.inf
    near = least - _SLACK * max(abs(float(scores.max())), abs(float(scores.min())))
    return np.flatnonzero(query.allowed & (found >= near))
