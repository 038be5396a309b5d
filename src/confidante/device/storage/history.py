"""`device.history`, and the events in a vault below it. `forgetting.py` takes them away again."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import final

import msgspec
import numpy as np
from numpy.typing import NDArray

from confidante.core.arguments import checked_arguments
from confidante.core.errors import DataError
from confidante.core.text import check_text, searched
from confidante.core.values import NO_CONTEXT, Event
from confidante.device.storage import items, kinds, marks, settings, wishes
from confidante.device.storage.access import VaultAccess, exclusive
from confidante.device.storage.forgetting import expire, forget, next_expiry, next_purge, purge, undo
from confidante.device.storage.seen import Seen
from confidante.device.storage.vault import LATEST, Sql, Vault
from confidante.packs.signals import EventKind, Signal

MAX_CONTEXT, MAX_CONTEXT_NAME, MAX_CONTEXT_TEXT = 8, 64, 256
_LARGEST = 2**63 - 1  # of SQLite's numbers

__all__ = [
    "History",
    "NewEvent",
    "Newest",
    "add_event",
    "add_events",
    "count",
    "events",
    "expire",
    "forget",
    "newest",
    "next_expiry",
    "next_purge",
    "numbers",
    "purge",
    "rate",
    "select",
    "title_of",
    "undo",
]


@final
@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be added; `item` is the item's key. The rest is as in `Event`."""

    item: int
    kind: str
    at: float
    value: float | None = None
    context: Mapping[str, str] = field(default_factory=lambda: NO_CONTEXT)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Newest:
    """The newest events for scoring, oldest first.

    numbers: int64 [n]. items: int64 [n], keys. at: float64 [n], seconds since 1970. kinds: [n]. contexts:
    [n], JSON objects. values: [n].
    """

    numbers: NDArray[np.int64]
    items: NDArray[np.int64]
    at: NDArray[np.float64]
    kinds: tuple[str, ...]
    contexts: tuple[str, ...]
    values: tuple[float | None, ...]


