"""A whole round in one process over an in-memory wire: production's clients and server, no network.

All messages are those of separate devices, byte for byte. Two computations that separate devices would repeat
are made once: a key agreement for both its ends, and the check of a signature that several devices check.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from confidante.core.errors import ProtocolError
from confidante.crypto.identity import Identity, agree
from confidante.secagg.client import RANDOM_BYTES, Client
from confidante.secagg.config import RoundConfig, RoundSetup
from confidante.secagg.phases import PHASES, Phase
from confidante.secagg.server import Server


@final
@dataclass(frozen=True, slots=True, eq=False)
class RoundResult:
    """The sum (int64 [length]), whose vectors are in it, and what each client sent and received.

    bytes_up, bytes_down: int64 [phases, n]; row `Phase.X` counts what clients sent in that phase, and what
    the server sent to open it (nothing before the first). refused: clients that ended the round themselves.
    """

    sum: NDArray[np.int64]
    survivors: tuple[int, ...]
    bytes_up: NDArray[np.int64]
    bytes_down: NDArray[np.int64]
    refused: Mapping[int, ProtocolError] = field(default_factory=dict)


class _BothEnds:
    """Computes what a pair agrees on for the first end that asks and hands it to the second, once.

    X25519 gives both ends the same bytes, so no message differs from one that separate devices would send.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[bytes, bytes], bytes] = {}
        self._publics: dict[X25519PrivateKey, bytes] = {}

    def __call__(self, private: X25519PrivateKey, public: bytes) -> bytes:
        ours = self._publics.get(private)
        if ours is None:
            ours = self._publics[private] = private.public_key().public_bytes_raw()
        pair = (ours, public) if ours < public else (public, ours)
        known = self._waiting.pop(pair, None)
        if known is None:
            known = self._waiting[pair] = agree(private, public)
        return known


def run_round(
    config: RoundConfig,
    input_of: Callable[[int], NDArray[np.int64]],
    identities: Sequence[Identity],
    *,
    entropy: Callable[[int], bytes],
    drop: Mapping[Phase, Collection[int]] | None = None,
) -> RoundResult:
    """Run a round among `identities` and return its result.

    input_of: called once for each client that gets as far as masking, right before its vector is masked and
    summed, so that one vector is held at a time. entropy: returns as many fresh random bytes as asked for
    (`SystemEntropy().draw` where real people are protected). drop: the clients that vanish before they send
    anything in a phase. Raises ProtocolError TOO_FEW when the round cannot end with a sum.
    """
    gone: set[int] = set()
    setup = RoundSetup(config, tuple(who.public for who in identities))
    server = Server(setup)
    both_ends = _BothEnds()
    clients = {i: Client(setup, i, who, entropy(RANDOM_BYTES), both_ends) for i, who in enumerate(identities)}
    bytes_up = np.zeros((len(PHASES), config.n), dtype=np.int64)
    bytes_down = np.zeros((len(PHASES), config.n), dtype=np.int64)
    refused: dict[int, ProtocolError] = {}
    incoming: dict[int, bytes] = dict.fromkeys(clients, b"")
    for phase in PHASES:
        gone.update((drop or {}).get(phase, ()))
        for i in [i for i in clients if i in gone or i not in incoming]:
            del clients[i]
        for i, client in clients.items():
            bytes_down[phase, i] = len(incoming[i])
            try:
                message = client_step(client, phase, incoming.pop(i), input_of)
            except ProtocolError as error:
                refused[i] = error
                continue
            bytes_up[phase, i] = len(message)
            server.receive(i, message)
        incoming = server.advance()
    result = server.result
    return RoundResult(result.sum, result.survivors, bytes_up, bytes_down, refused)


def client_step(
    client: Client, phase: Phase, message: bytes, input_of: Callable[[int], NDArray[np.int64]]
) -> bytes:
    """Return what `client` sends in a phase; input_of gives its vector when it masks."""
    match phase:
        case Phase.ADVERTISE:
            return client.advertise()
        case Phase.SHARE:
            return client.share_keys(message)
        case Phase.MASK:
            return client.mask(message, input_of(client.index))
        case Phase.CONFIRM:
            return client.confirm(message)
        case _:
            return client.reveal(message)
