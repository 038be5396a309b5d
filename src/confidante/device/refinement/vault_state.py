"""What the vault keeps of refinement: the setting, what was fetched, and how often it was used."""

from dataclasses import asdict, dataclass
from typing import Annotated, final

import msgspec
from msgspec import Meta

from confidante.core.entropy import SystemEntropy
from confidante.device.refinement.download_policy import DAY, Policy
from confidante.device.storage.vault import Vault
from confidante.device.values import NotRefined
from confidante.wire.refinement import Fresh, RefinementOffer

QUERY_BODY = "refinement query side"
TABLE_BODY = "refinement item side"
FRESH_BODY = "refinement fresh"

_SETUP, _PREPARED, _USE, _ITEMS, _REST = (
    "refinement.setup",
    "refinement.prepared",
    "refinement.use",
    "refinement.items",
    "refinement.rest",
)
LEAST_REST, MOST_REST = 120.0, 600.0
"""Seconds for which nothing is asked after a refresh."""

_DAYS = 14
"""Days of which it is remembered how many questions there were."""


@final
class Setup(msgspec.Struct, array_like=True, frozen=True):
    """What `device.refinement.use` was told.

    certificates: to trust in place of the system's, PEM. at_once: ask right after a refresh, too.
    """

    url: str
    population: str
    relay: str
    direct: bool
    seconds: Annotated[float, Meta(gt=0)]
    policy: Policy
    epsilon: Annotated[float, Meta(ge=0)]
    certificates: str = ""
    at_once: bool = False


@final
class Prepared(msgspec.Struct, array_like=True, frozen=True):
    """What was fetched.

    at: seconds since 1970. days: for which such vectors are expected to last. items, dimensions, buckets,
    bucket_size: of the query side. downloaded: the item side is here as well.
    """

    at: float
    offered: RefinementOffer
    days: float
    items: int
    dimensions: int
    buckets: int
    bucket_size: int
    downloaded: bool


@final
@dataclass(frozen=True, slots=True)
class LastRefinement:
    """What came of the last one.

    at: seconds since 1970. reason: None when the list was refined. said: one sentence. seconds: that it
    took; up, down: bytes sent and received for it; departure: its number in the ledger, None when nothing
    was written there.
    """

    at: float
    reason: NotRefined | None
    said: str
    seconds: float
    up: int
    down: int
    departure: int | None


@final
class Last(msgspec.Struct, array_like=True, frozen=True):
    """`LastRefinement`, stored."""

    at: float
    reason: str
    said: str
    seconds: float
    up: int
    down: int
    departure: int | None


@final
class Use(msgspec.Struct, array_like=True, frozen=True):
    """How often lists were to be refined, by days since 1970, and what it came to.

    since: when the first was. asked, up, down: questions that were sent, and bytes.
    """

    since: float = 0.0
    days: dict[int, int] = {}
    asked: int = 0
    up: int = 0
    down: int = 0
    last: Last | None = None

    def lately(self, now: float) -> tuple[int, float]:
        """Return how many lists were to be refined lately, and in how many days."""
        if not self.days:
            return 0, 0.0
        first = int(now / DAY) - _DAYS
        return sum(count for day, count in self.days.items() if day > first), min(
            max((now - self.since) / DAY, 0.0), float(_DAYS)
        )


def setup(vault: Vault) -> Setup | None:
    """Return what was set up, None when nothing was."""
    stored = vault.setting(_SETUP)
    return None if stored is None else msgspec.msgpack.decode(stored, type=Setup)


def set_up(vault: Vault, wanted: Setup | None) -> None:
    """Keep a setting; what was fetched for another server or population goes. None: all of it goes."""
    with vault.write():
        before = setup(vault)
        of = before and (before.url, before.population)
        if wanted is None or of != (wanted.url, wanted.population):
            vault.set_setting(_PREPARED, None)
            for body in (QUERY_BODY, TABLE_BODY, FRESH_BODY):
                vault.write_body(body, None)
        vault.set_setting(_SETUP, None if wanted is None else msgspec.msgpack.encode(wanted))


def prepared(vault: Vault) -> Prepared | None:
    """Return what was fetched, None when nothing was."""
    stored = vault.setting(_PREPARED)
    return None if stored is None else msgspec.msgpack.decode(stored, type=Prepared)


def keep_prepared(vault: Vault, found: Prepared) -> None:
    """Keep what was fetched."""
    vault.set_setting(_PREPARED, msgspec.msgpack.encode(found))


def fresh(vault: Vault) -> Fresh | None:
    """Return what was fresh when it was fetched, None when it was not."""
    stored = vault.read_body(FRESH_BODY)
    return None if stored is None else msgspec.msgpack.decode(stored, type=Fresh)


def keep_fresh(vault: Vault, found: Fresh) -> None:
    """Keep what is fresh."""
    vault.write_body(FRESH_BODY, msgspec.msgpack.encode(found))


def brought(vault: Vault) -> tuple[frozenset[str], frozenset[str]]:
    """Return the ids of items that came with the server's catalogue, and those that went with it again.

    Items that were here before it came are in neither.
    """
    stored = vault.setting(_ITEMS)
    if stored is None:
        return frozenset(), frozenset()
    came, went = msgspec.msgpack.decode(stored, type=tuple[list[str], list[str]])
    return frozenset(came), frozenset(went)


def keep_brought(vault: Vault, came: frozenset[str], went: frozenset[str]) -> None:
    """Remember which items came with the server's catalogue, and which went."""
    vault.set_setting(_ITEMS, msgspec.msgpack.encode((sorted(came), sorted(went))))


def rest(vault: Vault) -> None:
    """Remember that the coordinator saw this device just now: for some minutes nothing is asked.

    How many is drawn anew each time.
    """
    drawn = int.from_bytes(SystemEntropy().draw(8), "little") / 2**64
    until = vault.now() + LEAST_REST + (MOST_REST - LEAST_REST) * drawn
    vault.set_setting(_REST, msgspec.msgpack.encode(until))


def rests_until(vault: Vault) -> float | None:
    """Return until when nothing is asked, seconds since 1970; None when it may be now."""
    stored = vault.setting(_REST)
    if stored is None:
        return None
    until = msgspec.msgpack.decode(stored, type=float)
    return until if vault.now() < until else None


def use(vault: Vault) -> Use:
    """Return how often lists were to be refined."""
    stored = vault.setting(_USE)
    return Use() if stored is None else msgspec.msgpack.decode(stored, type=Use)


def note(vault: Vault, last: LastRefinement, *, wanted: bool) -> None:
    """Count what came of a refinement. wanted: it could have been, so it tells how many are expected."""
    with vault.write():
        before, today = use(vault), int(last.at / DAY)
        days = {day: count for day, count in before.days.items() if day > today - _DAYS}
        if wanted:
            days[today] = days.get(today, 0) + 1
        sent = last.up > 0
        stored = Last(**asdict(last) | {"reason": "" if last.reason is None else last.reason.value})
        after = Use(
            before.since or last.at,
            days,
            before.asked + sent,
            before.up + last.up,
            before.down + last.down,
            stored,
        )
        vault.set_setting(_USE, msgspec.msgpack.encode(after))


def last_of(stored: Last | None) -> LastRefinement | None:
    """Return a stored `LastRefinement`."""
    if stored is None:
        return None
    reason = NotRefined(stored.reason) if stored.reason else None
    return LastRefinement(**msgspec.structs.asdict(stored) | {"reason": reason})
