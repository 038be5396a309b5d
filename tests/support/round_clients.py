"""Raw devices: the protocol's real client with a vector that a test chose, talking to a real coordinator.

Each device is one coroutine with one connection, so that hundreds fit in a process. There is no vault, no
consent and no ledger here, so it is for tests and benchmarks of coordinators and protects nobody.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray
from raw_http import Answer, Connection, LostConnectionError

from confidante.core.entropy import SystemEntropy
from confidante.core.errors import ConfidanteError
from confidante.crypto.identity import SEED_BYTES, Identity
from confidante.secagg.client import RANDOM_BYTES, Client
from confidante.secagg.codec import HEADER_BYTES
from confidante.secagg.config import RoundConfig, RoundSetup
from confidante.secagg.in_memory import client_step
from confidante.secagg.packing import unpack_flags
from confidante.secagg.phases import PHASES, Phase
from confidante.wire.rounds import (
    MSGPACK,
    OCTETS,
    SEAT_BYTES,
    CheckedIn,
    Ended,
    Redemption,
    Refusal,
    RoundOffer,
    Tier,
    check_in,
    decode,
    end_path,
    offer_path,
    phase_path,
)

Vector = Callable[[RoundConfig], NDArray[np.int64]]
"""What a device adds to the sum of a round, int64 [length]."""

_RETRY_SECONDS = 0.1
_BUSY = 500


class VanishedError(Exception):
    """Raised by a hook: the device stops there and is not heard of any more."""


@final
class _LeftError(Exception):
    """The coordinator wants nothing more of this device."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@final
@dataclass(frozen=True, slots=True)
class RawDevice:
    """A device: its keys, what it adds to a sum, and the source of its secrets for the round."""

    identity: Identity
    vector: Vector
    entropy: Callable[[int], bytes] = SystemEntropy().draw
    tier: Tier = Tier.LARGE
    token: Redemption | None = None


@final
@dataclass(frozen=True, slots=True)
class Seen:
    """What a device saw of a round.

    state: "published" or "aborted" as the coordinator says; "left" (it was told that it is out), "vanished"
    (its hook said so), "refused" (the protocol's client ended the round itself), "not seated" or "unknown"
    (time was up). why: the coordinator's reason. survivors: who it was told is in the sum.
    """

    state: Literal["published", "aborted", "left", "vanished", "refused", "not seated", "unknown"]
    why: str = ""
    round: bytes | None = None
    index: int = -1
    survivors: tuple[int, ...] = ()


@final
@dataclass(slots=True)
class Member:
    """A device in a round: what a hook gets to see, and may misuse to send what it likes."""

    device: RawDevice
    number: int
    connection: Connection
    seat: bytes = field(repr=False)
    round: bytes = b""
    index: int = -1
    survivors: tuple[int, ...] = ()

    async def get(self, path: str) -> Answer:
        """Ask with this device's seat."""
        return await self.connection.ask("GET", path, self._headers())

    async def put(self, phase: Phase, message: bytes, **headers: str) -> Answer:
        """Hand a message in, once. headers: instead of the usual ones, as content_type="text/plain"."""
        instead = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.connection.ask(
            "PUT", phase_path(self.round, phase), self._headers() | instead, message
        )

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.seat.hex()}", "content-type": OCTETS}


Hook = Callable[[Member, Phase, Literal["before", "after"], bytes], Awaitable[None]]
"""Called before and after a device hands in its message of a phase, with the message."""


def raw_devices(
    count: int, vector: Callable[[int, RoundConfig], NDArray[np.int64]], label: str = "device"
) -> list[RawDevice]:
    """Return devices whose keys follow from a label and their number; vector: gets that number."""

    def one(number: int) -> RawDevice:
        seed = hashlib.shake_256(f"{label} {number}".encode()).digest(SEED_BYTES)
        return RawDevice(Identity.from_seed(seed), lambda config: vector(number, config))

    return [one(number) for number in range(count)]


def small_vector(number: int, config: RoundConfig) -> NDArray[np.int64]:
    """Return a vector that everybody can work out anew: int64 [length] within the round's bound."""
    most = min(config.max_abs_entry, 1000)
    return np.random.default_rng(number).integers(-most, most + 1, config.length, dtype=np.int64)


def play(
    urls: Sequence[str],
    population: str,
    devices: Sequence[RawDevice],
    *,
    patience: float = 60.0,
    hook: Hook | None = None,
    wait: float | None = None,
) -> list[Seen]:
    """Let the devices take part in one round each, all at once, and return what each saw: `take_part`."""
    return asyncio.run(take_part(urls, population, devices, patience=patience, hook=hook, wait=wait))


