"""From a question to what the caller gets: items, their reasons, their place, and a word where one is due."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import NO_CONTEXT, Item
from confidante.device.catalog.library import Library
from confidante.device.catalog.serving import Serving
from confidante.device.recommend.counterfactual import counterfactual, rank
from confidante.device.recommend.query import Profile, Question, answer, ask, unit_vectors
from confidante.device.recommend.reasons import suggestions
from confidante.device.storage import history, items
from confidante.device.storage.vault import Vault
from confidante.device.values import Answer, Explanation

MAX_ANSWER = 1000
NAMED = 8
"""Own events that each recommendation of a list names one by one."""

_BLOCK = 8192  # rows at a time, to spare memory
_REMEMBERED = 10_000  # items


@final
class Recommender:
    """Recommender from a vault's library. Knows no person but the one in the question."""

    def __init__(self, vault: Vault, serving: Serving) -> None:
        self._vault = vault
        self._serving = serving
        self._seen: dict[int, Item] = {}
        self._seen_of: Library | None = None

    def rows(self, item_ids: Collection[str]) -> NDArray[np.int64]:
        """Return the rows of items, int64; `DataError` for an unknown one."""
        if not item_ids:
            return np.zeros(0, dtype=np.int64)
        known = items.keys_of(self._vault, item_ids)
        unknown = [item_id for item_id in item_ids if item_id not in known]
        if unknown:
            raise DataError(f"there is no item {unknown[0]!r}: add it with add_items first")
        return self._serving.library.rows_of(np.array([known[i] for i in item_ids], dtype=np.int64))

    def best(
        self,
        question: Question,
        n: int,
        *,
        personal: bool,
        diversity: float = 0.0,
        keep: Callable[[Item], bool] | None = None,
    ) -> Answer:
        """Return the `n` best items with their reasons."""
        _check(n)
        if not 0 <= diversity <= 1:
            raise DataError(f"diversity is 0 to 1, not {diversity}")
        kept = None if keep is None else partial(self._kept, keep)
        rows = answer(question, self._serving.index, n, diversity=diversity, keep=kept)
        note = ""
        if len(question.library) == 0:
            note = "There is nothing to recommend yet: add items, or install a model."
        elif len(rows) < n:
            note = f"Only {len(rows)} items fit what was asked."
        elif personal and len(question.profile.rows) == 0:
            note = "Nothing is known of you yet: these are what everyone gets."
        return Answer(suggestions(question, rows, self._items, most=NAMED), personal, note)

    def of_session(self, item_ids: Sequence[str], n: int) -> Answer:
        """Return what suits these items, oldest first."""
        rows = self.rows(item_ids)
        nobody = np.zeros(len(rows), dtype=np.int64)  # numbers of no event
        profile = Profile(nobody, rows, np.ones(len(rows)), (NO_CONTEXT,) * len(rows))
        return self.best(ask(self._serving.library, profile), n, personal=False)

    def explained(self, profile: Profile, item_id: str, n: int) -> Explanation:
        """Return why an item scores what it scores for this profile, and what its place hangs on."""
        _check(n)
        (row,) = self.rows([item_id]).tolist()
        question = ask(self._serving.library, profile)
        (suggestion,) = suggestions(question, np.array([row]), self._items)
        ranking = rank(question, row)
        hangs_on = counterfactual(
            question, ranking, suggestion.item, n, partial(history.title_of, self._vault)
        )
        why_not = "" if ranking.rank else self._why_no_candidate(row, profile)
        return Explanation(suggestion, ranking.rank, hangs_on, why_not)

    def alike(self, item_id: str, n: int) -> tuple[tuple[Item, float], ...]:
        """Return the items most like one, with their likeness in [-1, 1]."""
        _check(n)
        library = self._serving.library
        (row,) = self.rows([item_id]).tolist()
        this = unit_vectors(library, np.array([row]))[0]
        blocks = np.array_split(np.flatnonzero(library.live), max(1, len(library) // _BLOCK))
        rows = np.concatenate(blocks)
        likeness = np.concatenate([unit_vectors(library, rows) @ this for rows in blocks])
        others = rows != row
        rows, likeness = rows[others], np.clip(likeness[others], -1.0, 1.0)
        best = np.lexsort((rows, -likeness))[:n]
        found = self._items(rows[best])
        return tuple((found[int(rows[k])], float(likeness[k])) for k in best)

    def _items(self, rows: NDArray[np.int64]) -> Mapping[int, Item]:
        """Return items by row, these and perhaps others: those of the last answers are remembered."""
        library = self._serving.library
        if self._seen_of is not library or len(self._seen) > _REMEMBERED:
            self._seen, self._seen_of = {}, library
        missing = [row for row in rows.tolist() if row not in self._seen]
        if missing:
            found = items.items_of(self._vault, library.keys[missing].tolist())
            self._seen.update(zip(missing, found, strict=True))
        return self._seen

    def _kept(self, keep: Callable[[Item], bool], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        found = self._items(rows)
        return np.array([keep(found[row]) for row in rows.tolist()], dtype=np.bool_)

    def _why_no_candidate(self, row: int, profile: Profile) -> str:
        if row in profile.rows:
            return "You had it before."
        if row in profile.less or row in profile.never:
            return "You asked not to see it."
        if not self._serving.library.live[row]:
            return "It was taken out of the library."
        return "It carries a taste that you removed."


def _check(n: int) -> None:
    if not 0 <= n <= MAX_ANSWER:
        raise DataError(f"cannot recommend {n} items: give 0 to {MAX_ANSWER}")
