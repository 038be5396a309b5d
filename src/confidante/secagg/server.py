"""The server's side of one secure sum: bytes in, bytes out.

`receive` takes one message of the running phase; `advance` ends the phase and returns what to send to whom.
The caller decides when to advance (a timer, or `waiting_for` being empty) and vouches that a message handed
in as from `sender` came over that client's authenticated connection. A refused message changes nothing, and
the round goes on; when too few clients are left, `advance` raises TOO_FEW and the round is over.

Method: Bell et al. 2020, Algorithm 2, with a consistency round (docs/explanation/secure-sum.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from confidante.core.errors import ProtocolError, Reject
from confidante.crypto import shamir
from confidante.crypto.identity import KEY_BYTES, SIGNATURE_BYTES, agree, degenerate
from confidante.crypto.masks import RECEIPT_BYTES, Masker, pair_mask_key, self_mask_key
from confidante.secagg import codec
from confidante.secagg.client import seed_commitment
from confidante.secagg.codec import SENT_IN, Kind
from confidante.secagg.config import RoundSetup
from confidante.secagg.packing import centred, pack_flags, unpack
from confidante.secagg.phases import Phase


@final
@dataclass(frozen=True, slots=True, eq=False)
class SumResult:
    """The exact sum of the survivors' vectors, int64 [length], and their indices, increasing."""

    sum: NDArray[np.int64]
    survivors: tuple[int, ...]


