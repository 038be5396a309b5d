"""Masks: keystreams that hide a vector, and the single-use keys they come from.

A mask of `length` entries is the AES-128-CTR keystream (counter block starts at zero) of a key used for that
mask and nothing else, read as little-endian 32-bit words. Keys come from HKDF-SHA512 (RFC 5869) with the
digest of the round's setup as salt, so no key is ever the same in two rounds.
"""

import hmac

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

MASK_KEY_BYTES = 16
_CHUNK = 1 << 16  # entries expanded at a time: 256 KiB of keystream stay in the cache until they are added
_ZEROS = memoryview(bytes(4 * _CHUNK))
_COUNTER = bytes(16)


def hkdf(salt: bytes, secret: bytes, info: bytes, size: int) -> bytes:
    """Return `size` (at most 64) bytes of HKDF-SHA512."""
    key = hmac.digest(salt, secret, "sha512")
    return hmac.digest(key, info + b"\x01", "sha512")[:size]


def pair_mask_key(digest: bytes, shared: bytes, low: int, high: int) -> bytes:
    """Return the mask key of the pair `low` < `high` from what their mask keys agreed on."""
    info = b"confidante pair mask" + low.to_bytes(4, "little") + high.to_bytes(4, "little")
    return hkdf(digest, shared, info, MASK_KEY_BYTES)


def self_mask_key(digest: bytes, seed: bytes, owner: int) -> bytes:
    """Return the mask key that `owner` derives from its own 32-byte seed."""
    return hkdf(digest, seed, b"confidante self mask" + owner.to_bytes(4, "little"), MASK_KEY_BYTES)


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
        stream = Cipher(algorithms.AES128(key), modes.CTR(_COUNTER)).encryptor()
        for start in range(0, len(target), _CHUNK):
            part = target[start : start + _CHUNK]
            stream.update_into(_ZEROS[: 4 * len(part)], self._view)
            operation(part, self._buffer[: len(part)], out=part)


def expand_mask(key: bytes, length: int) -> NDArray[np.uint32]:
    """Return the mask of `key` as uint32 [length]."""
    mask = np.zeros(length, dtype=np.uint32)
    Masker().add(mask, key)
    return mask
