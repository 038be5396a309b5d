"""A coordinator's public log as this device has verified it: one history, from the first look on.

The device remembers number and hash of the newest entry that it verified. Whatever it is shown later has to
go on from there; where it does not, the coordinator keeps several logs, rewrote one, or lost its end, and
the person is told (`alarms`). A round's id is the hash of its announcement, and all devices of a round sign
its id: devices that were shown different logs are never in one round.

Times in the log are the coordinator's word. What is added after this device had read the log to its end
cannot be of a time before that, but for clocks that differ by `SKEW`: so what must not stand there too often,
keys of tokens, does not come too often in real time either.

A question names no place of this device's own: it begins at a multiple of 64 entries, so that who asks is
one of many.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, final

import msgspec

from confidante.core.errors import DataError, EgressError, ForkedLogError, WireError
from confidante.device.federation.alarms import Caught, log_setting, require_none, sound, was_told_of
from confidante.device.federation.coordinator_client import CoordinatorClient
from confidante.device.storage.vault import Vault
from confidante.device.values import Purpose
from confidante.wire import refinement
from confidante.wire.rounds import Announcement, Logged, RoundOffer, decode
from confidante.wire.transparency_log import GENESIS, LogEntry, verify

FAR_AHEAD = 31 * 86_400.0
"""Seconds by which an entry may be ahead of this device's clock, which may be wrong."""

SKEW = 86_400.0
"""Seconds by which this device's clock and the coordinator's may differ with no harm."""

KEPT: Mapping[str, int] = MappingProxyType(
    {"round": 64, "tokens": 64, "model": 8, "sum": 16, "cohorts": 4, refinement.LOG_KIND: 8}
)
"""Kinds of entries that are kept to be looked up, and how many of the newest of each population.

A round whose cohorts are kept is kept beside them, however long ago it was announced.
"""

_MOST_KEPT = 4096
_MOST_BODY = 2048
_STEP = 64


@final
class _Verified(msgspec.Struct, array_like=True, frozen=True):
    """Number and hash of the newest entry that was verified, and those that are kept, oldest first.

    read: when the log was last read to its end, by this device's clock; no later entry was there then.
    """

    number: int = 0
    hash: bytes = GENESIS
    entries: tuple[LogEntry, ...] = ()
    read: float = 0.0


@final
@dataclass(frozen=True, slots=True)
class NamedCohorts:
    """Tables of cohorts that the log names, and what it announced of their round. All sha256, 32 bytes."""

    body: bytes
    task: bytes
    catalogue: bytes


