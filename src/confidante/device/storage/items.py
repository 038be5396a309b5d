"""The items of a vault: what can be recommended. Each has a key, a number never given out twice."""

import re
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, final

import msgspec
import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.text import check_text, folded, is_storable, shown
from confidante.core.values import Item, Price
from confidante.device.storage.vault import Sql, Vault
from confidante.device.storage.wishes import HIDDEN
from confidante.device.values import ItemEntry

MAX_ID, MAX_TITLE, MAX_DESCRIPTION = 512, 10_000, 100_000
MAX_LABELS, MAX_LABEL = 64, 200
MAX_CREATOR, MAX_URL, MAX_IMAGE = 500, 2000, 400_000

_LINK = re.compile(r"https?://[^\s/]\S*")
_PICTURE = re.compile(
    r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}|(/|[A-Za-z]:[/\\]).+\.(png|jpe?g|gif|webp)",
    re.IGNORECASE,
)

NO_NOTES: Mapping[str, str] = MappingProxyType({})

LIBRARY = "library"
"""Name of the snapshot that holds what was derived from the items."""

STALE = "library is stale"
"""The setting that says that the items have changed since."""

_COLUMNS = "item.id, item.title, item.labels, item.description, item.further"


@final
@dataclass(frozen=True, slots=True, eq=False)
class StoredItems:
    """All items. keys: int64 [n], rising. removed, personal: bool [n], as in the schema."""

    items: tuple[Item, ...]
    keys: NDArray[np.int64]
    removed: NDArray[np.bool_]
    personal: NDArray[np.bool_]


def put(
    vault: Vault,
    items: Iterable[Item],
    *,
    personal: bool = False,
    hidden: Collection[str] = (),
    notes: Mapping[str, str] = NO_NOTES,
) -> int:
    """Add items, or replace those of the same ids, all or none; return how many. Removed ones are back.

    hidden: ids of those that are removed from the start, or stay so. notes: what an app keeps with them, by
    id; a note that is there stays where there is no new one.

    personal: they are known from the person's own history only, and are erased with the events and marks that
    name them; an item that was given otherwise, before or later, stays. What a stored item has besides (link,
    picture, creator, price, the pack's fields) stays where the new one says nothing of it: the catalogue that
    comes with a model does not.

    Raises DataError that names the item and what of it is too long or unfit.
    """
    count = 0
    with vault.write() as sql:
        for item in items:
            _check(item)
            sql(
                "INSERT INTO item (id, title, labels, description, further, personal, removed, note)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET title = excluded.title, labels = excluded.labels,"
                " description = excluded.description, removed = excluded.removed,"
                " note = iif(excluded.note = '', note, excluded.note),"
                " further = iif(excluded.further = '{}', further, excluded.further),"
                " personal = min(personal, excluded.personal)",
                (
                    item.id,
                    item.title,
                    msgspec.json.encode(item.labels).decode(),
                    item.description,
                    _further(item),
                    personal,
                    item.id in hidden,
                    _note(item.id, notes),
                ),
            )
            count += 1
    return count


def remove(vault: Vault, ids: Collection[str], *, note: str | None = None) -> list[int]:
    """Mark items as removed, and return the keys of those that are known. Events may still name them.

    note: in place of theirs; None: theirs stay.
    """
    keys = list(keys_of(vault, ids).values())
    with vault.write() as sql:
        sql(
            "UPDATE item SET removed = 1, note = ifnull(?2, note)"
            " WHERE key IN (SELECT value FROM json_each(?1))",
            (_listed(keys), note),
        )
    return keys


def drop_personal(sql: Sql) -> None:
    """Erase every personal item that no event, mark or wish names any more, hidden ones included.

    What was derived from them goes in the same transaction, and so does a kind that was only known from
    events (`kinds.py`).
    """
    sql("DELETE FROM kind WHERE inherited = 1 AND name NOT IN (SELECT kind FROM event)")
    gone = sql(
        "DELETE FROM item WHERE personal = 1"
        " AND key NOT IN (SELECT item FROM event)"
        " AND key NOT IN (SELECT item FROM seen UNION SELECT item FROM seen_forgotten)"
        " AND id NOT IN (SELECT subject FROM wish WHERE kind <> 'taste')"
        " AND id NOT IN (SELECT json_extract(hidden.value, '$[1]')"
        " FROM setting, json_each(CAST(setting.value AS TEXT)) AS hidden"
        " WHERE substr(setting.name, 1, ?) = ? AND json_extract(hidden.value, '$[0]') <> 'taste')"
        " RETURNING key",
        (len(HIDDEN), HIDDEN),
    )
    if gone:
        sql("DELETE FROM snapshot WHERE name = ?", (LIBRARY,))
        sql("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)", (STALE, b"yes"))