@final
class Server:
    """One round, from advertised keys to the sum."""

    def __init__(self, setup: RoundSetup) -> None:
        """Open the round: every client of the roster may advertise."""
        config = setup.config
        n, k = config.n, config.k
        self.phase = Phase.ADVERTISE
        self._setup, self._config = setup, config
        self._neighbours, self._slots = setup.graph.table()  # int64 [n, k] both
        self._expected = np.ones(n, dtype=np.bool_)  # whom this phase may hear
        self._heard = np.zeros(n, dtype=np.bool_)  # whom it has heard
        self._mask_publics = np.zeros((n, KEY_BYTES), dtype=np.uint8)
        self._commitments = np.zeros((n, codec.COMMITMENT_BYTES), dtype=np.uint8)
        self._advertised = np.zeros(n, dtype=np.bool_)
        self._shared = np.zeros(n, dtype=np.bool_)
        self._survivors = np.zeros(n, dtype=np.bool_)
        self._sealed = np.zeros((0, k, codec.SEALED_BYTES), dtype=np.uint8)  # [n, k, 80] while sharing
        self._signatures = np.zeros((n, SIGNATURE_BYTES), dtype=np.uint8)
        self._revealed = np.zeros((0, k, shamir.SHARE_BYTES), dtype=np.uint8)  # [n, k, 32] while revealing
        self._receipts = np.zeros((0, k, RECEIPT_BYTES), dtype=np.uint8)  # [n, k, 16] while masking
        self._total = np.zeros(0, dtype=np.uint32)
        self._result: SumResult | None = None

    @property
    def waiting_for(self) -> tuple[int, ...]:
        """The clients that this phase has not heard yet."""
        return tuple(np.flatnonzero(self._expected & ~self._heard).tolist())

    @property
    def result(self) -> SumResult:
        """The sum; ProtocolError WRONG_PHASE before the round is done."""
        if self._result is None:
            raise ProtocolError(Reject.WRONG_PHASE, f"there is no sum yet: the round is at {self.phase.name}")
        return self._result

    def receive(self, sender: int, data: bytes) -> None:
        """Take one message. Raises WireError or ProtocolError, with nothing changed, when it is refused."""
        kind, body = codec.open_frame(data, sender, self._config.round_id)
        if SENT_IN.get(self.phase) is not kind:
            raise ProtocolError(Reject.WRONG_PHASE, f"{kind.name} does not fit phase {self.phase.name}")
        if not 0 <= sender < self._config.n:
            raise ProtocolError(Reject.FOREIGN, f"{sender} is not in the roster")
        if not self._expected[sender]:
            raise ProtocolError(Reject.DROPPED, f"client {sender} missed an earlier phase of this round")
        if self._heard[sender]:
            raise ProtocolError(Reject.REPEATED, f"client {sender} sent {kind.name} before")
        match kind:
            case Kind.ADVERT:
                self._take_advert(sender, body)
            case Kind.SHARES:
                present = self._advertised[self._neighbours[sender]]
                self._sealed[sender, present] = codec.records(body, int(present.sum()), codec.SEALED_BYTES)
            case Kind.MASKED:
                self._take_masked(sender, body)
            case Kind.CONFIRMATION:
                self._take_confirmation(sender, body)
            case _:
                present = self._shared[self._neighbours[sender]]
                self._revealed[sender, present] = codec.records(body, int(present.sum()), shamir.SHARE_BYTES)
        self._heard[sender] = True

    def advance(self) -> dict[int, bytes]:
        """End the phase: return the message for each client still in the round, or {} when it is done.

        Raises ProtocolError TOO_FEW (or BAD_SHARE at the end) when there can be no sum; the round is over.
        """
        heard, config = self._heard, self._config
        if self.phase not in SENT_IN:
            raise ProtocolError(Reject.WRONG_PHASE, f"the round is over ({self.phase.name})")
        if self.phase is Phase.REVEAL:
            self._result = self._unmask()
            self._to(Phase.DONE)
            return {}
        if int(heard.sum()) < config.min_survivors:
            raise self._fail(
                Reject.TOO_FEW,
                f"{int(heard.sum())} clients answered in {self.phase.name}, {config.min_survivors} needed",
            )
        match self.phase:
            case Phase.ADVERTISE:
                self._advertised = heard
                out = self._to_neighbours(Kind.ADVERTS, self._mask_publics[self._neighbours])
                self._sealed = np.zeros((config.n, config.k, codec.SEALED_BYTES), dtype=np.uint8)
            case Phase.SHARE:
                self._shared = heard
                flags, sealed = pack_flags(heard), self._sealed[self._neighbours, self._slots]
                present = heard[self._neighbours]
                out = self._to_each(
                    Kind.INBOX, lambda client: flags + sealed[client, present[client]].tobytes()
                )
                self._sealed = self._sealed[:0]
                self._receipts = np.zeros((config.n, config.k, RECEIPT_BYTES), dtype=np.uint8)
                self._total = np.zeros(config.length, dtype=np.uint32)
            case Phase.MASK:
                self._survivors = heard
                flags = pack_flags(heard)
                # Who did not survive wrote none: its row is zero.
                owed = np.bitwise_xor.reduce(self._receipts[self._neighbours, self._slots], axis=1)  # [n, 16]
                out = self._to_each(Kind.SURVIVORS, lambda client: flags + owed[client].tobytes())
                self._receipts = self._receipts[:0]
            case _:
                self._revealed = np.zeros((config.n, config.k, shamir.SHARE_BYTES), dtype=np.uint8)
                out = self._to_all(
                    Kind.CONFIRMATIONS, codec.flagged(heard, self._signatures[np.flatnonzero(heard)])
                )
        self._to(Phase(self.phase + 1))
        return out

    def _to(self, phase: Phase) -> None:
        self.phase = phase
        self._expected = self._heard
        self._heard = np.zeros(self._config.n, dtype=np.bool_)

    def _fail(self, reason: Reject, detail: str) -> ProtocolError:
        self.phase = Phase.FAILED
        self._expected = np.zeros(self._config.n, dtype=np.bool_)
        self._total = self._total[:0]
        return ProtocolError(reason, detail)

    def _to_neighbours(self, kind: Kind, rows: NDArray[np.uint8]) -> dict[int, bytes]:
        """Return for each client heard what its neighbours heard have for it; rows: uint8 [n, k, size]."""
        present = self._heard[self._neighbours]  # [n, k]
        return {
            client: codec.frame(
                kind,
                codec.SERVER,
                self._config.round_id,
                codec.flagged(present[client], rows[client, present[client]]),
            )
            for client in np.flatnonzero(self._heard).tolist()
        }

    def _to_each(self, kind: Kind, body: Callable[[int], bytes]) -> dict[int, bytes]:
        return {
            client: codec.frame(kind, codec.SERVER, self._config.round_id, body(client))
            for client in np.flatnonzero(self._heard).tolist()
        }

    def _to_all(self, kind: Kind, body: bytes) -> dict[int, bytes]:
        message = codec.frame(kind, codec.SERVER, self._config.round_id, body)
        return dict.fromkeys(np.flatnonzero(self._heard).tolist(), message)

    def _take_advert(self, sender: int, body: memoryview) -> None:
        record = codec.records(body, 1, codec.ADVERT_BYTES)[0].tobytes()
        mask_public, commitment = record[:KEY_BYTES], record[KEY_BYTES:-SIGNATURE_BYTES]
        statement = codec.advert_statement(self._setup.digest, sender, mask_public, commitment)
        if not self._setup.signed(sender, record[-SIGNATURE_BYTES:], statement):
            raise ProtocolError(Reject.BAD_SIGNATURE, f"client {sender} did not sign this advert")
        if degenerate(mask_public):
            raise ProtocolError(Reject.BAD_KEY, f"client {sender} advertised a degenerate key")
        self._mask_publics[sender] = np.frombuffer(mask_public, dtype=np.uint8)
        self._commitments[sender] = np.frombuffer(commitment, dtype=np.uint8)

    def _take_masked(self, sender: int, body: memoryview) -> None:
        present = self._shared[self._neighbours[sender]]
        count, size = int(present.sum()), RECEIPT_BYTES
        receipts = codec.records(body[: count * size], count, size)
        self._total += unpack(body[count * size :], self._config.length, self._config.bits)
        self._receipts[sender, present] = receipts

    def _take_confirmation(self, sender: int, body: memoryview) -> None:
        signature = codec.records(body, 1, SIGNATURE_BYTES)[0]
        statement = codec.survivors_statement(self._setup.digest, self._shared, self._survivors)
        if not self._setup.signed(sender, signature.tobytes(), statement):
            raise ProtocolError(Reject.BAD_SIGNATURE, f"client {sender} did not sign these survivors")
        self._signatures[sender] = signature

    def _unmask(self) -> SumResult:
        digest, config, masker = self._setup.digest, self._config, Masker()
        secrets = {client: self._secret(client) for client in np.flatnonzero(self._shared).tolist()}
        for client, secret in secrets.items():
            if self._survivors[client]:
                masker.subtract(self._total, self_mask_key(digest, secret, client))
                continue
            private = X25519PrivateKey.from_private_bytes(secret)
            for peer in self._neighbours[client].tolist():
                if self._survivors[peer]:
                    shared = agree(private, self._mask_publics[peer].tobytes())
                    low, high = sorted((client, peer))
                    key = pair_mask_key(digest, shared, low, high)
                    # The survivor added the mask when it is the lower of the two.
                    (masker.subtract if peer == low else masker.add)(self._total, key)
        survivors = tuple(np.flatnonzero(self._survivors).tolist())
        return SumResult(centred(self._total, config.bits), survivors)

    def _secret(self, client: int) -> bytes:
        """Return a survivor's self-mask seed or a dropped client's mask key, checked against its advert."""
        neighbours, slots = self._neighbours[client], self._slots[client]
        heard = np.flatnonzero(self._heard[neighbours])
        rows = self._revealed[neighbours[heard], slots[heard]]  # uint8 [heard, 32]
        shares = dict(zip((heard + 1).tolist(), map(shamir.decode_share, map(bytes, rows)), strict=True))
        shares = {point: share for point, share in shares.items() if share < shamir.PRIME}
        if len(shares) < self._config.t:
            raise self._fail(
                Reject.TOO_FEW,
                f"{len(shares)} shares of client {client} came back, {self._config.t} needed",
            )
        for points, values in shamir.candidates(shares, self._config.t):
            secret = shamir.combine(points, values)
            if secret is not None and self._matches(client, secret):
                return secret
        raise self._fail(Reject.BAD_SHARE, f"shares of client {client} do not fit what it advertised")

    def _matches(self, client: int, secret: bytes) -> bool:
        if self._survivors[client]:
            return seed_commitment(self._setup.digest, client, secret) == bytes(self._commitments[client])
        public = X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
        return public == bytes(self._mask_publics[client])
