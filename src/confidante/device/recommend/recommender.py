"""From a query to what the caller gets: items, their reasons, their place, and a word where one is due."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.arguments import checked_arguments
from confidante.core.errors import DataError
from confidante.core.values import NO_CONTEXT, Item
from confidante.device.catalog.library import Library
from confidante.device.catalog.serving import Serving
from confidante.device.recommend.counterfactual import counterfactual, rank
from confidante.device.recommend.person import Person
from confidante.device.recommend.query import (
    NOBODY,
    Profile,
    ScoringQuery,
    build_query,
    top_k,
    unit_vectors,
)
from confidante.device.recommend.reasons import suggestions
from confidante.device.storage import history, items, settings
from confidante.device.storage.access import VaultAccess, exclusive
from confidante.device.values import Answer, Explanation

MAX_ANSWER = 1000
NO_TASTES: Mapping[str, int | None] = MappingProxyType({})
NAMED = 8
"""Own events that each recommendation of a list names one by one."""

_BLOCK = 8192  # rows at a time, to spare memory
_REMEMBERED = 10_000  # items


@final
@dataclass(frozen=True, slots=True)
class Request:
    """What a caller of `Device.recommend` asks for; kept until a refined list is made for it, too."""

    n: int = 10
    keep: Callable[[Item], bool] | None = None
    labels: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    context: Mapping[str, str] | None = None
    diversity: float = 0.0
    repeats: bool = False


@final
@checked_arguments
class Recommender:
    """Lists and reasons, made from the library and the profile as they are when it is asked.

    Stability: provisional
    """

    def __init__(self, access: VaultAccess, serving: Serving, person: Person) -> None:
        self._access, self._vault = access, access.vault
        self._serving, self._person = serving, person
        self._seen: dict[int, Item] = {}
        self._seen_of: Library | None = None

    @exclusive
    def session(
        self,
        item_ids: Sequence[str],
        n: int = 10,
        *,
        filter: Callable[[Item], bool] | None = None,  # noqa: A002  # as `Device.recommend` calls it
    ) -> Answer:
        """Recommend what suits some items, without reading the history.

        Args:
            item_ids: Ids of the items, oldest first; without any, what everyone gets is returned.
            n: The most items to return, 0 to 1,000.
            filter: Keeps the items it returns True for.

        Returns:
            The list with its reasons; it is not personal.

        Raises:
            DataError: An item is unknown, or `n` is out of range.
        """
        rows = self._rows(item_ids)
        nobody = np.zeros(len(rows), dtype=np.int64)  # numbers of no event
        profile = Profile(nobody, rows, np.ones(len(rows)), (NO_CONTEXT,) * len(rows))
        return self._top_k(build_query(self._serving.library, profile), Request(n, filter), personal=False)

    @exclusive
    def what_if(
        self, *, without: Collection[int] = (), tastes: Mapping[str, int | None] = NO_TASTES, n: int = 10
    ) -> Answer:
        """Recommend as if some events had never happened, or tastes were set otherwise; nothing is changed.

        Args:
            without: Numbers of own events.
            tastes: Levels by label, -2 to 2, as in `taste.edit`; None: removed.
            n: The most items to return, 0 to 1,000.

        Returns:
            The list with its reasons; what was had stays out of it.

        Raises:
            DataError: `n` or a level is out of range, or there is no event of such a number.
        """
        unknown = set(without) - set(history.numbers(self._vault, without))
        if unknown:
            raise DataError(
                f"without names event {min(unknown)}, which does not exist: list the history first"
            )
        whole = self._profile()
        for label, level in tastes.items():
            if level is not None and not -2 <= level <= 2:
                raise DataError(f"the level of a taste is -2 to 2, not {level}; None removes the label")
            if label not in self._serving.library.labels:
                raise DataError(f"no item has the label {label!r}: check the spelling")
        levels = {**whole.levels, **dict.fromkeys(whole.removed), **tastes}
        whole = replace(
            whole,
            levels={label: level for label, level in levels.items() if level},
            removed=frozenset(label for label, level in levels.items() if level is None),
        )
        query = build_query(self._serving.library, whole.without(without))
        return self._top_k(query, Request(n))

    @exclusive
    def similar_items(self, item_id: str, n: int = 10) -> tuple[tuple[Item, float], ...]:
        """Return the items most like one, without reading the history.

        Args:
            item_id: Id of the item.
            n: The most items to return, 0 to 1,000.

        Returns:
            Items and their likeness in [-1, 1], the most alike first.

        Raises:
            DataError: The item is unknown, or `n` is out of range.
        """
        _check(n)
        library = self._serving.library
        (row,) = self._rows([item_id]).tolist()
        this = unit_vectors(library, np.array([row]))[0]
        blocks = np.array_split(np.flatnonzero(library.live), max(1, len(library) // _BLOCK))
        rows = np.concatenate(blocks)
        likeness = np.concatenate([unit_vectors(library, rows) @ this for rows in blocks])
        others = rows != row
        rows, likeness = rows[others], np.clip(likeness[others], -1.0, 1.0)
        best = np.lexsort((rows, -likeness))[:n]
        found = self._items(rows[best])
        return tuple((found[int(rows[k])], float(likeness[k])) for k in best)

    @exclusive
    def explain(self, item_id: str, n: int) -> Explanation:
        """Return why an item scores what it scores, and what its place hangs on; see `Device.explain`."""
        _check(n)
        (row,) = self._rows([item_id]).tolist()
        profile = self._profile()
        query = build_query(self._serving.library, profile)
        (suggestion,) = suggestions(query, np.array([row]), self._items)
        ranking = rank(query, row)
        hangs_on = counterfactual(query, ranking, suggestion.item, n, partial(history.title_of, self._vault))
        why_not = "" if ranking.rank else self._why_no_candidate(row, profile)
        return Explanation(suggestion, ranking.rank, hangs_on, why_not)

    # --- for the rest of the device, which holds the vault

    def _query(self, request: Request) -> ScoringQuery:
        """Return a request's query, of library and profile as they are now; the vault is held."""
        return build_query(
            self._serving.library,
            self._profile(),
            context=None if settings.no_profiling(self._vault) else request.context,
            labels=request.labels,
            exclude=self._rows(items.known_ids(self._vault, request.exclude)),
            repeats=request.repeats,
        )

    def _top_k(self, query: ScoringQuery, request: Request, *, personal: bool | None = None) -> Answer:
        """Return the best items of a query with their reasons; the vault is held.

        personal: whether the query is of this person; unless in no-profiling mode when left out.
        """
        _check(request.n)
        if not 0 <= request.diversity <= 1:
            raise DataError(f"diversity is 0 to 1, not {request.diversity}")
        if personal is None:
            personal = not settings.no_profiling(self._vault)
        kept = None if request.keep is None else partial(self._kept, request.keep)
        rows = top_k(query, self._serving.index, request.n, diversity=request.diversity, keep=kept)
        note = ""
        if len(query.library) == 0:
            note = "There is nothing to recommend yet: add items, or install a model."
        elif len(rows) < request.n:
            note = f"Only {len(rows)} items fit what was asked."
        elif personal and len(query.profile.rows) == 0:
            note = "Nothing is known of you yet: these are what everyone gets."
        return Answer(suggestions(query, rows, self._items, most=NAMED), personal, note)

    # --- within

    def _profile(self) -> Profile:
        """Return the profile that answers may use: nobody's in no-profiling mode."""
        library = self._serving.library
        if not settings.no_profiling(self._vault):
            return self._person.profile(library)
        own = library.rows_of(items.personal_keys(self._vault))
        return replace(NOBODY, never=own[own >= 0])  # what only this person made known is for nobody

    def _rows(self, item_ids: Collection[str]) -> NDArray[np.int64]:
        """Return the rows of items, int64; `DataError` for an unknown one."""
        if not item_ids:
            return np.zeros(0, dtype=np.int64)
        keys = items.require_keys(self._vault, item_ids)
        return self._serving.library.rows_of(np.array(keys, dtype=np.int64))

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
        if row in profile.had:
            return "You had it before."
        if row in profile.less or row in profile.never:
            return "You asked not to see it."
        if not self._serving.library.live[row]:
            return "It was taken out of the library."
        return "It carries a taste that you removed."


def _check(n: int) -> None:
    if not 0 <= n <= MAX_ANSWER:
        raise DataError(f"cannot recommend {n} items: give 0 to {MAX_ANSWER}")
