"""Items as Gorse has them: hidden ones stay hidden until shown again, and all give back what was said."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from confidante.core.text import folded
from confidante.core.values import Item
from confidante.device.values import ItemEntry
from confidante.device.web.gorse.config import GorseConfig
from confidante.device.web.gorse.shapes import (
    PROBLEMS,
    Cursor,
    ItemNote,
    ItemPage,
    ItemPatch,
    KeptItem,
    Many,
    NewItem,
    Success,
    entry_of,
    find_entry,
    is_deleted,
    kept_item,
    known_entry,
    patched,
)
from confidante.device.web.shapes import KEYED, MAX_BATCH, MAX_N, Name

if TYPE_CHECKING:
    from confidante.device.device import Device

_MOST_WORDS = 20

Query_ = Annotated[str, Query(alias="q", max_length=1000, description="words of the Comment to search for")]


def item_routes(device: "Device", config: GorseConfig) -> APIRouter:
    """Return the endpoints of items."""
    router = APIRouter(prefix="/api", tags=["items, as in Gorse"], responses=PROBLEMS, dependencies=KEYED)

    @router.post("/item")
    def post_item(item: NewItem) -> Success:
        """Add an item, or replace it."""
        return post_items([item])

    @router.post("/items")
    def post_items(items: Annotated[list[NewItem], Field(max_length=MAX_BATCH)]) -> Success:
        """Add items, or replace them. A hidden one is not recommended."""
        given = {one.item_id: entry_of(one) for one in items}
        device.items.add(
            (item for item, _note in given.values()),
            hidden=[one.item_id for one in items if one.is_hidden],
            notes={item_id: note.text() for item_id, (_item, note) in given.items()},
        )
        return Success(row_affected=len(items))

    @router.get("/items")
    def list_items(cursor: Cursor, n: Many = None, query: Query_ = "") -> ItemPage:
        """Return items in the order in which they came, hidden ones too; with `q` the best matches."""
        most = n or config.default_n
        if query:
            return ItemPage(cursor="", items=[kept_item(one) for one in _found(device, query)[:most]])
        found, after = list[ItemEntry](), cursor
        while len(found) <= most:
            page = device.items.entries(most + 1, after)
            found += [one for one in page if not is_deleted(one)]
            if len(page) <= most:
                break
            after = page[-1].item.id
        more = len(found) > most
        return ItemPage(
            cursor=found[most - 1].item.id if more else "", items=[kept_item(one) for one in found[:most]]
        )

    @router.get("/item/{item_id}")
    def get_item(item_id: Name) -> KeptItem:
        """Return an item, hidden or not."""
        return kept_item(known_entry(device, item_id))

    @router.patch("/item/{item_id}")
    def patch_item(item_id: Name, patch: ItemPatch) -> Success:
        """Change an item; what is left out stays, hidden as well."""
        entry = known_entry(device, item_id)
        return change(
            *patched(entry, patch), hidden=entry.hidden if patch.is_hidden is None else patch.is_hidden
        )

    @router.delete("/item/{item_id}")
    def delete_item(item_id: Name) -> Success:
        """Recommend an item no more, and forget the feedback on it."""
        if find_entry(device, item_id) is not None:
            device.items.remove([item_id], note=ItemNote(deleted=True).text())
            device.forget(item=item_id)
        return Success(row_affected=1)

    @router.put("/item/{item_id}/category/{category}")
    def put_category(item_id: Name, category: Name) -> Success:
        """Add a label to an item."""
        entry = known_entry(device, item_id)
        old = ItemNote.of(entry).categories or []
        return change(
            *patched(entry, ItemPatch(categories=list(dict.fromkeys([*old, category])))), hidden=entry.hidden
        )

    @router.delete("/item/{item_id}/category/{category}")
    def delete_category(item_id: Name, category: Name) -> Success:
        """Take a label off an item."""
        entry = known_entry(device, item_id)
        left = [one for one in ItemNote.of(entry).categories or [] if one != category]
        return change(*patched(entry, ItemPatch(categories=left)), hidden=entry.hidden)

    def change(item: Item, note: ItemNote, *, hidden: bool) -> Success:
        device.items.add([item], hidden=[item.id] if hidden else [], notes={item.id: note.text()})
        return Success(row_affected=1)

    return router


def _found(device: "Device", query: str) -> list[ItemEntry]:
    """Return items with any of the words in their titles, those with most of them first."""
    words = list(dict.fromkeys(folded(query).split()))[:_MOST_WORDS]
    hits: dict[str, float] = {}
    for word in words:
        for item in device.items.find(word, MAX_N):
            whole = word in folded(item.title).split()
            hits[item.id] = hits.get(item.id, 0.0) + (1.0 if whole else 0.5)
    best = sorted(hits, key=lambda item_id: -hits[item_id])
    return [entry for item_id in best if (entry := find_entry(device, item_id)) is not None]
