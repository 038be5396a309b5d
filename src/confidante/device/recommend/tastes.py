"""`device.taste`: how much of a history is each label, what the person set by hand, wishes about items."""

from collections.abc import Iterable, Mapping
from typing import final

import numpy as np

from confidante.core.arguments import checked_arguments
from confidante.core.errors import DataError
from confidante.core.values import Item
from confidante.device.catalog.library import Library
from confidante.device.catalog.serving import Serving
from confidante.device.recommend.person import Person
from confidante.device.recommend.query import Profile, event_ages
from confidante.device.storage import items, wishes
from confidante.device.storage.access import VaultAccess, exclusive
from confidante.device.values import Taste

HALF_LIFE = 50.0
"""Events after which an event counts half in the picture. Slower than in scores: a taste is not a mood."""


@final
@checked_arguments
class Tastes:
    """What the person likes, as they see and steer it: tastes by label, and wishes about single items.

    Stability: provisional
    """

    def __init__(self, access: VaultAccess, serving: Serving, person: Person) -> None:
        self._access, self._vault = access, access.vault
        self._serving, self._person = serving, person

    @exclusive
    def list(self, limit: int = 30) -> tuple[Taste, ...]:
        """Return the labels that the history is made of.

        Args:
            limit: The most labels to return, 0 or more.

        Returns:
            The labels with the largest shares, then every other one that was edited.

        Raises:
            DataError: `limit` is below 0.
        """
        if limit < 0:
            raise DataError(f"cannot list {limit} tastes: give 0 or more")
        levels = dict(wishes.levels(self._vault))
        return _tastes(self._serving.library, self._person.profile(self._serving.library), levels, limit)

    @exclusive
    def edit(self, label: str, *, level: int = 0, removed: bool = False) -> Taste:
        """Set a taste by hand.

        Args:
            label: A label that an item carries.
            level: From -2 (much less) to 2 (much more); 0 leaves it as the history has it.
            removed: Never suggest anything with this label.

        Returns:
            The taste as it is now.

        Raises:
            DataError: The level is out of range, or no item carries the label.
        """
        if not -2 <= level <= 2:
            raise DataError(f"the level of a taste is -2 to 2, not {level}")
        library = self._serving.library
        if label not in library.labels and label not in dict(wishes.levels(self._vault)):
            raise DataError(f"no item has the label {label!r}: check the spelling")
        if removed or level:
            wishes.put(self._vault, "taste", label, wishes.REMOVED if removed else level)
        else:
            wishes.unset(self._vault, "taste", label)
        self._access.changed()
        levels = {label: wishes.REMOVED if removed else level}
        shown = _tastes(library, self._person.profile(library), levels, len(library.labels))
        return next(taste for taste in shown if taste.label == label)

    def less(self, item_id: str) -> None:
        """Suggest an item no more, and similar items less.

        Args:
            item_id: Id of the item.

        Raises:
            DataError: The item is unknown.
        """
        self._put("less", item_id)

    def never(self, item_id: str) -> None:
        """Suggest an item no more.

        Args:
            item_id: Id of the item.

        Raises:
            DataError: The item is unknown.
        """
        self._put("never", item_id)

    def allow(self, item_id: str) -> None:
        """Take back `less` and `never`.

        Args:
            item_id: Id of the item.

        Raises:
            DataError: The item is unknown.
        """
        self._unset(("less", "never"), item_id)

    def save(self, item_id: str) -> None:
        """Put an item on the list of saved ones. Saving is no event: it changes no suggestion.

        Args:
            item_id: Id of the item.

        Raises:
            DataError: The item is unknown.
        """
        self._put("saved", item_id)

    def unsave(self, item_id: str) -> None:
        """Take an item off the list of saved ones.

        Args:
            item_id: Id of the item.

        Raises:
            DataError: The item is unknown.
        """
        self._unset(("saved",), item_id)

    @property
    def saved(self) -> tuple[Item, ...]:
        """Saved items, newest first."""
        return self._items("saved")

    @property
    def refused(self) -> tuple[tuple[str, Item], ...]:
        """("less" or "never", item) for each: all of the first kind, newest first, then the second."""
        return tuple((kind, item) for kind in ("less", "never") for item in self._items(kind))

    @exclusive
    def _put(self, kind: str, item_id: str) -> None:
        items.require_key(self._vault, item_id)
        wishes.put(self._vault, kind, item_id, 1)
        self._access.changed()

    @exclusive
    def _unset(self, kinds: Iterable[str], item_id: str) -> None:
        items.require_key(self._vault, item_id)
        for kind in kinds:
            wishes.unset(self._vault, kind, item_id)
        self._access.changed()

    @exclusive
    def _items(self, kind: str) -> tuple[Item, ...]:
        ids = wishes.subjects(self._vault, kind)
        keys = items.keys_of(self._vault, ids)
        return tuple(items.items_of(self._vault, [keys[item_id] for item_id in ids if item_id in keys]))


def _tastes(library: Library, profile: Profile, levels: Mapping[str, int], limit: int) -> tuple[Taste, ...]:
    """Return the labels of the history, largest share first, and every edited one.

    An event counts for its item's labels in equal parts. levels: by label, -2 to 2 or REMOVED.
    """
    of_row = np.zeros(len(library))
    count_of_row = np.zeros(len(library), dtype=np.int64)
    liked = profile.weights > 0
    ages = event_ages(profile.weights, profile.picks, profile.moments)
    np.add.at(of_row, profile.rows[liked], profile.weights[liked] * 0.5 ** (ages[liked] / HALF_LIFE))
    np.add.at(count_of_row, profile.rows[liked], 1)
    carried = np.bincount(library.label_rows, minlength=len(library))
    of_row = np.divide(of_row, carried, out=np.zeros_like(of_row), where=carried > 0)
    label_of = np.repeat(np.arange(len(library.labels)), np.diff(library.label_starts))
    shares = np.bincount(label_of, of_row[library.label_rows], len(library.labels))
    counts = np.bincount(label_of, count_of_row[library.label_rows], len(library.labels)).astype(np.int64)
    total = float(shares.sum()) or 1.0
    order = [int(place) for place in np.argsort(-shares, kind="stable") if counts[place]][:limit]
    shown = {library.labels[place]: (float(shares[place]) / total, int(counts[place])) for place in order}
    for label in sorted(levels):
        if label not in shown:
            place = library.labels.index(label) if label in library.labels else None
            shown[label] = (0.0, 0) if place is None else (float(shares[place]) / total, int(counts[place]))
    return tuple(
        Taste(
            label,
            share,
            events,
            level=0 if levels.get(label) == wishes.REMOVED else levels.get(label, 0),
            removed=levels.get(label) == wishes.REMOVED,
        )
        for label, (share, events) in shown.items()
    )
