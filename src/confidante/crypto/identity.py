"""Who a client is: a long-lived signing key and a long-lived channel key, whose public halves are the roster.

The signing key (Ed25519) signs what a client advertises and confirms. The channel key (X25519) makes the
encrypted channel between two clients one that nobody else can speak on.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from confidante.core.errors import ProtocolError, Reject, WireError
from confidante.crypto.masks import hkdf

KEY_BYTES = 32
_FIELD = 2**255 - 19
SMALL_ORDER = frozenset(
    {0, 1, _FIELD - 1}
    | {
        int.from_bytes(bytes.fromhex(u), "little")
        for u in (
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        )
    }
)  # u-coordinates of the points whose order divides 8, and of those of the twist
_DEGENERATE = frozenset(
    (u | top << 255).to_bytes(KEY_BYTES, "little")
    for small in SMALL_ORDER
    for u in (small, small + _FIELD)  # both are read as the same coordinate, and the top bit is ignored
    if u < 1 << 255
    for top in (0, 1)
)
SIGNATURE_BYTES = 64
SEED_BYTES = 32


Agreement = Callable[[X25519PrivateKey, bytes], bytes]
"""How a private key and a peer's public key are agreed on: `agree`, or something that gives the same."""


def degenerate(public: bytes) -> bool:
    """Whether an X25519 key of 32 bytes has small order, so that every agreement with it is zero."""
    return public in _DEGENERATE


def agree(private: X25519PrivateKey, public: bytes) -> bytes:
    """Return what X25519 makes of both keys; ProtocolError BAD_KEY when the public one is degenerate."""
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise ProtocolError(Reject.BAD_KEY, "a public key is degenerate or has a wrong size") from error


@final
@dataclass(frozen=True, slots=True)
class PublicIdentity:
    """The public halves of an identity, 32 bytes each."""

    signing: bytes
    channel: bytes

    def encode(self) -> bytes:
        """Return the 64 bytes that stand in a roster."""
        return self.signing + self.channel

    @classmethod
    def decode(cls, data: bytes) -> "PublicIdentity":
        """Return the identity in 64 bytes; WireError on another size."""
        if len(data) != 2 * KEY_BYTES:
            raise WireError(f"a public identity has {2 * KEY_BYTES} bytes, not {len(data)}")
        return cls(data[:KEY_BYTES], data[KEY_BYTES:])

    def signed(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` is this identity's signature of `message`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.signing).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@final
@dataclass(frozen=True, slots=True)
class Identity:
    """Both private keys of a client. Its repr shows the public half only."""

    public: PublicIdentity
    _signing: Ed25519PrivateKey = field(repr=False, compare=False)
    _channel: X25519PrivateKey = field(repr=False, compare=False)

    @classmethod
    def from_seed(cls, seed: bytes) -> "Identity":
        """Return the identity that 32 secret bytes decide."""
        if len(seed) != SEED_BYTES:
            raise ValueError(f"an identity's seed has {SEED_BYTES} bytes, not {len(seed)}")
        keys = hkdf(b"confidante identity", seed, b"", 2 * KEY_BYTES)
        signing = Ed25519PrivateKey.from_private_bytes(keys[:KEY_BYTES])
        channel = X25519PrivateKey.from_private_bytes(keys[KEY_BYTES:])
        public = PublicIdentity(
            signing.public_key().public_bytes_raw(), channel.public_key().public_bytes_raw()
        )
        return cls(public, signing, channel)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature of `message`."""
        return self._signing.sign(message)

    def agree(self, peer: PublicIdentity, how: Agreement = agree) -> bytes:
        """Return the 32 secret bytes that only this identity and `peer` can compute."""
        return how(self._channel, peer.channel)