def keys(vault: Vault) -> NDArray[np.int64]:
    """Return the keys of all items, rising."""
    return np.array([key for (key,) in vault.rows("SELECT key FROM item ORDER BY key")], dtype=np.int64)


def personal_keys(vault: Vault) -> NDArray[np.int64]:
    """Return the keys of all personal items."""
    return np.array([key for (key,) in vault.rows("SELECT key FROM item WHERE personal = 1")], dtype=np.int64)


def key_of(vault: Vault, item_id: str) -> int | None:
    """Return the key of an item, removed or not; None for an unknown one."""
    return keys_of(vault, [item_id]).get(item_id)


def require_key(vault: Vault, item_id: str) -> int:
    """Return the key of an item, removed or not; DataError for an unknown one."""
    key = key_of(vault, item_id)
    if key is None:
        raise DataError(f"there is no item {item_id!r}: add it with device.items.add first")
    return key


def require_keys(vault: Vault, ids: Collection[str]) -> list[int]:
    """Return the keys of items, removed or not, in their order; DataError for an unknown one."""
    known = keys_of(vault, ids)
    return [known[item_id] if item_id in known else require_key(vault, item_id) for item_id in ids]


def keys_of(vault: Vault, ids: Collection[str]) -> dict[str, int]:
    """Return the keys of those items that are known, removed or not, by id."""
    rows = vault.rows(
        "SELECT item.id, item.key FROM json_each(?) AS asked JOIN item ON item.id = asked.value",
        (_listed([item_id for item_id in ids if is_storable(item_id)]),),
    )
    return dict(rows)


def known_ids(vault: Vault, ids: Collection[str]) -> list[str]:
    """Return those of `ids` that are known, removed or not."""
    return list(keys_of(vault, ids))


def items_of(vault: Vault, keys: Sequence[int]) -> list[Item]:
    """Return the items of `keys`, in their order. Raises DataError for an unknown key."""
    rows = vault.rows(
        f"SELECT {_COLUMNS} FROM json_each(?) AS asked JOIN item ON item.key = asked.value"  # noqa: S608
        " ORDER BY asked.key",
        (_listed(keys),),
    )
    if len(rows) != len(keys):
        raise DataError("an item is not in the vault: read the library again")
    return [_item(*row) for row in rows]


def everything(vault: Vault) -> StoredItems:
    """Return all items in the order of their keys."""
    rows = vault.rows(f"SELECT {_COLUMNS}, key, removed, personal FROM item ORDER BY key")  # noqa: S608
    return StoredItems(
        tuple(_item(*row[:5]) for row in rows),
        np.array([row[5] for row in rows], dtype=np.int64),
        np.array([row[6] or not _is_whole(*row[2:5:2]) for row in rows], dtype=np.bool_),
        np.array([row[7] for row in rows], dtype=np.bool_),
    )


def entries(vault: Vault, limit: int, after: int = 0) -> tuple[ItemEntry, ...]:
    """Return items, hidden ones too, in the order of their keys, from the first above `after`."""
    if limit < 0:
        raise DataError(f"cannot list {limit} items: give 0 or more")
    rows = vault.rows(
        f"SELECT {_COLUMNS}, removed, note FROM item WHERE key > ? ORDER BY key LIMIT ?",  # noqa: S608
        (after, min(limit, 2**63 - 1)),
    )
    return tuple(ItemEntry(_item(*row[:5]), bool(row[5]), row[6]) for row in rows)


def count(vault: Vault) -> int:
    """Return the number of items that can be recommended."""
    return int(vault.rows("SELECT count(*) FROM item WHERE removed = 0")[0][0])


def listed(vault: Vault, limit: int, after: int = 0) -> tuple[Item, ...]:
    """Return items that can be recommended, in the order of their keys, from the first above `after`."""
    if limit < 0:
        raise DataError(f"cannot list {limit} items: give 0 or more")
    rows = vault.rows(
        f"SELECT {_COLUMNS} FROM item WHERE removed = 0 AND key > ? ORDER BY key LIMIT ?",  # noqa: S608
        (after, min(limit, 2**63 - 1)),
    )
    return tuple(_item(*row) for row in rows)