@final
class VerifiedLog:
    """What one device knows of one coordinator's log. May be used by several threads."""

    def __init__(self, vault: Vault, destination: str) -> None:
        """destination: of the coordinator, as `CoordinatorClient.destination`."""
        self._vault = vault
        self.destination = destination

    @property
    def number(self) -> int:
        """Number of the newest entry that was verified; 0: none yet."""
        return self._verified().number

    def entries(self, kind: str) -> tuple[LogEntry, ...]:
        """Return the newest verified entries of a kind of `KEPT`, oldest first."""
        return tuple(entry for entry in self._verified().entries if entry.kind == kind)

    def newest_model(self, population: str) -> bytes | None:
        """Return the sha256 of the newest model that the log names for a population."""
        for entry in reversed(self.entries("model")):
            said = _said(entry)
            digest = said.get("model")
            if said.get("population") == population and isinstance(digest, bytes) and len(digest) == 32:
                return digest
        return None

    def newest_cohorts(self, population: str) -> NamedCohorts | None:
        """Return the newest tables of cohorts that the log names for a population.

        WireError when they are of no round of the population that was announced before.
        """
        for entry in reversed(self.entries("cohorts")):
            said = _said(entry)
            body = said.get("cohorts")
            if said.get("population") != population or not isinstance(body, bytes) or len(body) != 32:
                continue
            of = next((one for one in self.entries("round") if one.hash == said.get("round")), None)
            announced = None if of is None else decode(of.body, Announcement)
            if of is None or announced is None or of.number > entry.number:
                raise WireError(
                    f"entry {entry.number} of the public log has cohorts of a round that was never announced"
                )
            if announced.population != population:
                raise WireError(f"entry {entry.number} of the public log has cohorts of another population")
            return NamedCohorts(body, announced.body, announced.catalogue)
        return None

    @property
    def populations(self) -> frozenset[str]:
        """The populations that entries at hand are of."""
        said = (_said(entry).get("population") for entry in self._verified().entries)
        return frozenset(name for name in said if isinstance(name, str))

    def names(self, digest: bytes) -> bool:
        """Whether an entry at hand names this body."""
        kinds = ("model", "round", "cohorts", refinement.LOG_KIND)
        said = [_said(entry) for kind in kinds for entry in self.entries(kind)]
        return any(digest in map(one.get, ("model", "catalogue", "table", "cohorts")) for one in said)

    def refinements(self, population: str) -> tuple[tuple[float, refinement.RefinementOffer], ...]:
        """Return when the log announced what a population's server refines with, and what, oldest first.

        Their times rise: what says that it is older than what was announced before it is left out. WireError
        when one of them is malformed.
        """
        return tuple(
            (entry.at, decode(entry.body, refinement.RefinementOffer))
            for entry in self.entries(refinement.LOG_KIND)
            if _said(entry).get("population") == population
        )

    def whole(self, kind: str, population: str) -> bool:
        """Whether all that the log ever had of a kind of a population is at hand; False when in doubt."""
        entries = self._verified().entries
        mine = sum(one.kind == kind and _said(one).get("population") == population for one in entries)
        return mine < KEPT[kind] and len(entries) < _MOST_KEPT // 2

    def catch_up(self, client: CoordinatorClient, purpose: Purpose, *, upto: int | None = None) -> None:
        """Fetch and verify what was added to the log; what was verified is kept even if this raises.

        upto: number of an entry with which to be content. ForkedLogError when the log is not the one this
        device saw before; RefusedError and EgressError as `CoordinatorClient.ask`, and EgressError when time
        is up.
        """
        require_none(self._vault, self.destination)
        known = self._verified()
        at = max(known.number - 1, 0) // _STEP * _STEP
        previous = None if at else GENESIS
        while upto is None or self.number < upto or at < known.number:
            if client.over:
                raise EgressError("the public log could not be read to its end in time: go on later")
            asked = self._vault.now()
            page = self._ask(client, purpose, at)
            if not page:
                if at < known.number:
                    raise self._shorter(known, at)
                self._keep_end(at, asked)
                return
            at, previous = self._verify_page(page, at, previous or page[0].previous, known)
            self._keep(page)

    def check_offer(self, round_id: bytes, offered: RoundOffer, population: str) -> Announcement:
        """Return a round's announcement, having held the offer against it. Catch up first.

        ForkedLogError when the round is not what the log announces; WireError when it was announced so long
        ago that it is not at hand.
        """
        rounds = self.entries("round")
        entry = next((one for one in rounds if one.number == offered.entry), None)
        evidence = {"entry": str(offered.entry), "round offered": round_id.hex()}
        if entry is None:
            if rounds and offered.entry < rounds[0].number:
                raise WireError(f"the round of entry {offered.entry} was announced too long ago: not joined")
            raise self._caught(
                Caught.OFFER, "A round was offered that the public log does not announce.", evidence
            )
        said, evidence = decode(entry.body, Announcement), {**evidence, "entry's hash": entry.hash.hex()}
        for holds, what in (
            (entry.hash == round_id, "its number"),
            (said.population == population, "its population"),
            (said.plan == hashlib.sha256(offered.plan).digest(), "its plan"),
            (said.body == hashlib.sha256(offered.task).digest(), "its task"),
        ):
            if not holds:
                raise self._caught(
                    Caught.OFFER,
                    f"A round was offered that is not the one the public log announces: {what} differs.",
                    evidence,
                )
        return said

    # --- within

    def _verified(self) -> _Verified:
        stored = self._vault.setting(log_setting(self.destination))
        return _Verified() if stored is None else msgspec.msgpack.decode(stored, type=_Verified)

    def _ask(self, client: CoordinatorClient, purpose: Purpose, since: int) -> list[LogEntry]:
        answer = client.ask(
            "GET",
            f"/v1/log?since={since}",
            purpose=purpose,
            content={"question": "the public log", "entries after": since},
            visible="That a device reads the public log, and about how far it has read.",
            task="checking what the coordinator publishes",
        )
        return [
            LogEntry(one.number, one.kind, one.body, one.at, one.previous, one.hash)
            for one in decode(answer.body, list[Logged])
        ]

    def _verify_page(
        self, page: list[LogEntry], at: int, previous: bytes, known: _Verified
    ) -> tuple[int, bytes]:
        """Check a page that follows entry `at`; return number and hash of its end."""
        try:
            end = verify(page, number=at, previous=previous)
        except DataError as error:
            evidence = {"after entry": str(at), "its hash": previous.hex(), "what is wrong": str(error)}
            what = "The coordinator's public log does not hold together."
            raise self._caught(Caught.LOG, what, evidence) from None
        if at < known.number <= end[0]:
            shown = page[known.number - at - 1].hash
            if shown != known.hash:
                raise self._caught(
                    Caught.LOG,
                    "The coordinator's public log is another one than this device was shown before.",
                    {
                        "entry": str(known.number),
                        "hash this device verified": known.hash.hex(),
                        "hash shown now": shown.hex(),
                    },
                )
        if not was_told_of(self._vault, self.destination, Caught.TIME):
            latest, earliest = self._vault.now() + FAR_AHEAD, known.read - SKEW
            for entry in page:
                if entry.number > known.number and entry.at < earliest:
                    raise self._caught(
                        Caught.TIME,
                        "The coordinator added an entry to its public log that says it is older than it can "
                        "be, or this device's clock was wrong.",
                        {
                            "entry": str(entry.number),
                            "its hash": entry.hash.hex(),
                            "its time": str(entry.at),
                            "the log ended before it at": str(known.read),
                        },
                    )
                if not entry.at <= latest:
                    raise self._caught(
                        Caught.TIME,
                        "The coordinator's public log has an entry from the future, or this device's clock "
                        "is wrong.",
                        {"entry": str(entry.number), "its hash": entry.hash.hex(), "its time": str(entry.at)},
                    )
        return end

    def _shorter(self, known: _Verified, ends: int) -> ForkedLogError:
        return self._caught(
            Caught.LOG,
            "The coordinator's public log is shorter than it was: entries that this device saw are gone.",
            {
                "entry": str(known.number),
                "hash this device verified": known.hash.hex(),
                "the log shown now ends with entry": str(ends),
            },
        )

    def _caught(self, kind: Caught, what: str, evidence: Mapping[str, str]) -> ForkedLogError:
        return sound(self._vault, self.destination, kind, what, evidence)

    def _keep(self, page: list[LogEntry]) -> None:
        """Store what a verified page adds, unless another thread was faster."""
        with self._vault.write():
            now = self._verified()
            new = [entry for entry in page if entry.number > now.number]
            if not new or new[0].previous != now.hash:
                return
            kept = _newest(_in_order((*now.entries, *new)))
            self._write(_Verified(new[-1].number, new[-1].hash, kept, now.read))

    def _keep_end(self, number: int, asked: float) -> None:
        """Remember that the log ended with entry `number` when it was asked, unless more is known by now."""
        with self._vault.write():
            now = self._verified()
            if now.number == number:
                self._write(msgspec.structs.replace(now, read=asked))

    def _write(self, verified: _Verified) -> None:
        self._vault.set_setting(log_setting(self.destination), msgspec.msgpack.encode(verified))


