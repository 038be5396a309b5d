"""Forgetting: events are hidden or deleted in one transaction, and what the disk keeps of them is destroyed.

Whatever was derived from the history goes in the same transaction: what the outbox holds, snapshots whose
name starts with `PERSONAL`, and, once events are deleted, personal items that none names any more. An event
that expires takes as much along, but the outbox keeps its rows, emptied: no row of a round is what tells
`device/federation/rounds.py` that something was forgotten, and expiry must not end a round.
"""

import math
import secrets
from collections.abc import Collection

import msgspec

from confidante.core.errors import DataError, VaultError
from confidante.device.storage.items import drop_personal
from confidante.device.storage.vault import Sql, Vault
from confidante.device.storage.wishes import HIDDEN
from confidante.device.values import Forgotten, Retention

PERSONAL = "personal:"
"""How the names of snapshots begin that were derived from the history."""

LONGEST_UNDO = 30 * 86_400.0
"""Seconds for which a forgetting can be kept undoable at most."""

STATED = "attributes"
"""Name of the setting that holds what the person stated, which goes when everything is forgotten."""

_HIDDEN_STATED = "forgotten statements "
_DAY = 86_400.0
_NOTHING = b"{}"  # the note of a round, once what it was made from has expired


def forget(
    vault: Vault, numbers: Collection[int], *, undo_seconds: float = 0.0, everything: bool = False
) -> Forgotten:
    """Forget events by number; with `everything`, all of them, all wishes, and what the person stated.

    Without `undo_seconds` they are erased when this returns. With it they are hidden at once and erased by
    `purge` after that time. Raises VaultError when there is no room to destroy the old key: the events are
    deleted all the same, and the rest is done when the vault is next closed or opened.
    """
    if not 0 <= undo_seconds <= LONGEST_UNDO:
        raise DataError(f"forgetting can be undone for 0 to {LONGEST_UNDO:.0f} seconds, not {undo_seconds}")
    if undo_seconds:
        return _hide(vault, numbers, undo_seconds, everything=everything)
    with vault.lock:
        with vault.write() as sql:
            where, given = _chosen(numbers, everything=everything)
            gone = sql(f"DELETE FROM event WHERE {where} RETURNING number", given)  # noqa: S608
            if everything:
                sql("DELETE FROM wish")
                for name in (HIDDEN + "%", _HIDDEN_STATED + "%", STATED):
                    sql("DELETE FROM setting WHERE name LIKE ?", (name,))
            if gone or everything:
                drop_personal(sql)
                _drop_derived(sql)
                _drop_empty(sql)
                vault.mark_renewal_due()
        if gone or everything:
            _destroy_old_key(vault)
    return Forgotten(len(gone))


def undo(vault: Vault, token: str) -> int:
    """Take a forgetting back; return how many events came back. DataError when its time has passed."""
    with vault.write() as sql:
        found = sql("SELECT number FROM forgetting WHERE token = ? AND until > ?", (token, vault.now()))
        if not found:
            raise DataError("this can no longer be undone: its time has passed")
        ((number,),) = found
        back = sql("UPDATE event SET forgotten = NULL WHERE forgotten = ? RETURNING number", (number,))
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
                for name in (f"{HIDDEN}{number}", f"{_HIDDEN_STATED}{number}"):
                    sql("DELETE FROM setting WHERE name = ?", (name,))
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
    """Return when the oldest event becomes too old, in seconds since 1970; None when none does."""
    if retention.days is None:
        return None
    oldest: float | None = vault.rows("SELECT min(at) FROM event")[0][0]
    return None if oldest is None else oldest + retention.days * _DAY


def expire(vault: Vault, retention: Retention) -> int:
    """Delete all but the newest events that `retention` keeps; return how many went.

    What was derived from them goes along; a round that they are in goes on.
    The old key is destroyed when the vault is next purged, closed or opened.
    """
    if retention.events < 0 or (retention.days is not None and not retention.days >= 0):
        raise DataError("give 0 or more days, and 0 or more events, to keep")
    with vault.write() as sql:
        gone = 0
        if retention.days is not None:
            oldest = vault.now() - retention.days * _DAY
            gone += len(sql("DELETE FROM event WHERE at < ? RETURNING number", (oldest,)))
        beyond = sql(
            "SELECT at, number FROM event WHERE forgotten IS NULL"
            " ORDER BY at DESC, number DESC LIMIT 1 OFFSET ?",
            (retention.events,),
        )
        for place in beyond:
            gone += len(
                sql(
                    "DELETE FROM event WHERE forgotten IS NULL AND (at, number) <= (?, ?) RETURNING number",
                    place,
                )
            )
        if gone:
            drop_personal(sql)
            sql("UPDATE outbox SET body = ?", (_NOTHING,))
            _drop_snapshots(sql)
            vault.mark_renewal_due()
    return gone


def _hide(vault: Vault, numbers: Collection[int], seconds: float, *, everything: bool) -> Forgotten:
    token = secrets.token_urlsafe(16)
    with vault.write() as sql:
        until = vault.now() + seconds
        ((number,),) = sql(
            "INSERT INTO forgetting (token, until) VALUES (?, ?) RETURNING number", (token, until)
        )
        where, given = _chosen(numbers, everything=everything)
        hidden = sql(
            f"UPDATE event SET forgotten = ? WHERE forgotten IS NULL AND ({where}) RETURNING number",  # noqa: S608
            (number, *given),
        )
        if everything:
            wishes = sql("DELETE FROM wish RETURNING kind, subject, level, at")
            kept = msgspec.json.encode(wishes)
            sql("INSERT INTO setting (name, value) VALUES (?, ?)", (f"{HIDDEN}{number}", kept))
            sql("UPDATE setting SET name = ? WHERE name = ?", (f"{_HIDDEN_STATED}{number}", STATED))
        elif not hidden:
            sql("DELETE FROM forgetting WHERE number = ?", (number,))
            return Forgotten(0)
        _drop_derived(sql)
    return Forgotten(len(hidden), token, until)


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
        " AND ? || number NOT IN (SELECT name FROM setting)",
        (HIDDEN,),
    )


def _destroy_old_key(vault: Vault) -> None:
    try:
        vault.rotate()
    except VaultError as error:
        raise VaultError(
            f"this is forgotten, but the disk may hold an old copy until the vault is next"
            f" opened or closed ({error})"
        ) from None
