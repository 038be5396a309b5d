"""What a new person is shown to choose from: few items that most people know, and that stand for all tastes.

A slate is computed from what is public alone, the library and how popular items are, and is the same for
everybody who has the same library. Items are taken one by one, each time the one that adds most: how many
people know it, times how much it covers that is not covered yet. Covered are the vectors of popular items
(facility location, see Krause and Golovin 2014, section 2) and their labels. Items that are too much alike,
or of one group by the pack (the parts of a saga, say), do not stand side by side. Where the model learnt what
picks of some items say of others, these items come first.
"""

import re
from collections.abc import Callable, Collection, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.arguments import checked_arguments
from confidante.core.errors import DataError
from confidante.core.values import Event, Item
from confidante.device.catalog.library import Library
from confidante.device.catalog.serving import Serving
from confidante.device.recommend.query import unit_vectors
from confidante.device.storage import history, items, marks, settings, wishes
from confidante.device.storage.access import VaultAccess, exclusive
from confidante.models.factors import PICK_PART
from confidante.packs.signals import LIKE

SLATE = 30
MOST = 100
"""How many items a slate has, and at most."""

MOST_PICKS = 100
"""How many items may be picked at once."""

PICK_CONTEXT = {"chosen from": "welcome"}
"""What a pick's event says of where it was made."""

_POOL = 300  # the most popular items, that the slate is taken from
_ALIKE = 0.75  # likeness from which two items do not stand side by side
_MOST_READ = 10 * _POOL  # items read in search of titles
_LEAST_KNOWN = 0.1  # what the least popular item of the pool counts, beside the most popular one

_WORD = re.compile(r"[^\W\d_]{2,}")


@final
@checked_arguments
class Onboarding:
    """Gets to know a new person.

    Stability: provisional
    """

    def __init__(self, access: VaultAccess, serving: Serving, learning: Callable[[], bool]) -> None:
        self._access, self._vault = access, access.vault
        self._serving, self._learning = serving, learning

    @exclusive
    def slate(self, n: int = SLATE, *, after: Collection[str] = ()) -> tuple[Item, ...]:
        """Return items that are popular and of all tastes, for a person to choose from.

        Nothing of the person is used, nor any item that is known from their history alone.

        Args:
            n: The most items to return, 0 to 100.
            after: Ids of items to leave out with all of their groups, such as those shown before.

        Returns:
            The items, in the order in which to show them.

        Raises:
            DataError: `n` is out of range.
        """
        library = self._serving.library
        known = items.keys_of(self._vault, after)
        shown = library.rows_of(np.array([known[i] for i in after if i in known], dtype=np.int64))
        own = library.rows_of(items.personal_keys(self._vault))

        def item_of(rows: NDArray[np.int64]) -> list[Item]:
            return items.items_of(self._vault, library.keys[rows].tolist())

        groups = settings.pack(self._vault).groups
        rows = slate(library, item_of, n, groups=groups, shown=shown[shown >= 0], left_out=own[own >= 0])
        return tuple(item_of(rows))

    @exclusive
    def pick(self, item_ids: Collection[str]) -> tuple[int, ...]:
        """Remember what the person chose as loved, all at one time. To take picks back, forget the events.

        Args:
            item_ids: Ids of up to 100 items. One given twice counts once, and one that was picked before
                counts as it does already: its event is returned, and no other made.

        Returns:
            The numbers of the events; none while learning is paused or switched off, when nothing is kept.

        Raises:
            DataError: An item is unknown, or there are too many.
        """
        chosen = list(dict.fromkeys(item_ids))
        if len(chosen) > MOST_PICKS:
            raise DataError(f"{len(chosen):,} items were picked at once: give at most {MOST_PICKS}")
        keys = [items.require_key(self._vault, item_id) for item_id in chosen]
        if not keys or not self._learning():
            return ()
        at = self._vault.now()
        with self._vault.write() as sql:
            there = dict(sql("SELECT item, number FROM event WHERE kind = ? AND forgotten IS NULL", (LIKE,)))
            new = [key for key in keys if key not in there]
            made = history.add_events(
                self._vault, [history.NewEvent(key, LIKE, at, context=PICK_CONTEXT) for key in new]
            )
            there.update(zip(new, made, strict=True))
            history.expire(self._vault, settings.retention(self._vault))
        self._access.changed()
        return tuple(there[key] for key in keys)

    @property
    @exclusive
    def picks(self) -> tuple[Event, ...]:
        """The events that were picked, newest first."""
        return history.events(self._vault, kind=LIKE, limit=settings.MAX_EVENTS)

    @property
    @exclusive
    def due(self) -> bool:
        """Whether to ask a person what they love: nothing is known of them, and asking makes sense.

        It makes none where nothing would be kept or used, or after `skip`.
        """
        if settings.welcomed(self._vault) or settings.no_profiling(self._vault) or not self._learning():
            return False
        wished = any(wishes.subjects(self._vault, kind) for kind in wishes.KINDS)
        return history.count(self._vault) == 0 and marks.count(self._vault) == 0 and not wished

    def skip(self) -> None:
        """Note that the person does not want to be asked."""
        settings.set_welcomed(self._vault)


