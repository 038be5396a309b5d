"""`device.items`: what can be recommended."""

from collections.abc import Collection, Iterable, Mapping
from typing import final

from confidante.core.arguments import checked_arguments
from confidante.core.values import Item
from confidante.device.catalog.serving import Serving
from confidante.device.storage import items
from confidante.device.storage.access import VaultAccess, exclusive
from confidante.device.values import ItemEntry


@final
@checked_arguments
class Items:
    """What can be recommended on this device.

    Stability: provisional
    """

    def __init__(self, access: VaultAccess, serving: Serving) -> None:
        self._access, self._serving = access, serving

    @exclusive
    def add(
        self,
        new: Iterable[Item],
        *,
        personal: bool = False,
        hidden: Collection[str] = (),
        notes: Mapping[str, str] = items.NO_NOTES,
    ) -> int:
        """Add items, or replace those with the same ids.

        Args:
            new: The items. All of them are added, or none.
            personal: They are known from what this person did, and from nothing else. They are erased when
                no event and no wish names them any more, and no-profiling mode never shows them.
            hidden: Ids of those that are not recommended; the others are, also when they were removed.
            notes: Texts that the app keeps with them, by id, and gets back from `entry`. One that is there
                stays where none is given.

        Returns:
            How many different items there were.

        Raises:
            DataError: An id, title, label, description or note is too long, or no text.
        """
        return self._serving.add(new, personal=personal, hidden=hidden, notes=notes)

    @exclusive
    def remove(self, ids: Collection[str], *, note: str | None = None) -> int:
        """Recommend items no more. Their events stay until they are forgotten.

        Args:
            ids: Ids of items; unknown ones do no harm.
            note: What the app keeps with them from now on; what it kept before when left out.

        Returns:
            How many of them were known.
        """
        return self._serving.remove(ids, note=note)

    @exclusive
    def get(self, item_id: str) -> Item:
        """Return one item.

        Args:
            item_id: The id it was added with.

        Returns:
            The item, also when it was removed.

        Raises:
            DataError: There is no such item.
        """
        return items.items_of(self._access.vault, [items.require_key(self._access.vault, item_id)])[0]

    @exclusive
    def entry(self, item_id: str) -> ItemEntry:
        """Return one item, with whether it is hidden and the app's note.

        Args:
            item_id: The id it was added with.

        Returns:
            The entry, also when the item was removed, which hides it.

        Raises:
            DataError: There is no such item.
        """
        vault = self._access.vault
        return items.entries(vault, 1, items.require_key(vault, item_id) - 1)[0]

    @exclusive
    def entries(self, limit: int = 50, after: str = "") -> tuple[ItemEntry, ...]:
        """List items in the order in which they were added, hidden ones too.

        Args:
            limit: The most items to return, 0 or more.
            after: Id of the last item of the page before; empty for the first page.

        Returns:
            The entries that come after `after`.

        Raises:
            DataError: `limit` is below 0, or there is no item `after`.
        """
        vault = self._access.vault
        return items.entries(vault, limit, items.require_key(vault, after) if after else 0)

    @exclusive
    def find(self, text: str, limit: int = 20) -> tuple[Item, ...]:
        """Search titles.

        Args:
            text: Part of a title; case and accents do not matter.
            limit: The most items to return, 0 or more.

        Returns:
            The items whose title contains `text`.

        Raises:
            DataError: `limit` is below 0.
        """
        return items.find(self._access.vault, text, limit)

    @exclusive
    def list(self, limit: int = 50, after: str = "") -> tuple[Item, ...]:
        """List items in the order in which they were added.

        Args:
            limit: The most items to return, 0 or more.
            after: Id of the last item of the page before; empty for the first page.

        Returns:
            The items that come after `after`.

        Raises:
            DataError: `limit` is below 0, or there is no item `after`.
        """
        vault = self._access.vault
        return items.listed(vault, limit, items.require_key(vault, after) if after else 0)

    @property
    def count(self) -> int:
        """Number of items that can be recommended."""
        return items.count(self._access.vault)
