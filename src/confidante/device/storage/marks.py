"""What the person had, in a vault: one mark an item, whatever events are still remembered.

A mark says that an item was had, and when last; no more. It stays when the events that it came from are too
old to be kept, unless the person wants it otherwise (`Retention.keep_seen`), and goes with them where the
person forgets (`forgetting.py`). Who is asked for suggestions leaves out what has a mark.
"""

from collections.abc import Collection, Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.text import searched
from confidante.device.storage import settings
from confidante.device.storage.vault import LATEST, Sql, Vault

_PUT = (
    "INSERT INTO seen (item, at, since) SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1)"
    " WHERE TRUE ON CONFLICT (item) DO UPDATE SET at = excluded.at, since = excluded.since"
    " WHERE iif(since > ?2, excluded.since < since, excluded.since <= ?2 AND excluded.at > at)"
)
"""?2: now. Of marks that count the newest stays; else the one that counts first."""

_LEFT = (
    "(SELECT ifnull(max(event.at), -1) FROM event WHERE event.item = seen.item AND event.forgotten IS NULL"
    " AND event.kind IN (SELECT value FROM json_each(?2)))"
)
"""The time of the newest event of a mark's item that means that it was had; -1 where none is left."""


def put(vault: Vault, marks: Iterable[tuple[int, float]], *, later: bool = False) -> None:
    """Mark items, by key, as had at a time in seconds since 1970. Of several times the newest counts.

    later: a mark of a time to come counts from then on only.
    """
    given = [(item, float(at)) for item, at in marks]
    if not all(0 <= at <= LATEST for _item, at in given):
        raise DataError(
            "an item was had at a time out of range: give seconds since 1970, up to the year 2100"
        )
    now = vault.now()
    rows = [(item, at, at if later and at > now else 0.0) for item, at in given]
    with vault.write() as sql:
        sql(_PUT, (msgspec.json.encode(rows).decode(), now))


def count(vault: Vault) -> int:
    """Return how many items were had."""
    return int(vault.rows("SELECT count(*) FROM seen WHERE since <= ?", (vault.now(),))[0][0])


def keys(vault: Vault) -> NDArray[np.int64]:
    """Return the keys of all items that were had, rising."""
    ((listed,),) = vault.rows(
        "SELECT json_group_array(item) FROM (SELECT item FROM seen WHERE since <= ? ORDER BY item)",
        (vault.now(),),
    )
    return np.array(msgspec.json.decode(listed, type=list[int]), dtype=np.int64)


def among(vault: Vault, items: Collection[int]) -> list[int]:
    """Return those of some keys whose items were had."""
    given = msgspec.json.encode(list(items)).decode()
    rows = vault.rows(
        "SELECT item FROM seen WHERE since <= ? AND item IN (SELECT value FROM json_each(?))",
        (vault.now(), given),
    )
    return [item for (item,) in rows]


def next_later(vault: Vault) -> float | None:
    """Return when the next mark of a time to come counts, in seconds since 1970; None when there is none."""
    rows = vault.rows("SELECT min(since) FROM seen WHERE since > 0 AND since > ?", (vault.now(),))
    since: float | None = rows[0][0]
    return since


def within(vault: Vault, since: float | None, until: float | None) -> list[int]:
    """Return the keys of items that were had last at since <= at < until."""
    rows = vault.rows(
        "SELECT item FROM seen WHERE at >= ? AND at < ?",
        (-1.0 if since is None else since, 2 * LATEST if until is None else until),
    )
    return [item for (item,) in rows]


def listed(vault: Vault, limit: int, search: str = "", after: int | None = None) -> list[tuple[int, float]]:
    """Return (key, seconds since 1970) of what was had, newest first.

    search: part of a title, case and accents aside. after: key of the last one of the page before.
    """
    where, given = "since <= ?", list[float | int | str]([vault.now()])
    if search:
        where += " AND instr(folded(title), ?) > 0"
        given.append(searched(search))
    if after is not None:
        if not among(vault, [after]):
            raise DataError("the last item of the page before no longer counts as had: list from the newest")
        where += " AND (at, seen.item) < (SELECT at, item FROM seen WHERE item = ?)"
        given.append(after)
    joined = "seen JOIN item ON item.key = seen.item" if search else "seen"
    return [
        (item, at)
        for item, at in vault.rows(
            f"SELECT seen.item, at FROM {joined} WHERE {where} ORDER BY at DESC, seen.item DESC LIMIT ?",  # noqa: S608
            (*given, min(limit, 2**63 - 1)),
        )
    ]


def take(
    vault: Vault, sql: Sql, items: Collection[int], forgetting: int | None, *, remembered: bool = False
) -> int:
    """Take the marks of items of which no event is left that means that they were had; return how many.

    Where one is left, the mark tells the time of the newest. forgetting: number of that which can be undone;
    None: they are gone at once. remembered: take marks away although there are events.
    """
    given = (msgspec.json.encode(list(items)).decode(), "[]" if remembered else _had(vault))
    these = "item IN (SELECT value FROM json_each(?1)) AND at > " + _LEFT  # noqa: S608
    if forgetting is not None:
        sql(
            "INSERT INTO seen_forgotten (item, forgetting, at, since)"  # noqa: S608
            f" SELECT item, ?3, at, since FROM seen WHERE {these}",
            (*given, forgetting),
        )
    sql(f"UPDATE seen SET at = {_LEFT} WHERE {these}", given)  # noqa: S608
    return len(sql("DELETE FROM seen WHERE at < 0 RETURNING 1"))


def take_all(sql: Sql, forgetting: int | None) -> int:
    """Take all marks away; return how many. forgetting: as in `take`."""
    if forgetting is None:
        sql("DELETE FROM seen_forgotten")
    else:
        sql(
            "INSERT INTO seen_forgotten (item, forgetting, at, since) SELECT item, ?, at, since FROM seen",
            (forgetting,),
        )
    return len(sql("DELETE FROM seen RETURNING 1"))


def bring_back(vault: Vault, sql: Sql, forgetting: int, events: Collection[tuple[int, str, float]]) -> None:
    """Put back what a forgetting took, and the marks of events (item, kind, at) that are back."""
    marks = sql("DELETE FROM seen_forgotten WHERE forgetting = ? RETURNING item, at, since", (forgetting,))
    pack = settings.pack(vault)
    marks += [(item, at, 0.0) for item, kind, at in events if pack.event(kind).had]
    sql(_PUT, (msgspec.json.encode(marks).decode(), vault.now()))


def expire(vault: Vault, sql: Sql, oldest: float, full: float) -> int:
    """Take the marks that an event of their time would not be kept for; return how many.

    oldest, full: seconds since 1970. What was before `oldest` is too old; from `full` on there are as many
    events as are kept.
    """
    given = (full, _had(vault), oldest)
    where = f"(at <= ?1 OR at < ?3) AND {_LEFT} < 0"
    return len(sql(f"DELETE FROM seen WHERE {where} RETURNING 1", given))  # noqa: S608


def _had(vault: Vault) -> str:
    """Return, as a JSON list, the kinds of the remembered events that mean that an item was had."""
    pack = settings.pack(vault)
    kinds = vault.rows("SELECT DISTINCT kind FROM event")
    return msgspec.json.encode([kind for (kind,) in kinds if pack.event(kind).had]).decode()
