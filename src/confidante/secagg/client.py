"""A client's side of one secure sum: bytes in, bytes out.

    share_keys <- adverts      mask <- inbox      confirm <- survivors      reveal <- confirmations

Each step may be taken once, in order. A message that is malformed, misplaced or from another round is refused
and changes nothing. A message that only a lying server (or a failed round) can explain ends the round for
this client: it forgets its secrets and will answer nothing more, so no second attempt can be made on it.

Method: Bell et al. 2020 (SecAgg+), Algorithm 2, and a consistency round after Bonawitz et al. 2017, Fig. 4.
Three departures, argued in docs/explanation/secure-sum.md: neighbours know each other's mask keys by the
encrypted channel rather than by checking k signatures; a large round's confirmations are sampled; and
neighbours give each other receipts for the masks they used, in place of k more signatures.
"""

import hashlib
import hmac
import struct
from collections.abc import Sequence
from typing import final

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from numpy.typing import NDArray

from confidante.core.errors import ProtocolError, Reject
from confidante.crypto import shamir
from confidante.crypto.identity import KEY_BYTES, SIGNATURE_BYTES, Agreement, Identity, agree
from confidante.crypto.masks import (
    RECEIPT_BYTES,
    Masker,
    pair_mask_key,
    receipt,
    round_key,
    self_mask_key,
)
from confidante.secagg import codec
from confidante.secagg.codec import OPENED_BY, Kind
from confidante.secagg.config import RoundSetup
from confidante.secagg.packing import pack, unpack_flags
from confidante.secagg.phases import Phase

RANDOM_BYTES = 128
"""Bytes of fresh randomness a client needs for one round: mask key, self-mask seed, sharing, sampling."""

_NONCE = bytes(12)  # each channel key seals one message only


