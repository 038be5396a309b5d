"""Masks: keystreams that hide a vector, and the single-use keys they come from.

A mask of `length` entries is the AES-128-CTR keystream of a key used for that mask and nothing else, its
first counter block the number 2 (big-endian), read as little-endian 32-bit words. That is AES-128-GCM of
zeros under a zero nonce without its tag, which OpenSSL computes twice as fast as CTR on processors with VAES.

Keys of a round come from the one-step derivation of NIST SP 800-56C Rev. 2 (section 4, option 1, SHA-512)
with the digest of the round's setup in its fixed information, so no key is ever the same in two rounds.
"""

import hashlib
import hmac
import struct

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

MASK_KEY_BYTES = 16
RECEIPT_BYTES = 16
_PAIR = struct.Struct("<II")
_CHUNK = 1 << 16  # entries expanded at a time: 256 KiB of keystream stay in the cache until they are added
_ZEROS = memoryview(bytes(4 * _CHUNK))
_NONCE = bytes(12)


def hkdf(salt: bytes, secret: bytes, info: bytes, size: int) -> bytes:
    """Return `size` (at most 64) bytes of HKDF-SHA512 (RFC 5869): what lasts longer than a round."""
    key = hmac.digest(salt, secret, "sha512")
    return hmac.digest(key, info + b"\x01", "sha512")[:size]


def round_key(secret: bytes, info: bytes, size: int) -> bytes:
    """Return `size` (at most 64) bytes: SHA-512(1 as u32 big-endian || secret || info), cut.

    One-step derivation of NIST SP 800-56C. `info` begins with a label of its purpose and the length of
    `secret` is fixed for each label.
    """
    return hashlib.sha512(b"\0\0\0\1" + secret + info).digest()[:size]


def pair_mask_key(digest: bytes, shared: bytes, low: int, high: int) -> bytes:
    """Return the mask key of the pair `low` < `high` from what their mask keys agreed on."""
    info = b"confidante pair mask" + digest + _PAIR.pack(low, high)
    return round_key(shared, info, MASK_KEY_BYTES)


def self_mask_key(digest: bytes, seed: bytes, owner: int) -> bytes:
    """Return the mask key that `owner` derives from its own 32-byte seed."""
    return round_key(seed, b"confidante self mask" + digest + owner.to_bytes(4, "little"), MASK_KEY_BYTES)


def receipt(key: bytes, owner: int, sharers: NDArray[np.bool_]) -> bytes:
    """Return what only `owner` and one neighbour can compute, and `owner` tells: "I masked with you".

    key: of the pair; sharers: bool [n], the clients that `owner` was told had sent shares.
    """
    info = b"confidante receipt" + owner.to_bytes(4, "little") + np.packbits(sharers).tobytes()
    return round_key(key, info, RECEIPT_BYTES)


class Masker:
    """Adds and subtracts masks in place, modulo 2^32; its one buffer is reused for every mask."""

    __slots__ = ("_buffer", "_view")

    def __init__(self) -> None:
        self._buffer = np.empty(_CHUNK, dtype="<u4")
        self._view = self._buffer.data.cast("B")

    def add(self, target: NDArray[np.uint32], key: bytes) -> None:
        """Add the mask of `key` to `target` (uint32 [length])."""
        self._apply(target, key, np.add)

    def subtract(self, target: NDArray[np.uint32], key: bytes) -> None:
        """Subtract the mask of `key` from `target` (uint32 [length])."""
        self._apply(target, key, np.subtract)

    def _apply(self, target: NDArray[np.uint32], key: bytes, operation: np.ufunc) -> None:
        stream = Cipher(algorithms.AES128(key), modes.GCM(_NONCE)).encryptor()
        for start in range(0, len(target), _CHUNK):
            part = target[start : start + _CHUNK]
            stream.update_into(_ZEROS[: 4 * len(part)], self._view)
            operation(part, self._buffer[: len(part)], out=part)


def expand_mask(key: bytes, length: int) -> NDArray[np.uint32]:
    """Return the mask of `key` as uint32 [length]."""
    mask = np.zeros(length, dtype=np.uint32)
    Masker().add(mask, key)
    return mask
