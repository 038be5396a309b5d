"""Kinds of event that a profile knows besides its pack's: declared ones, and those of before that was asked.

A declared kind goes before what the pack says of the same word. One that stands in events from before kinds
had to be declared says what it said then, FOR, unless the pack has a word for it.
"""

import math
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

import msgspec

from confidante.core.errors import DataError
from confidante.core.text import check_text, shown
from confidante.device.storage.vault import Vault
from confidante.packs.base import Pack
from confidante.packs.signals import CORE_EVENTS, EventKind, plain_kind

MAX_KIND = 64
MAX_KINDS = 1000
_LARGEST_STRENGTH = 10.0


def declare(vault: Vault, kind: str, says: EventKind) -> None:
    """Declare a kind, in place of what it said before. Raises DataError."""
    check_text(kind, "the kind of an event", 1, MAX_KIND, controls=False)
    if not plain_kind(kind):
        raise DataError(f"the kind of an event is {shown(kind)}: give it at least one letter or digit")
    if not (math.isfinite(says.strength) and 0 < says.strength <= _LARGEST_STRENGTH):
        raise DataError(
            f"the strength of the kind {shown(kind)} is {says.strength}: give a number above 0, at most "
            f"{_LARGEST_STRENGTH:g}"
        )
    there = {plain_kind(name): name for name, _says, _inherited in _rows(vault)}
    if len(there) >= MAX_KINDS and plain_kind(kind) not in there:
        raise DataError(f"this profile has {MAX_KINDS:,} kinds of event already: use one of these")
    with vault.write() as sql:
        sql("DELETE FROM kind WHERE name = ?", (there.get(plain_kind(kind), ""),))
        sql("INSERT INTO kind (name, says) VALUES (?, ?)", (kind, msgspec.json.encode(says).decode()))


def inherit(vault: Vault, named: Iterable[str]) -> None:
    """Have kinds say FOR where neither anybody declared them nor the pack knows them, as they once did."""
    with vault.write() as sql:
        for kind in named:
            sql("INSERT OR IGNORE INTO kind (name, says, inherited) VALUES (?, '{}', 1)", (kind,))


def declared(vault: Vault) -> dict[str, EventKind]:
    """Return what was declared, by the kind as it was spelled."""
    return {name: says for name, says, inherited in _rows(vault) if not inherited}


def besides(pack: Pack, vault: Vault) -> dict[str, EventKind]:
    """Return what this profile knows besides a pack as it comes: declared kinds, and those of before."""
    return {
        name: says for name, says, inherited in _rows(vault) if not inherited or pack.declared(name) is None
    }


def check(pack: Pack, named: Iterable[str]) -> None:
    """Raise DataError for the first kind that nobody declared, and say what can be done."""
    for kind in named:
        check_text(kind, "the kind of an event", 1, MAX_KIND, controls=False)
        if pack.declared(kind) is None:
            known = sorted({*CORE_EVENTS, *pack.events})
            alike = get_close_matches(plain_kind(kind), known, n=1, cutoff=0.8)
            hint = f"Did you mean {alike[0]!r}? Otherwise declare" if alike else "Declare"
            raise DataError(
                f"the kind of event {shown(kind)} is not known, so nothing can be learnt from it. {hint} "
                "what it says once, by device.history.declare or `confidante profile declare`, or use a "
                "known kind, such as view, like, dislike, skip, seen or rating"
            )


def _rows(vault: Vault) -> list[tuple[str, EventKind, bool]]:
    rows = vault.rows("SELECT name, says, inherited FROM kind ORDER BY inherited DESC, name")
    return [(name, msgspec.json.decode(says, type=EventKind), bool(old)) for name, says, old in rows]


def read(said: object) -> Mapping[str, EventKind]:
    """Return declared kinds as an export has them. Raises msgspec.ValidationError."""
    return msgspec.convert(said, dict[str, EventKind])
