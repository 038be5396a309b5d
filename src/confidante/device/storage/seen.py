"""`device.history.seen`: what the person had, which is kept out of suggestions."""

from collections.abc import Callable, Collection
from typing import final

from confidante.core.arguments import checked_arguments
from confidante.core.errors import DataError
from confidante.device.storage import items, marks
from confidante.device.storage.access import VaultAccess, exclusive
from confidante.device.storage.forgetting import unmark
from confidante.device.values import Forgotten, SeenItem


@final
@checked_arguments
class Seen:
    """What the person had. It is not suggested again, whatever events are still remembered.

    Events whose kind means that an item was had mark it by themselves, imported ones too, however many there
    are. A mark says nothing of liking: it keeps its item out of suggestions, and does no more. It stays when
    its events are too old to be kept (`Retention.keep_seen`), and goes with them when they are forgotten.

    Stability: provisional
    """

    def __init__(self, access: VaultAccess, learning: Callable[[], bool]) -> None:
        self._access, self._learning = access, learning

    @exclusive
    def mark(self, item_ids: Collection[str], *, at: float | None = None) -> int:
        """Keep items out of suggestions because the person had them. No event is made of it.

        Args:
            item_ids: Ids of the items.
            at: When they were had, in seconds since 1970; now when left out. A time to come keeps them out
                from then on.

        Returns:
            How many did not count as had before; 0 while learning is paused or switched off, when nothing is
            kept.

        Raises:
            DataError: An item is unknown, or `at` is out of range.
        """
        vault = self._access.vault
        keys = items.require_keys(vault, item_ids)
        if not self._learning():
            return 0
        before = marks.count(vault)
        when = vault.now() if at is None else at
        marks.put(vault, ((key, when) for key in keys), later=True)
        self._access.changed()
        return marks.count(vault) - before

    @exclusive
    def unmark(self, item_ids: Collection[str], *, undo_seconds: float = 0.0) -> Forgotten:
        """Have items be suggested again. What is remembered of them stays, and counts as before.

        Args:
            item_ids: Ids of the items; those that do not count as had do no harm.
            undo_seconds: How long it can be undone (`Device.undo`), 0 to 2,592,000 (30 days).

        Returns:
            How many items counted as had, and how to take it back.

        Raises:
            DataError: An item is unknown.
            VaultError: It is done, but there is no room to destroy the old key now.
        """
        vault = self._access.vault
        keys = items.require_keys(vault, item_ids)
        try:
            return unmark(vault, keys, undo_seconds=undo_seconds)
        finally:
            self._access.changed()

    @exclusive
    def list(self, limit: int = 50, *, search: str = "", after: str = "") -> tuple[SeenItem, ...]:
        """List what the person had, newest first.

        Args:
            limit: The most items to return, 0 or more.
            search: Part of a title; case and accents do not matter.
            after: Id of the last item of the page before; empty for the first page.

        Returns:
            The items, and when each was had last.

        Raises:
            DataError: `limit` is below 0, or the item `after` does not count as had.
        """
        if limit < 0:
            raise DataError(f"cannot list {limit} items: give 0 or more")
        vault = self._access.vault
        last = items.require_key(vault, after) if after else None
        found = marks.listed(vault, limit, search, last)
        had = items.items_of(vault, [key for key, _at in found])
        return tuple(SeenItem(item, at) for item, (_key, at) in zip(had, found, strict=True))

    @exclusive
    def among(self, item_ids: Collection[str]) -> frozenset[str]:
        """Return which of some items the person had.

        Args:
            item_ids: Ids of items; unknown ones do no harm.

        Returns:
            The ids of those that were had.
        """
        known = items.keys_of(self._access.vault, item_ids)
        had = set(marks.among(self._access.vault, known.values()))
        return frozenset(item_id for item_id, key in known.items() if key in had)

    @property
    def count(self) -> int:
        """Number of items that the person had."""
        return marks.count(self._access.vault)
