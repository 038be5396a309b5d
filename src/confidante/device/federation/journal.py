"""What a device keeps of the round it is in, so that it goes on with it when its process is started anew.

A client of the protocol is a function of its random bytes and of what it was told. Both are kept, in the
vault and so encrypted, and with them each message as it was handed out, in the transaction that writes it
into the ledger: before it can be sent. A process started anew replays them and sends the last message once
more, as it was. The masked vector above all is never made a second time: two vectors under the same masks
would show their difference.

It is erased when the round is over or left, after `KEPT` seconds, and with whatever was derived from the
history: forgetting drops it by its name, as does expiry, after which a round goes on but cannot be resumed.
A backup holds none of it (`device/vault/generations.py`): of two copies of a device that went on from the
same place, each could be led to reveal what the other must not.
"""

import hashlib
from collections.abc import Callable
from typing import Annotated, final

import msgspec

from confidante.core.errors import VaultError
from confidante.device.storage.generations import RUNNING_ROUND
from confidante.device.storage.vault import Vault
from confidante.device.values import Purpose

KEPT = 2 * 86_400.0
"""Seconds after which a round is given up. Longer than any round, and than clocks are wrong by."""

_Octets32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
_FIRST = " 0"


@final
class Beginning(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What was so when the round was joined. Secret: seed, seat, randomness.

    seed: of the identity made for this round; catalogue: its digest; entry: number of the announcement in
    the public log; until: when the round is given up, seconds since 1970.
    """

    round_id: _Octets32
    purpose: str
    seed: bytes
    seat: bytes
    randomness: bytes
    config: bytes
    roster: bytes
    plan: bytes
    task: bytes
    catalogue: _Octets32
    entry: int
    until: float

    def __repr__(self) -> str:
        """Show which round, and nothing secret."""
        return f"<Beginning of round {self.round_id.hex()[:12]}>"


@final
class Step(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One message: what it answered, itself, and its number in the ledger."""

    incoming: bytes
    outgoing: bytes
    departure: int

    def __repr__(self) -> str:
        """Show its number only."""
        return f"<Step, number {self.departure} of the ledger>"


@final
class Kept(msgspec.Struct, frozen=True):
    """A round as far as it went."""

    beginning: Beginning
    steps: tuple[Step, ...]


@final
class Journal:
    """The journal of the one round that a device is in, for a population of a coordinator."""

    def __init__(self, vault: Vault, destination: str, population: str) -> None:
        self._vault = vault
        whose = hashlib.sha256(f"{destination}\n{population}".encode()).hexdigest()
        self._name = f"{RUNNING_ROUND}{whose}"

    def begin(self, beginning: Beginning) -> None:
        """Keep a new round, and nothing of any before."""
        with self._vault.write():
            self.erase()
            self._vault.write_body(self._name + _FIRST, msgspec.msgpack.encode(beginning))

    def step(self, number: int, step: Step) -> None:
        """Keep message `number` of a round, from 1; nothing when what came before was erased."""
        with self._vault.write():
            if self._vault.read_body(f"{self._name} {number - 1}") is not None:
                self._vault.write_body(f"{self._name} {number}", msgspec.msgpack.encode(step))
                self._vault.settle()  # a log that is cut off later must not have it answered otherwise

    def read(self) -> Kept | None:
        """Return the round that this device can go on with; None when there is none, or its time is over."""
        with self._vault.lock:
            beginning = _beginning(self._vault, self._name + _FIRST)
            if beginning is None or self._vault.now() > beginning.until:
                return None
            steps: list[Step] = []
            while (body := self._vault.read_body(f"{self._name} {len(steps) + 1}")) is not None:
                steps.append(msgspec.msgpack.decode(body, type=Step))
            return Kept(beginning, tuple(steps))

    def erase(self) -> None:
        """Keep nothing more."""
        _erase(self._vault, self._name)


def keep_what_can_go_on(vault: Vault, allowed: Callable[[Purpose], bool]) -> frozenset[bytes]:
    """Return the rounds that this device can go on with, and erase what it keeps of all others.

    allowed: whether a switch is on.
    """
    going: set[bytes] = set()
    with vault.write() as sql:
        for (name,) in sql(
            "SELECT name FROM snapshot WHERE substr(name, 1, ?) = ? AND substr(name, -2) = ?",
            (len(RUNNING_ROUND), RUNNING_ROUND, _FIRST),
        ):
            beginning = _beginning(vault, name)
            if (
                beginning is not None
                and vault.now() <= beginning.until
                and allowed(Purpose(beginning.purpose))
            ):
                going.add(beginning.round_id)
            else:
                _erase(vault, name.removesuffix(_FIRST))
    return frozenset(going)


def _beginning(vault: Vault, name: str) -> Beginning | None:
    """Return how a kept round began; None when there is none, or none that can be read."""
    try:
        body = vault.read_body(name)
        return None if body is None else msgspec.msgpack.decode(body, type=Beginning)
    except (VaultError, msgspec.DecodeError):
        return None


def _erase(vault: Vault, name: str) -> None:
    with vault.write() as sql:
        sql("DELETE FROM snapshot WHERE substr(name, 1, ?) = ?", (len(name), name))