@final
class Client:
    """One client in one round. Its repr shows no secret; `phase` is the one that it speaks in next.

    `randomness` is RANDOM_BYTES fresh secret bytes, used for this round and no other.
    """

    def __init__(
        self,
        setup: RoundSetup,
        index: int,
        identity: Identity,
        randomness: bytes,
        agree: Agreement = agree,
    ) -> None:
        """Take part as number `index` of the roster; ProtocolError FOREIGN when that is someone else.

        `agree` is another only in a process that plays both ends of every pair (`run_round`).
        """
        if len(randomness) != RANDOM_BYTES:
            raise ValueError(f"a client needs {RANDOM_BYTES} random bytes, not {len(randomness)}")
        if not 0 <= index < setup.config.n or setup.roster[index] != identity.public:
            raise ProtocolError(Reject.FOREIGN, f"number {index} of the roster is not this identity")
        self.index = index
        self.phase = Phase.ADVERTISE
        self._setup = setup
        self._config = setup.config
        self._identity = identity
        self._agree_on = agree
        self._mask_private = X25519PrivateKey.from_private_bytes(clamp(randomness[:32]))
        self._mask_secret = clamp(randomness[:32])
        self._self_seed = clamp(randomness[32:64])
        self._share_seed = randomness[64:96]
        self._sample_seed = randomness[96:]
        self._mask_public = self._mask_private.public_key().public_bytes_raw()
        self._neighbours = setup.graph.neighbours(index)  # int64 [k]
        self._present = np.zeros(self._config.k, dtype=np.bool_)  # neighbours still with us
        self._mask_keys: dict[int, bytes] = {}  # neighbour -> key of the mask we share
        self._opening_keys: dict[int, bytes] = {}  # neighbour -> key of what it seals for us
        self._receipt_keys: dict[int, bytes] = {}  # neighbour -> key of the receipts we exchange
        self._receipts: dict[int, bytes] = {}  # neighbour -> the receipt that it owes us
        self._sharers = np.zeros(self._config.n, dtype=np.bool_)
        self._held: dict[int, tuple[bytes, bytes]] = {}  # neighbour -> shares of its (seed, mask key)
        self._survivors = np.zeros(self._config.n, dtype=np.bool_)

    def __repr__(self) -> str:
        """Show who and where, and nothing secret."""
        return f"<Client {self.index} {self.phase.name}>"

    def advertise(self) -> bytes:
        """Return ADVERT: the signed mask key of this round."""
        if self.phase is not Phase.ADVERTISE:
            raise ProtocolError(Reject.REPEATED, "keys are advertised once, at the start")
        digest = self._setup.digest
        commitment = seed_commitment(digest, self.index, self._self_seed)
        statement = codec.advert_statement(digest, self.index, self._mask_public, commitment)
        self.phase = Phase.SHARE
        return self._frame(Kind.ADVERT, self._mask_public, commitment, self._identity.sign(statement))

    def share_keys(self, adverts: bytes) -> bytes:
        """Return SHARES: for each neighbour that advertised, its shares of our two secrets, sealed."""
        body = self._open(adverts, Phase.SHARE)
        present, keys = codec.open_flagged(body, self._config.k, KEY_BYTES)
        if int(present.sum()) < self._config.t:
            raise self._fail(Reject.TOO_FEW, f"only {int(present.sum())} neighbours advertised keys")
        t, k = self._config.t, self._config.k
        seed_shares = shamir.split(self._self_seed, t, k, self._share_seed, b"self mask seed")
        key_shares = shamir.split(self._mask_secret, t, k, self._share_seed, b"mask key")
        sealed = []
        for slot, row in zip(np.flatnonzero(present).tolist(), keys, strict=True):
            peer = int(self._neighbours[slot])
            sealing = self._agree(peer, row.tobytes())
            pair = shamir.encode_share(seed_shares[slot]) + shamir.encode_share(key_shares[slot])
            sealed.append(ChaCha20Poly1305(sealing).encrypt(_NONCE, pair, self._bound(self.index, peer)))
        self._present = present
        self.phase = Phase.MASK
        return self._frame(Kind.SHARES, *sealed)

    def mask(self, inbox: bytes, vector: NDArray[np.int64]) -> bytes:
        """Return MASKED: `vector` (int64 [length], its share of the noise already in it) under all masks.

        With it go receipts: they tell each neighbour that its mask is in, and which clients we were told had
        sent shares.

        Only length, type and range of the ring can be checked here: the bound that keeps the sum from
        wrapping concerns the vector before noise (`RoundConfig`). Raises ProtocolError WRONG_LENGTH or
        OUT_OF_RANGE and changes nothing when the vector is unfit.
        """
        body = self._open(inbox, Phase.MASK)
        sharers, sealed = codec.open_inbox(body, self._config.n, self._neighbours)
        present = sharers[self._neighbours]
        ring = self._ring(vector)
        if not sharers[self.index]:
            raise self._fail(Reject.INCONSISTENT, "we sent shares and are told that we did not")
        if int(sharers.sum()) < self._config.min_survivors:
            raise self._fail(
                Reject.TOO_FEW, f"{int(sharers.sum())} sent shares, {self._config.min_survivors} needed"
            )
        if np.any(present & ~self._present):
            raise self._fail(Reject.INCONSISTENT, "shares came from a neighbour that advertised no key")
        if int(present.sum()) < self._config.t:
            raise self._fail(Reject.TOO_FEW, f"only {int(present.sum())} neighbours sent shares")
        peers = [int(self._neighbours[slot]) for slot in np.flatnonzero(present)]
        for peer, row in zip(peers, sealed, strict=True):
            self._held[peer] = self._unseal(peer, row.tobytes())
        masker, digest = Masker(), self._setup.digest
        masker.add(ring, self_mask_key(digest, self._self_seed, self.index))
        for peer in peers:
            if self.index < peer:
                masker.add(ring, self._mask_keys[peer])
            else:
                masker.subtract(ring, self._mask_keys[peer])
        ring &= np.uint32((1 << self._config.bits) - 1)
        self._present, self._sharers = present, sharers
        ours = [receipt(self._receipt_keys[peer], self.index, sharers) for peer in peers]
        self._receipts = {peer: receipt(self._receipt_keys[peer], peer, sharers) for peer in peers}
        self._mask_keys.clear()
        self._opening_keys.clear()
        self._receipt_keys.clear()
        self.phase = Phase.CONFIRM
        return self._frame(Kind.MASKED, *ours, pack(ring, self._config.bits))

    def confirm(self, survivors: bytes) -> bytes:
        """Return CONFIRMATION: our signature of whose vectors are summed, if that set protects us."""
        body = self._open(survivors, Phase.CONFIRM)
        cut = (self._config.n + 7) // 8
        flags = unpack_flags(body[:cut], self._config.n)
        receipts = codec.records(body[cut:], 1, RECEIPT_BYTES)[0].tobytes()
        if not flags[self.index]:
            raise self._fail(Reject.INCONSISTENT, "we sent our vector and are told that we did not")
        if int(flags.sum()) < self._config.min_survivors:
            raise self._fail(
                Reject.TOO_FEW, f"{int(flags.sum())} survivors, {self._config.min_survivors} needed"
            )
        if np.any(flags & ~self._sharers):
            raise self._fail(Reject.INCONSISTENT, "someone counts as survivor who sent no shares")
        owed = [self._receipts[peer] for peer in self._neighbours[flags[self._neighbours]].tolist()]
        if not hmac.compare_digest(receipts, exclusive_or(owed)):
            raise self._fail(Reject.INCONSISTENT, "a neighbour that survived did not mask as we did")
        if self._setup.graph.fewest_in_windows(flags) < self._config.spread:
            raise self._fail(Reject.BAD_GRAPH, "so many neighbours are missing that a few could be cut off")
        self._survivors = flags
        self.phase = Phase.REVEAL
        statement = codec.survivors_statement(self._setup.digest, self._sharers, flags)
        return self._frame(Kind.CONFIRMATION, self._identity.sign(statement))

    def reveal(self, confirmations: bytes) -> bytes:
        """Return REVEAL: one share of each neighbour, once sure that all were told the same survivors."""
        body = self._open(confirmations, Phase.REVEAL)
        flags, signatures = codec.open_flagged(body, self._config.n, SIGNATURE_BYTES)
        signers = np.flatnonzero(flags)
        if np.any(flags & ~self._survivors):
            raise self._fail(Reject.INCONSISTENT, "someone confirmed who is not a survivor")
        if len(signers) < self._config.min_survivors:
            raise self._fail(
                Reject.TOO_FEW, f"{len(signers)} confirmations, {self._config.min_survivors} needed"
            )
        statement = codec.survivors_statement(self._setup.digest, self._sharers, self._survivors)
        for i in sample(self._sample_seed, len(signers), self._config.signatures_checked):
            if not self._setup.signed(int(signers[i]), signatures[i].tobytes(), statement):
                raise self._fail(Reject.INCONSISTENT, f"client {signers[i]} did not confirm these survivors")
        shares = [self._held[peer][0 if self._survivors[peer] else 1] for peer in sorted(self._held)]
        self._forget()
        self.phase = Phase.DONE
        return self._frame(Kind.REVEAL, *shares)

    def _open(self, data: bytes, phase: Phase) -> memoryview:
        """Return the body of the message that opens `phase`."""
        kind, body = codec.open_frame(data, codec.SERVER, self._config.round_id)
        if self.phase is Phase.DONE and kind in (Kind.SURVIVORS, Kind.CONFIRMATIONS):
            raise ProtocolError(Reject.BOTH_SECRETS, "shares were revealed already; a client does so once")
        if self.phase is not phase or OPENED_BY[phase] is not kind:
            raise ProtocolError(Reject.WRONG_PHASE, f"{kind.name} does not fit a client at {self.phase.name}")
        return body

    def _frame(self, kind: Kind, *body: bytes) -> bytes:
        return codec.frame(kind, self.index, self._config.round_id, *body)

    def _bound(self, sender: int, receiver: int) -> bytes:
        return self._setup.digest + struct.pack("<II", sender, receiver)

    def _agree(self, peer: int, mask_public: bytes) -> bytes:
        """Agree with `peer` on a mask and on a channel; return the key that seals what we send it.

        The channel key needs a long-lived channel key of either end, so nobody else can speak on it, and
        the mask keys as both ends see them, so it fails to open when the server exchanged one.
        """
        try:
            shared = self._agree_on(self._mask_private, mask_public)
            lasting = self._identity.agree(self._setup.roster[peer], self._agree_on)
        except ProtocolError as error:
            raise self._fail(error.reason, f"neighbour {peer} has a degenerate key") from error
        low, high = sorted((self.index, peer))
        self._mask_keys[peer] = pair_mask_key(self._setup.digest, shared, low, high)
        mine_first = self.index == low
        seen = self._mask_public + mask_public if mine_first else mask_public + self._mask_public
        info = b"confidante channel" + self._setup.digest + struct.pack("<II", low, high) + seen
        keys = round_key(lasting + shared, info, 64)
        receipt_info = b"confidante receipts" + info.removeprefix(b"confidante channel")
        self._receipt_keys[peer] = round_key(lasting + shared, receipt_info, 32)
        upward, downward = keys[:32], keys[32:]
        self._opening_keys[peer] = downward if mine_first else upward
        return upward if mine_first else downward

    def _unseal(self, peer: int, sealed: bytes) -> tuple[bytes, bytes]:
        try:
            pair = ChaCha20Poly1305(self._opening_keys[peer]).decrypt(
                _NONCE, sealed, self._bound(peer, self.index)
            )
        except InvalidTag as error:
            raise self._fail(
                Reject.BAD_SHARE, f"what neighbour {peer} sealed for us does not open"
            ) from error
        return pair[: shamir.SHARE_BYTES], pair[shamir.SHARE_BYTES :]

    def _ring(self, vector: NDArray[np.int64]) -> NDArray[np.uint32]:
        if vector.dtype != np.int64 or vector.shape != (self._config.length,):
            raise ProtocolError(
                Reject.WRONG_LENGTH,
                f"the round sums int64 [{self._config.length}], not {vector.dtype} {list(vector.shape)}",
            )
        half = 1 << (self._config.bits - 1)
        if int(vector.min()) < -half or int(vector.max()) >= half:
            raise ProtocolError(Reject.OUT_OF_RANGE, f"an entry does not fit {self._config.bits} signed bits")
        return vector.astype(np.uint32)

    def _fail(self, reason: Reject, detail: str) -> ProtocolError:
        self._forget()
        self.phase = Phase.FAILED
        return ProtocolError(reason, detail)

    def _forget(self) -> None:
        self._self_seed = self._mask_secret = self._share_seed = self._sample_seed = b""
        self._held.clear()
        self._mask_keys.clear()
        self._opening_keys.clear()
        self._receipt_keys.clear()
        self._receipts.clear()
        del self._mask_private


def clamp(secret: bytes) -> bytes:
    """Return 32 bytes as X25519 uses them (RFC 7748, section 5): below 2^255, so that they can be shared."""
    return bytes([secret[0] & 248, *secret[1:31], (secret[31] & 127) | 64])


def seed_commitment(digest: bytes, client: int, seed: bytes) -> bytes:
    """Return what binds a client to its self-mask seed, so that a wrong share is noticed."""
    return hashlib.sha256(b"confidante seed\n" + digest + struct.pack("<I", client) + seed).digest()


def exclusive_or(receipts: Sequence[bytes]) -> bytes:
    """Return the exclusive or of receipts: it proves them all, as each is unknown to who did not get it."""
    together = 0
    for one in receipts:
        together ^= int.from_bytes(one, "little")
    return together.to_bytes(RECEIPT_BYTES, "little")


def sample(seed: bytes, population: int, size: int) -> list[int]:
    """Return min(size, population) distinct numbers below `population` that the secret `seed` decides."""
    if size >= population:
        return list(range(population))
    stream = hashlib.shake_256(b"confidante sample\n" + seed).digest(8 * population)
    order = np.argsort(np.frombuffer(stream, dtype="<u8"), kind="stable")
    return [int(i) for i in order[:size]]
