"""A small world for the secure sum's tests: seeded people, rounds, and a wire that a test may tamper with."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from functools import cache

import numpy as np

from confidante.core.errors import ConfidanteError
from confidante.crypto.identity import Identity
from confidante.secagg.client import RANDOM_BYTES, Client
from confidante.secagg.config import RoundConfig, RoundSetup
from confidante.secagg.phases import PHASES, Phase
from confidante.secagg.server import Server, SumResult


def drawn(label: str, size: int) -> bytes:
    return hashlib.shake_256(label.encode()).digest(size)


@cache
def person(index: int) -> Identity:
    return Identity.from_seed(drawn(f"person {index}", 32))


def config(
    n: int, k: int, t: int, least: int, *, length: int = 6, bits: int = 16, corrupt: int = 0, name: str = ""
) -> RoundConfig:
    ids = drawn(f"round {name}", 32), drawn(f"graph {name}", 32)
    return RoundConfig(*ids, n, k, t, min(t, 2 if k < n - 1 else t), least, corrupt, length, bits, 100, 50)


def setup(*args: int, **more: int) -> RoundSetup:
    made = config(*args, **more)
    return RoundSetup(made, tuple(person(i).public for i in range(made.n)))


def client(of: RoundSetup, index: int, label: str = "") -> Client:
    return Client(of, index, person(index), drawn(f"fresh {label} {index}", RANDOM_BYTES))


def vector(of: RoundSetup, index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(-100, 101, of.config.length)


def answer(who: Client, phase: Phase, message: bytes, of: RoundSetup) -> bytes:
    match phase:
        case Phase.ADVERTISE:
            return who.advertise()
        case Phase.SHARE:
            return who.share_keys(message)
        case Phase.MASK:
            return who.mask(message, vector(of, who.index))
        case Phase.CONFIRM:
            return who.confirm(message)
        case _:
            return who.reveal(message)


class Wire:
    """Joins clients to a server; `tamper` sees every server message and may replace it for one client."""

    def __init__(self, of: RoundSetup, label: str = "") -> None:
        self.setup = of
        self.server = Server(of)
        self.clients = {i: client(of, i, label) for i in range(of.config.n)}
        self.incoming: dict[int, bytes] = dict.fromkeys(self.clients, b"")
        self.refused: dict[int, ConfidanteError] = {}

    def collect(
        self, phase: Phase, tamper: Callable[[Phase, int, bytes], bytes] = lambda phase, i, message: message
    ) -> dict[int, bytes]:
        """Let every client answer; return what they send, without handing it in."""
        sent = {}
        for i in sorted(set(self.clients) & set(self.incoming)):
            try:
                sent[i] = answer(self.clients[i], phase, tamper(phase, i, self.incoming[i]), self.setup)
            except ConfidanteError as error:
                self.refused[i] = error
        return sent

    def run(
        self,
        *,
        until: Phase = Phase.DONE,
        drop: Mapping[Phase, Collection[int]] | None = None,
        tamper: Callable[[Phase, int, bytes], bytes] = lambda phase, i, message: message,
    ) -> "Wire":
        for phase in PHASES:
            if phase < self.server.phase:
                continue
            if phase == until:
                break
            for i in (drop or {}).get(phase, ()):
                self.clients.pop(i, None)
            for i, message in self.collect(phase, tamper).items():
                try:
                    self.server.receive(i, message)
                except ConfidanteError as error:  # the round goes on without this client
                    self.refused[i] = error
            self.incoming = self.server.advance()
        return self

    def expected(self, survivors: Collection[int]) -> np.ndarray:
        return sum((vector(self.setup, i) for i in survivors), np.zeros(self.setup.config.length, np.int64))

    @property
    def result(self) -> SumResult:
        return self.server.result
