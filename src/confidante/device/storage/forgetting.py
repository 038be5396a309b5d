"""Forgetting: events are hidden or deleted in one transaction, and what the disk keeps of them is destroyed.

That their items were had goes with them (`marks.py`), but not where events are only too old to be kept.
Whatever was derived from the history goes in the same transaction: what the outbox holds, snapshots whose
name starts with `PERSONAL`, and, once events are deleted, personal items that none names any more. An event
that expires takes as much along, but the outbox keeps its rows, emptied: no row of a round is what tells
`device/federation/rounds.py` that something was forgotten, and expiry must not end a round.
"""

import math
import secrets
from collections.abc import Collection, Iterable
from contextlib import suppress

import msgspec

from confidante.core.errors import DataError, VaultError
from confidante.device.storage import marks, settings
from confidante.device.storage.items import drop_personal
from confidante.device.storage.settings import STATED
from confidante.device.storage.vault import Sql, Vault
from confidante.device.storage.wishes import HIDDEN
from confidante.device.values import Forgotten, Retention

PERSONAL = "personal:"
"""How the names of snapshots begin that were derived from the history."""

LONGEST_UNDO = 30 * 86_400.0
"""Seconds for which a forgetting can be kept undoable at most."""

_HIDDEN_STATED = "forgotten statements "
_NEWEST = "forgotten newest "
"""How the names of settings begin that hold the newest event's number at the time of a forgetting."""

_DAY = 86_400.0
_NOTHING = b"{}"  # the note of a round, once what it was made from has expired


def forget(
    vault: Vault,
    numbers: Collection[int],
    *,
    seen: Collection[int] = (),
    undo_seconds: float = 0.0,
    everything: bool = False,
) -> Forgotten:
    """Forget events by number; with `everything`, all of them, all wishes, and what the person stated.

    Their items no longer count as had, and neither do those whose keys are in `seen`, unless another event is
    left that means so. Without `undo_seconds` all of it is erased when this returns. With it, it is hidden at
    once and erased by `purge` after that time. Raises VaultError when there is no room to destroy the old
    key: the events are deleted all the same, and the rest is done when the vault is next closed or opened.
    """
    _check_undo(undo_seconds)
    if undo_seconds:
        return _hide(vault, numbers, seen, undo_seconds, everything=everything)
    with vault.lock:
        with vault.write() as sql:
            where, given = _chosen(numbers, everything=everything)
            gone = sql(f"DELETE FROM event WHERE {where} RETURNING item, kind, forgotten", given)  # noqa: S608
            if everything:
                unseen = marks.take_all(sql, None)
                sql("DELETE FROM wish")
                for name in (HIDDEN + "%", _HIDDEN_STATED + "%", _NEWEST + "%", STATED):
                    sql("DELETE FROM setting WHERE name LIKE ?", (name,))
            else:
                unseen = marks.take(vault, sql, {*seen, *_had(vault, gone)}, None)
                for item, _kind, hidden in gone:
                    sql("DELETE FROM seen_forgotten WHERE item = ? AND forgetting = ?", (item, hidden))
            if gone or everything:
                _drop_derived(sql)
            if gone or unseen or everything:
                drop_personal(sql)
                _drop_empty(sql)
                vault.mark_renewal_due()
        if gone or unseen or everything:
            _destroy_old_key(vault)
    return Forgotten(len(gone), seen=unseen)


def unmark(vault: Vault, seen: Collection[int], *, undo_seconds: float = 0.0) -> Forgotten:
    """Have items, by key, no longer count as had; events of them stay. The rest is as with `forget`."""
    _check_undo(undo_seconds)
    with vault.lock:
        with vault.write() as sql:
            if undo_seconds:
                number, token, until = _undoable(vault, sql, undo_seconds)
                unseen = marks.take(vault, sql, seen, number, remembered=True)
                if unseen:
                    return Forgotten(0, token, until, unseen)
                sql("DELETE FROM forgetting WHERE number = ?", (number,))
                return Forgotten(0)
            unseen = marks.take(vault, sql, seen, None, remembered=True)
            if unseen:
                drop_personal(sql)
                vault.mark_renewal_due()
        if unseen:
            _destroy_old_key(vault)
    return Forgotten(0, seen=unseen)


def undo(vault: Vault, token: str) -> int:
    """Take a forgetting back; return how many events came back. DataError when its time has passed.

    What counted as had because of them, or of events that were too old to be kept, does so again. What came
    again since, by an import, is remembered once.
    """
    with vault.write() as sql:
        found = sql("SELECT number FROM forgetting WHERE token = ? AND until > ?", (token, vault.now()))
        if not found:
            raise DataError("this can no longer be undone: its time has passed")
        ((number,),) = found
        _drop_what_came_again(vault, sql, number)
        back = sql(
            "UPDATE event SET forgotten = NULL WHERE forgotten = ? RETURNING item, kind, at", (number,)
        )
        marks.bring_back(vault, sql, number, back)
        for (kept,) in sql("DELETE FROM setting WHERE name = ? RETURNING value", (f"{HIDDEN}{number}",)):
            for wish in msgspec.json.decode(kept, type=list[tuple[str, str, int, float]]):
                sql("INSERT OR IGNORE INTO wish (kind, subject, level, at) VALUES (?, ?, ?, ?)", wish)
        name = f"{_HIDDEN_STATED}{number}"
        for (kept,) in sql("DELETE FROM setting WHERE name = ? RETURNING value", (name,)):
            if sql("SELECT 1 FROM setting WHERE name = ?", (STATED,)):
                vault.mark_renewal_due()  # what was stated since stays
            else:
                sql("INSERT INTO setting (name, value) VALUES (?, ?)", (STATED, kept))
        sql("DELETE FROM forgetting WHERE number = ?", (number,))
        _drop_derived(sql)
    return len(back)