@final
@checked_arguments
class History:
    """What the person did on this device.

    Attributes:
        seen: What the person had, whatever of it is still remembered.

    Stability: provisional
    """

    def __init__(self, access: VaultAccess, learning: Callable[[], bool]) -> None:
        self._access, self._learning = access, learning
        self.seen = Seen(access, learning)

    @exclusive
    def record_many(self, new: Iterable[Event]) -> tuple[Event, ...]:
        """Remember events, all or none.

        Args:
            new: The events. Their own numbers do not matter.

        Returns:
            The events with the numbers they were given, without those of a kind that means private, which are
            not kept; none while learning is paused or switched off, when nothing is kept.

        Raises:
            DataError: An item is unknown, nobody declared a kind, or a kind, time, value or context cannot be
                kept.
        """
        given, vault = list(new), self._access.vault
        keys = [items.require_key(vault, event.item) for event in given]
        pack = settings.pack(vault)
        kinds.check(pack, {event.kind: None for event in given})
        if not self._learning():
            return ()
        signals = {event.kind: pack.event(event.kind).signal for event in given}
        keys = [
            key for key, event in zip(keys, given, strict=True) if signals[event.kind] is not Signal.PRIVATE
        ]
        given = [event for event in given if signals[event.kind] is not Signal.PRIVATE]
        with vault.write():
            for event in given:
                if signals[event.kind] is Signal.WISH:
                    wishes.put(vault, "saved", event.item, 1)
            numbers = add_events(
                vault,
                [
                    NewEvent(key, event.kind, event.at, event.value, event.context)
                    for key, event in zip(keys, given, strict=True)
                ],
            )
            expire(vault, settings.retention(vault))
        self._access.changed()
        return tuple(replace(event, number=n) for event, n in zip(given, numbers, strict=True))

    @exclusive
    def declare(self, kind: str, says: EventKind) -> None:
        """Say what a kind of event means, once; it is remembered, and every process and import reads it so.

        What the pack says of the same word, however it is spelled, no longer counts in this profile. Events
        that are there count by it from the next answer on.

        Args:
            kind: The kind, 1 to 64 characters.
            says: What such an event says of its item.

        Raises:
            DataError: The kind cannot be kept, or its strength is not above 0 and at most 10.
        """
        kinds.declare(self._access.vault, kind, says)
        self._access.changed()

    @property
    def declared(self) -> dict[str, EventKind]:
        """What was declared here, by kind."""
        return kinds.declared(self._access.vault)

    @exclusive
    def events(
        self,
        *,
        search: str = "",
        kind: str = "",
        since: float | None = None,
        until: float | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> tuple[Event, ...]:
        """List events, newest first.

        Args:
            search: Part of the title of the event's item; case and accents do not matter.
            kind: Only events of this kind; of any when empty.
            since: Only events at this time or later, in seconds since 1970.
            until: Only events before this time, in seconds since 1970.
            limit: The most events to return, 0 or more.
            before: Number of the last event of the page before.

        Returns:
            The events that fit all that is given.

        Raises:
            DataError: `limit` is below 0, a time is not a number, or the event `before` is gone.
        """
        return events(
            self._access.vault,
            search=search,
            kind=kind,
            since=since,
            until=until,
            limit=limit,
            before=None if before is None else max(before, 0),
        )

    @property
    def count(self) -> int:
        """Number of remembered events."""
        return count(self._access.vault)

    def erase_due(self) -> None:
        """Erase what is too old, or too long forgotten to be undone; every other call does so as well."""
        with self._access.vault.lock:
            self._access.erase_due()

    def purge(self) -> int:
        """Erase now what waits for its time to undo to pass.

        Returns:
            How many events that were.

        Raises:
            VaultError: There is no room to destroy the old key; it is destroyed at the next start.
        """
        with self._access.vault.lock:
            gone = purge(self._access.vault, even_if_undoable=True)
            self._access.changed()
            return gone


def add_event(
    vault: Vault,
    item: int,
    kind: str,
    at: float,
    value: float | None = None,
    context: Mapping[str, str] = NO_CONTEXT,
) -> Event:
    """Remember an event of the item with key `item`; it is on disk when this returns.

    kind: 1 to 64 characters. at: seconds since 1970, to 2100. value: finite. context: at most 8 pairs of
    short texts. Raises DataError.
    """
    with vault.write() as sql:
        number = _add(sql, NewEvent(item, kind, at, value, context))
        ((item_id,),) = sql("SELECT id FROM item WHERE key = ?", (item,))
        if settings.pack(vault).event(kind).had:
            marks.put(vault, [(item, at)])
    return Event(number, item_id, kind, at, value, context)


def add_events(vault: Vault, new: Iterable[NewEvent], *, mark: bool = True) -> list[int]:
    """Remember events, all or none, and return their numbers. Raises DataError as `add_event` does.

    mark: whether their items count as had because of them, where their kinds mean so.
    """
    given, pack = list(new), settings.pack(vault)
    with vault.write() as sql:
        numbers = [_add(sql, event) for event in given]
        if mark:
            marks.put(vault, [(event.item, event.at) for event in given if pack.event(event.kind).had])
        return numbers


def rate(vault: Vault, ratings: Mapping[int, tuple[str, float]]) -> None:
    """Give events that had no value a kind and a rating, by their numbers."""
    with vault.write() as sql:
        for number, (kind, value) in ratings.items():
            sql("UPDATE event SET kind = ?, value = ? WHERE number = ?", (kind, value, number))


def events(
    vault: Vault,
    *,
    search: str = "",
    kind: str = "",
    since: float | None = None,
    until: float | None = None,
    limit: int = 50,
    before: int | None = None,
) -> tuple[Event, ...]:
    """Return events, newest first.

    search: part of a title, case and accents aside. kind: only these; any when empty. since, until: since <=
    at < until. before: number of an event; only those that come after it in this order. Raises DataError when
    it is gone.
    """
    if limit < 0:
        raise DataError(f"cannot list {limit} events: give 0 or more")
    where, given = _within(since, until)
    if search:
        where += " AND instr(folded(item.title), ?) > 0"
        given.append(searched(search))
    if kind:
        where += " AND event.kind = ?"
        given.append(kind)
    if before is not None:
        where += " AND (event.at, event.number) < (?, ?)"
        given += [_place(vault, before), before]
    rows = vault.rows(
        "SELECT event.number, item.id, event.kind, event.at, event.value, event.context"  # noqa: S608
        f" FROM event JOIN item ON item.key = event.item WHERE {where}"
        " ORDER BY event.at DESC, event.number DESC LIMIT ?",
        (*given, min(limit, _LARGEST)),
    )
    return tuple(
        Event(number, item, kind, at, value, _context(context))
        for number, item, kind, at, value, context in rows
    )


def newest(vault: Vault, limit: int) -> Newest:
    """Return the newest `limit` events, oldest first. What is forgotten is not among them."""
    rows = vault.rows(
        "SELECT number, item, at, kind, context, value FROM event WHERE forgotten IS NULL"
        " ORDER BY at DESC, number DESC LIMIT ?",
        (min(max(limit, 0), _LARGEST),),
    )[::-1]
    return Newest(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.float64),
        tuple(row[3] for row in rows),
        tuple(row[4] for row in rows),
        tuple(row[5] for row in rows),
    )