def _said(entry: LogEntry) -> dict[str, Any]:
    """Return what an entry says; nothing when it is no map of names to values."""
    try:
        return decode(entry.body, dict[str, Any])
    except WireError:
        return {}


def _in_order(entries: Iterable[LogEntry]) -> list[LogEntry]:
    """Leave out what is refined with by announcements older than others before them: see `settling`.

    Those would push the others out of what is kept, and hide how soon one followed upon another.
    """
    latest: dict[Any, float] = {}
    kept = []
    for entry in entries:
        if entry.kind == refinement.LOG_KIND:
            population = _said(entry).get("population")
            if not isinstance(population, str) or entry.at < latest.get(population, entry.at):
                continue
            latest[population] = entry.at
        kept.append(entry)
    return kept


def _newest(entries: Iterable[LogEntry]) -> tuple[LogEntry, ...]:
    """Return those entries that are worth keeping, oldest first."""
    counts: dict[tuple[str, str], int] = {}
    kept: list[LogEntry] = []
    wanted = set[bytes]()
    for entry in reversed(tuple(entries)):
        said = _said(entry)
        population = said.get("population")
        if entry.kind not in KEPT or len(entry.body) > _MOST_BODY or not isinstance(population, str):
            continue
        place = (entry.kind, population)
        counts[place] = counts.get(place, 0) + 1
        enough = counts[place] > KEPT[entry.kind] and entry.hash not in wanted
        if not enough and len(kept) < _MOST_KEPT:
            kept.append(entry)
            if entry.kind == "cohorts" and isinstance(said.get("round"), bytes):
                wanted.add(said["round"])
    return tuple(reversed(kept))