def purge(vault: Vault, *, even_if_undoable: bool = False) -> int:
    """Erase what was forgotten and can no longer be undone; return how many events that were.

    Does the same for events that expired before. Raises VaultError as `forget` does.
    """
    with vault.lock:
        with vault.write() as sql:
            due = sql(
                "SELECT number FROM forgetting WHERE until <= ?",
                (math.inf if even_if_undoable else vault.now(),),
            )
            gone = 0
            for (number,) in due:
                gone += len(sql("DELETE FROM event WHERE forgotten = ? RETURNING number", (number,)))
                for name in (f"{HIDDEN}{number}", f"{_HIDDEN_STATED}{number}", f"{_NEWEST}{number}"):
                    sql("DELETE FROM setting WHERE name = ?", (name,))
                sql("DELETE FROM seen_forgotten WHERE forgetting = ?", (number,))
                sql("DELETE FROM forgetting WHERE number = ?", (number,))
            if due:
                drop_personal(sql)
                vault.mark_renewal_due()
        if vault.renewal_due:
            _destroy_old_key(vault)
    return gone


def next_purge(vault: Vault) -> float | None:
    """Return when `purge` next has something to erase, in seconds since 1970; None when nothing waits."""
    until: float | None = vault.rows("SELECT min(until) FROM forgetting")[0][0]
    return until


def next_expiry(vault: Vault, retention: Retention) -> float | None:
    """Return when the oldest event becomes too old, in seconds since 1970; None when none does.

    Where marks of what was had go as events do, the oldest of these may be the first.
    """
    if retention.days is None:
        return None
    times = vault.rows("SELECT min(at) FROM event")
    if not retention.keep_seen:
        times += vault.rows("SELECT min(at) FROM seen")
    oldest = min((at for (at,) in times if at is not None), default=None)
    return None if oldest is None else oldest + retention.days * _DAY


def kept_from(vault: Vault, retention: Retention) -> float:
    """Return the time before which an event would not be kept, in seconds since 1970."""
    return max(_oldest(vault, retention), _full(vault, retention))


def beyond(vault: Vault, retention: Retention) -> Forgotten:
    """Return how many events and marks `expire` would delete; nothing changes."""
    gone = Forgotten(0)
    with suppress(_CountedError), vault.write() as sql:  # exact also where many events are of one time
        gone = _expire(vault, sql, retention)
        raise _CountedError
    return gone


class _CountedError(Exception):
    """Takes back a transaction that only counted."""


def expire(vault: Vault, retention: Retention) -> int:
    """Delete all but the newest events that `retention` keeps; return how many went.

    What was derived from them goes along; a round that they are in goes on. What they were of still counts as
    had if `retention` says so.
    The old key is destroyed when the vault is next purged, closed or opened.
    """
    with vault.write() as sql:
        gone = _expire(vault, sql, retention)
        if gone.events:
            sql("UPDATE outbox SET body = ?", (_NOTHING,))
            _drop_snapshots(sql)
        if gone.events or gone.seen:
            drop_personal(sql)
            vault.mark_renewal_due()
    return gone.events


def _expire(vault: Vault, sql: Sql, retention: Retention) -> Forgotten:
    if retention.events < 0 or (retention.days is not None and not retention.days >= 0):
        raise DataError("give 0 or more days, and 0 or more events, to keep")
    gone = unseen = 0
    oldest = _oldest(vault, retention)
    if retention.days is not None:
        gone += sql("DELETE FROM event WHERE at < ? RETURNING forgotten", (oldest,)).count((None,))
    beyond = sql(
        "SELECT at, number FROM event WHERE forgotten IS NULL ORDER BY at DESC, number DESC LIMIT 1 OFFSET ?",
        (retention.events,),
    )
    for place in beyond:
        gone += len(
            sql(
                "DELETE FROM event WHERE forgotten IS NULL AND (at, number) <= (?, ?) RETURNING number",
                place,
            )
        )
    if not retention.keep_seen:
        unseen = marks.expire(vault, sql, oldest, _full(vault, retention))
    return Forgotten(gone, seen=unseen)