def count(vault: Vault) -> int:
    """Return the number of events; what is forgotten does not count."""
    return int(vault.rows("SELECT count(*) FROM event WHERE forgotten IS NULL")[0][0])


def numbers(vault: Vault, wanted: Collection[int]) -> list[int]:
    """Return those of the numbers that events have; what is forgotten has none."""
    given = msgspec.json.encode([number for number in wanted if 0 <= number <= _LARGEST]).decode()
    return [
        number
        for (number,) in vault.rows(
            "SELECT number FROM json_each(?) AS asked JOIN event ON number = asked.value"
            " WHERE forgotten IS NULL",
            (given,),
        )
    ]


def title_of(vault: Vault, number: int) -> str:
    """Return the title of an event's item. Raises DataError for an unknown event."""
    rows = vault.rows(
        "SELECT item.title FROM event JOIN item ON item.key = event.item WHERE event.number = ?",
        (min(number, _LARGEST),),
    )
    if not rows:
        raise DataError(f"there is no event {number}")
    return str(rows[0][0])


def select(
    vault: Vault,
    *,
    number: int | None = None,
    item: int | None = None,
    since: float | None = None,
    until: float | None = None,
) -> list[int]:
    """Return the numbers of events, rising: those that fit all that is given. item: a key."""
    where, given = _within(since, until)
    for column, wanted in (("event.number", number), ("event.item", item)):
        if wanted is not None:
            where += f" AND {column} = ?"
            given.append(min(wanted, _LARGEST))
    rows = vault.rows(f"SELECT event.number FROM event WHERE {where} ORDER BY event.number", given)  # noqa: S608
    return [row[0] for row in rows]


def _number(given: float, what: str) -> float:
    """Return a number that SQLite can hold; DataError for anything else."""
    try:
        return float(given)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"{what} is {str(given)[:40]!r}: give a number") from None


def _add(sql: Sql, event: NewEvent) -> int:
    at = _number(event.at, "the time of an event")
    value = None if event.value is None else _number(event.value, "the value of an event")
    if not isinstance(event.context, Mapping):
        raise DataError("the context of an event must be a mapping of short texts, or left out")
    check_text(event.kind, "the kind of an event", 1, kinds.MAX_KIND, controls=False)
    if not (math.isfinite(at) and 0 <= at <= LATEST):
        raise DataError(
            f"the time of an event, {event.at}, is out of range: give seconds since 1970, up to the year 2100"
        )
    if value is not None and not math.isfinite(value):
        raise DataError(f"the value of an event is {event.value}: give a number, or leave it out")
    if len(event.context) > MAX_CONTEXT:
        raise DataError(f"an event has {len(event.context):,} contexts: give at most {MAX_CONTEXT}")
    for name, text in event.context.items():
        check_text(name, "the name of a context", 1, MAX_CONTEXT_NAME, controls=False)
        check_text(text, "the text of a context", 0, MAX_CONTEXT_TEXT, controls=False)
    context = msgspec.json.encode(dict(event.context)).decode()
    rows = sql(
        "INSERT INTO event (item, kind, at, value, context)"
        " SELECT key, ?, ?, ?, ? FROM item WHERE key = ? RETURNING number",
        (event.kind, at, value, context, event.item),
    )
    if not rows:
        raise DataError("an event's item is not in the vault: add it first")
    return int(rows[0][0])


def _within(since: float | None, until: float | None) -> tuple[str, list[float | int | str]]:
    where, given = "event.forgotten IS NULL", list[float | int | str]()
    for bound, comparison in ((since, ">="), (until, "<")):
        if bound is not None:
            moment = _number(bound, "an end of the time range")
            if math.isnan(moment):
                raise DataError("the start or end of a time range is not a number")
            where += f" AND event.at {comparison} ?"
            given.append(moment)
    if since is not None and until is not None and since > until:
        raise DataError("the time range ends before it starts: give the earlier time first")
    return where, given


def _place(vault: Vault, number: int) -> float:
    rows = vault.rows("SELECT at FROM event WHERE number = ?", (min(number, _LARGEST),))
    if not rows:
        raise DataError(f"event {number} no longer exists: list from the newest")
    return float(rows[0][0])


def _context(text: str) -> Mapping[str, str]:
    return NO_CONTEXT if text == "{}" else msgspec.json.decode(text, type=dict[str, str])