async def take_part(
    urls: Sequence[str],
    population: str,
    devices: Sequence[RawDevice],
    *,
    patience: float = 60.0,
    hook: Hook | None = None,
    wait: float | None = None,
) -> list[Seen]:
    """Take part in one round with each device, and return what each saw, in order.

    urls: http addresses of one coordinator; devices are spread over them, and each goes to the next one when
    its own does not answer. What fails on the way is tried again for `patience` seconds in all. wait: seconds
    between two check-ins; left out, what the coordinator asks for.
    """

    async def one(number: int, device: RawDevice) -> Seen:
        seat = SystemEntropy().draw(SEAT_BYTES)
        member = Member(device, number, Connection(urls, number), seat)
        try:
            async with asyncio.timeout(patience):
                return await _go_through(member, population, hook, wait)
        except VanishedError:
            return _seen(member, "vanished")
        except _LeftError as error:
            return _seen(member, "left", error.reason)
        except ConfidanteError as error:
            return _seen(member, "refused", str(error))
        except TimeoutError:
            return _seen(member, "unknown" if member.round else "not seated")
        finally:
            await member.connection.close()

    return list(await asyncio.gather(*(one(*place) for place in enumerate(devices))))


async def _go_through(member: Member, population: str, hook: Hook | None, wait: float | None) -> Seen:
    device = member.device
    await _be_seated(member, population, wait)
    answer = await _insist(lambda: member.get(offer_path(member.round)))
    _refuse(answer)
    offered = decode(answer.body, RoundOffer)
    setup = _setup(offered.config, offered.roster)
    member.index = setup.roster.index(device.identity.public)
    client = Client(setup, member.index, device.identity, device.entropy(RANDOM_BYTES))
    for phase in PHASES:
        opening = b"" if phase is Phase.ADVERTISE else await _opening(member, phase)
        if opening is None:
            break
        if phase is Phase.CONFIRM:
            flags = unpack_flags(
                memoryview(opening)[HEADER_BYTES:][: (setup.config.n + 7) // 8], setup.config.n
            )
            member.survivors = tuple(np.flatnonzero(flags).tolist())
        message = client_step(client, phase, opening, lambda _: device.vector(setup.config))
        if hook is not None:
            await hook(member, phase, "before", message)
        sent = await _insist(lambda name=phase, data=message: member.put(name, data))  # type: ignore[misc]
        if sent.status == 410:
            break
        _refuse(sent)
        if hook is not None:
            await hook(member, phase, "after", message)
    while (answer := await _insist(lambda: member.get(end_path(member.round)))).status == 204:
        continue
    _refuse(answer)
    ended = decode(answer.body, Ended)
    return _seen(member, "published" if ended.published else "aborted", ended.reason)


async def _be_seated(member: Member, population: str, wait: float | None) -> None:
    device = member.device
    body = check_in(device.identity, population, member.seat, device.tier, device.token)
    while not member.round:
        answer = await _insist(
            lambda: member.connection.ask("POST", "/v1/check-in", {"content-type": MSGPACK}, body)
        )
        _refuse(answer)
        said = decode(answer.body, CheckedIn)
        member.round = said.round or b""
        if not member.round:
            await asyncio.sleep(said.wait if wait is None else wait)


async def _opening(member: Member, phase: Phase) -> bytes | None:
    """Return the message that opens a phase; None when the round is over."""
    path = phase_path(member.round, phase) + "/in"
    while (answer := await _insist(lambda: member.get(path))).status == 204:
        continue
    if answer.status == 410 and decode(answer.body, Refusal).reason == "over":
        return None
    _refuse(answer)
    return answer.body


async def _insist(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask until there is an answer that means something; the caller's time limit ends it."""
    while True:
        try:
            answer = await ask()
        except LostConnectionError:
            pass
        else:
            if answer.status < _BUSY:
                return answer
        await asyncio.sleep(_RETRY_SECONDS)


def _refuse(answer: Answer) -> None:
    if answer.status >= 400:
        said = decode(answer.body, Refusal)
        raise _LeftError(f"{said.reason}: {said.detail}")


def _seen(
    member: Member,
    state: Literal["published", "aborted", "left", "vanished", "refused", "not seated", "unknown"],
    why: str = "",
) -> Seen:
    return Seen(state, why, member.round or None, member.index, member.survivors)


@lru_cache(maxsize=8)
def _setup(config: bytes, roster: bytes) -> RoundSetup:
    """Return what all devices of a round in this process share: its graph, and signatures found genuine."""
    offered = RoundOffer(1, config, roster, b"", b"", 0.0)
    return RoundSetup(RoundConfig.decode(config), offered.identities())