def _hide(
    vault: Vault, numbers: Collection[int], seen: Collection[int], seconds: float, *, everything: bool
) -> Forgotten:
    with vault.write() as sql:
        number, token, until = _undoable(vault, sql, seconds)
        where, given = _chosen(numbers, everything=everything)
        hidden = sql(
            f"UPDATE event SET forgotten = ? WHERE forgotten IS NULL AND ({where})"  # noqa: S608
            " RETURNING item, kind, number",
            (number, *given),
        )
        if everything:
            unseen = marks.take_all(sql, number)
            wishes = sql("DELETE FROM wish RETURNING kind, subject, level, at")
            kept = msgspec.json.encode(wishes)
            sql("INSERT INTO setting (name, value) VALUES (?, ?)", (f"{HIDDEN}{number}", kept))
            sql("UPDATE setting SET name = ? WHERE name = ?", (f"{_HIDDEN_STATED}{number}", STATED))
        else:
            unseen = marks.take(vault, sql, {*seen, *_had(vault, hidden)}, number)
            if not hidden and not unseen:
                marks.bring_back(vault, sql, number, ())
                sql("DELETE FROM forgetting WHERE number = ?", (number,))
                return Forgotten(0)
        ((newest,),) = sql("SELECT coalesce(max(number), 0) FROM event")
        kept = msgspec.json.encode(newest)
        sql("INSERT INTO setting (name, value) VALUES (?, ?)", (f"{_NEWEST}{number}", kept))
        if hidden or everything:
            _drop_derived(sql)
    return Forgotten(len(hidden), token, until, unseen)


def _oldest(vault: Vault, retention: Retention) -> float:
    return -math.inf if retention.days is None else vault.now() - retention.days * _DAY


def _full(vault: Vault, retention: Retention) -> float:
    """Return the time from which on there are as many events as are kept."""
    if retention.events == 0:
        return math.inf
    last = vault.rows(
        "SELECT at FROM event WHERE forgotten IS NULL ORDER BY at DESC, number DESC LIMIT 1 OFFSET ?",
        (retention.events - 1,),
    )
    return last[0][0] if last else -math.inf


def _undoable(vault: Vault, sql: Sql, seconds: float) -> tuple[int, str, float]:
    """Return number, token, and end of time to undo of a new forgetting."""
    vault.mark_advanced()
    token, until = secrets.token_urlsafe(16), vault.now() + seconds
    ((number,),) = sql("INSERT INTO forgetting (token, until) VALUES (?, ?) RETURNING number", (token, until))
    return number, token, until


def _check_undo(seconds: float) -> None:
    if not 0 <= seconds <= LONGEST_UNDO:
        raise DataError(f"forgetting can be undone for 0 to {LONGEST_UNDO:.0f} seconds, not {seconds}")


def _had(vault: Vault, events: Iterable[tuple[int, str, int | None]]) -> set[int]:
    """Return the keys of the items that events (item, kind, ...) mean were had."""
    pack = settings.pack(vault)
    return {item for item, kind, _ in events if pack.event(kind).had}


def _drop_what_came_again(vault: Vault, sql: Sql, number: int) -> None:
    """Erase the hidden events of a forgetting that were remembered anew after it."""
    for (newest,) in sql("DELETE FROM setting WHERE name = ? RETURNING value", (f"{_NEWEST}{number}",)):
        again = sql(
            "DELETE FROM event WHERE forgotten = ? AND EXISTS (SELECT 1 FROM event AS other"
            " WHERE other.item = event.item AND other.kind = event.kind AND other.at = event.at"
            " AND other.value IS event.value AND other.context = event.context"
            " AND other.forgotten IS NULL AND other.number > ?) RETURNING number",
            (number, msgspec.json.decode(newest, type=int)),
        )
        if again:
            vault.mark_renewal_due()


def _chosen(numbers: Collection[int], *, everything: bool) -> tuple[str, tuple[str, ...]]:
    if everything:
        return "TRUE", ()
    return "number IN (SELECT value FROM json_each(?))", (msgspec.json.encode(list(numbers)).decode(),)


def _drop_derived(sql: Sql) -> None:
    sql("DELETE FROM outbox")
    _drop_snapshots(sql)


def _drop_snapshots(sql: Sql) -> None:
    sql("DELETE FROM snapshot WHERE substr(name, 1, ?) = ?", (len(PERSONAL), PERSONAL))


def _drop_empty(sql: Sql) -> None:
    """Remove forgettings of which nothing is left to undo."""
    sql(
        "DELETE FROM forgetting WHERE number NOT IN (SELECT forgotten FROM event WHERE forgotten IS NOT NULL)"
        " AND number NOT IN (SELECT forgetting FROM seen_forgotten)"
        " AND ? || number NOT IN (SELECT name FROM setting)",
        (HIDDEN,),
    )
    sql(
        "DELETE FROM setting WHERE substr(name, 1, ?) = ?"
        " AND name NOT IN (SELECT ? || number FROM forgetting)",
        (len(_NEWEST), _NEWEST, _NEWEST),
    )


def _destroy_old_key(vault: Vault) -> None:
    try:
        vault.rotate()
    except VaultError as error:
        raise VaultError(
            f"this is forgotten, but the disk may hold an old copy until the vault is next"
            f" opened or closed ({error})"
        ) from None