def slate(
    library: Library,
    item_of: Callable[[NDArray[np.int64]], Sequence[Item]],
    n: int = SLATE,
    *,
    groups: Callable[[Sequence[str]], Sequence[frozenset[str]]],
    popularity: NDArray[np.floating] | None = None,
    shown: NDArray[np.int64] | None = None,
    left_out: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Return the rows of up to `n` items to choose from, int64, in the order in which they were taken.

    item_of: gives the items of some rows, in their order. groups: see `Pack`. popularity: one finite number a
    row, the larger the better known; the model's prior when left out. shown: rows left out together with
    their groups; left_out: rows left out. Items without a title are none that a person could choose. Raises
    DataError.
    """
    if not 0 <= n <= MOST:
        raise DataError(f"cannot show {n} items to choose from: give 0 to {MOST}")
    known = (library.model.prior if popularity is None else popularity).astype(np.float64)
    if known.shape != (len(library),) or not np.isfinite(known).all():
        raise DataError(f"popularity is one finite number for each of the {len(library):,} items")
    gone = [rows for rows in (shown, left_out) if rows is not None]
    speaks = _speak(library)
    rows, titles = _pool(
        library, item_of, known, speaks, np.concatenate([np.zeros(0, dtype=np.int64), *gone])
    )
    if n == 0 or len(rows) == 0:
        return np.zeros(0, dtype=np.int64)
    before = [] if shown is None else [item.title for item in item_of(shown)]
    grouped = groups([*titles, *before])
    seen = frozenset[str]().union(*grouped[len(rows) :])
    fits = np.array([not (one & seen) for one in grouped[: len(rows)]])
    chosen = _Choice(library, rows, known[rows], grouped[: len(rows)], fits).take(n, first=speaks[rows])
    return rows[chosen]


@final
class _Choice:
    """Takes items from a pool one by one, each time the one that adds most."""

    def __init__(
        self,
        library: Library,
        rows: NDArray[np.int64],
        known: NDArray[np.float64],
        groups: Sequence[frozenset[str]],
        fits: NDArray[np.bool_],
    ) -> None:
        vectors = unit_vectors(library, rows)
        self._alike = vectors @ vectors.T
        self._covers = np.maximum(self._alike, 0.0)
        spread = float(np.ptp(known))
        scaled = (known - known.min()) / spread if spread else np.ones(len(rows))
        self._known = (_LEAST_KNOWN + (1 - _LEAST_KNOWN) * scaled).astype(np.float32)
        self._labels = _labels_of(library, rows)
        mass = np.sqrt(self._known @ self._labels)
        self._mass = mass / (mass.sum() or 1.0)
        self._weights = self._known / self._known.sum()
        self._groups = groups
        self._fits = fits

    def take(self, n: int, first: NDArray[np.bool_]) -> list[int]:
        """Return up to `n` places of the pool: first those of `first`, last what is too much alike."""
        chosen: list[int] = []
        covered = np.zeros(len(self._known), dtype=np.float32)
        uncovered = self._mass.copy()
        open_, apart = self._fits.copy(), np.ones(len(self._fits), dtype=np.bool_)
        while len(chosen) < n and open_.any():
            ways = (open_ & apart & first, open_ & apart, open_)
            may = next(way for way in ways if way.any())
            gain = self._weights @ np.maximum(self._covers - covered[:, None], 0.0) + self._labels @ uncovered
            worth = np.where(may, gain * self._known, -1.0)
            place = int(np.argmax(worth))
            chosen.append(place)
            np.maximum(covered, self._covers[:, place], out=covered)
            uncovered[self._labels[place] > 0] = 0.0
            apart &= self._alike[place] < _ALIKE
            open_[place] = False
            if self._groups[place]:
                open_ &= np.array([not (one & self._groups[place]) for one in self._groups])
        return chosen


def _pool(
    library: Library,
    item_of: Callable[[NDArray[np.int64]], Sequence[Item]],
    known: NDArray[np.float64],
    first: NDArray[np.bool_],
    gone: NDArray[np.int64],
) -> tuple[NDArray[np.int64], list[str]]:
    """Return the best known rows that have a title, those of `first` first, and their titles."""
    live = library.live.copy()
    live[gone] = False
    rows = np.flatnonzero(live)
    if len(rows) and np.ptp(known[rows]) == 0:  # nothing says which are known: some from everywhere
        spread = np.unique(np.linspace(0, len(rows) - 1, min(_POOL, len(rows))).astype(np.int64))
        rows = np.concatenate((rows[spread], np.delete(rows, spread)))
    else:
        rows = rows[np.lexsort((rows, -known[rows], ~first[rows]))]
    found: list[int] = []
    titles: list[str] = []
    for start in range(0, len(rows), _POOL):
        block = rows[start : start + _POOL]
        for row, item in zip(block.tolist(), item_of(block), strict=True):
            if has_title(item) and len(found) < _POOL:
                found.append(row)
                titles.append(item.title)
        if len(found) == _POOL or start > _MOST_READ:
            break
    return np.array(found, dtype=np.int64), titles


def _speak(library: Library) -> NDArray[np.bool_]:
    """Return for which rows the model learnt what their picks say, bool [n]."""
    for part in library.model.parts:
        if part.name == PICK_PART:
            speaks: NDArray[np.bool_] = (part.context_weights != 0) & part.vectors.any(axis=1)
            return speaks
    return np.zeros(len(library), dtype=np.bool_)


def has_title(item: Item) -> bool:
    """Return whether an item has a title that a person could know it by: text that is no mere code."""
    return bool(item.title.strip()) and (item.title != item.id or _WORD.search(item.title) is not None)


def _labels_of(library: Library, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return which labels the rows carry, float32 [rows, labels], 1 or 0; without labels of none."""
    place = np.full(len(library), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    here = place[library.label_rows]
    label = np.repeat(np.arange(len(library.labels)), np.diff(library.label_starts))[here >= 0]
    used, column = np.unique(label, return_inverse=True)
    carried = np.zeros((len(rows), len(used)), dtype=np.float32)
    carried[here[here >= 0], column] = 1.0
    return carried