def find(vault: Vault, text: str, limit: int) -> tuple[Item, ...]:
    """Return items whose title contains `text` (case and accents aside), or whose id it is; best first."""
    if limit < 0:
        raise DataError(f"cannot find {limit} items: give 0 or more")
    if not is_storable(text):
        return ()
    rows = vault.rows(
        "WITH hit AS MATERIALIZED ("  # noqa: S608
        " SELECT key AS number, CASE WHEN id = ?1 THEN 0 ELSE instr(folded(title), ?2) - 1 END AS place"
        " FROM item WHERE removed = 0)"
        f" SELECT {_COLUMNS} FROM hit JOIN item ON item.key = number WHERE place >= 0"
        " ORDER BY place, length(title), key LIMIT ?3",
        (text, folded(text), min(limit, 2**63 - 1)),
    )
    return tuple(_item(*row) for row in rows)


def _check(item: Item) -> None:
    check_text(item.id, f"the id {shown(item.id)}", 1, MAX_ID, controls=False)
    name = shown(item.id)
    check_text(item.title, f"the title of item {name}", 0, MAX_TITLE, controls=True)
    check_text(item.description, f"the description of item {name}", 0, MAX_DESCRIPTION, controls=True)
    if len(item.labels) > MAX_LABELS:
        raise DataError(f"item {name} has {len(item.labels):,} labels: give at most {MAX_LABELS}")
    for label in item.labels:
        check_text(label, f"a label of item {name}", 1, MAX_LABEL, controls=False)
    check_text(item.creator, f"the creator of item {name}", 0, MAX_CREATOR, controls=False)
    check_text(item.url, f"the link of item {name}", 0, MAX_URL, controls=False)
    if item.url and not _LINK.fullmatch(item.url):
        raise DataError(f"the link of item {name} is not a web address: give one that begins with https://")
    check_text(item.image, f"the picture of item {name}", 0, MAX_IMAGE, controls=False)
    if item.image and not _PICTURE.fullmatch(item.image):
        raise DataError(
            f"the picture of item {name} is neither a file here nor a data: address of one: give the whole "
            "path of a .png, .jpg, .gif or .webp file, or data:image/png;base64,... (nothing is fetched)"
        )
    if len(_further(item)) > MAX_IMAGE + MAX_DESCRIPTION:
        raise DataError(f"item {name} says more of itself than can be kept: give shorter fields")


def _note(item_id: str, notes: Mapping[str, str]) -> str:
    note = notes.get(item_id, "")
    check_text(note, f"the note of item {shown(item_id)}", 0, MAX_DESCRIPTION, controls=True)
    return note


def _further(item: Item) -> str:
    """Return what an item says besides as JSON, "{}" for nothing."""
    said = {
        "url": item.url,
        "image": item.image,
        "creator": item.creator,
        "price": "" if item.price is None else str(item.price),
        "more": dict(item.more),
    }
    try:
        return msgspec.json.encode({name: value for name, value in said.items() if value}).decode()
    except TypeError as error:
        raise DataError(f"item {shown(item.id)} has a field that cannot be kept: {error}") from None


class _Further(msgspec.Struct, frozen=True):
    url: str = ""
    image: str = ""
    creator: str = ""
    price: str = ""
    more: dict[str, Any] = {}


def _item(item_id: str, title: str, labels: str, description: str, further: str) -> Item:
    """Return a row as an item, what cannot be read of it left out with a warning."""
    if not _is_whole(labels, further):
        warnings.warn(
            f"item {shown(item_id)} cannot be read and is not recommended: add it again (device.items.add)",
            stacklevel=2,
        )
        return Item(item_id, title, (), description)
    if further == "{}":
        return Item(item_id, title, _labels(labels), description)
    said = _further_of(further)
    price = Price.read(said.price) if said.price else None
    return Item(
        item_id, title, _labels(labels), description, said.url, said.image, said.creator, price, said.more
    )


def _is_whole(labels: str, further: str) -> bool:
    """Whether a row can be read."""
    try:
        _labels(labels)
        if further != "{}" and (price := _further_of(further).price):
            Price.read(price)
    except (msgspec.MsgspecError, DataError):
        return False
    return True


@lru_cache(maxsize=4096)
def _labels(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])


def _further_of(text: str) -> _Further:
    return msgspec.json.decode(text, type=_Further)


def _listed(values: Sequence[int] | Sequence[str]) -> str:
    return msgspec.json.encode(values).decode()
