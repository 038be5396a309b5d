"""Integers of b bits, packed without gaps.

The packed form is one little-endian bit stream: bit `j` of entry `i` is bit `(i*b + j) % 8` of byte
`(i*b + j) // 8`. Bits after the last entry are zero, and a packing where they are not is refused.
"""

from math import gcd

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import PlanError, WireError

MIN_BITS = 8
MAX_BITS = 32


def packed_size(length: int, bits: int) -> int:
    """Return the number of bytes that `length` entries of `bits` bits take."""
    return (length * bits + 7) // 8


def pack(values: NDArray[np.uint32], bits: int) -> bytes:
    """Return `values` (uint32 [length], each below 2^bits) as a bit stream of `bits` bits an entry.

    Raises PlanError when `bits` is outside 8..32 or a value does not fit.
    """
    _check_bits(bits)
    length = len(values)
    if length and int(values.max()) >> bits:
        raise PlanError(
            f"cannot pack {int(values.max())} in {bits} bits: reduce entries modulo 2^{bits} first"
        )
    if bits in (8, 16, 32):
        return values.astype(f"<u{bits // 8}").tobytes()
    if bits == 24:  # whole bytes: column by column is several times faster than the general way
        octets = values.astype("<u4").view(np.uint8).reshape(length, 4)
        narrow = np.empty((length, 3), dtype=np.uint8)
        for column in range(3):
            narrow[:, column] = octets[:, column]
        return narrow.tobytes()
    period, width = _period(bits)
    groups = -(-length // period)
    padded = np.zeros(groups * period, dtype=np.uint32)
    padded[:length] = values
    lanes = np.ascontiguousarray(padded.reshape(groups, period).T)  # [period, groups]
    words = np.zeros((width, groups), dtype=np.uint32)
    for lane in range(period):
        word, shift = divmod(lane * bits, 32)
        words[word] |= lanes[lane] << np.uint32(shift)
        if shift + bits > 32:
            words[word + 1] |= lanes[lane] >> np.uint32(32 - shift)
    stream = np.ascontiguousarray(words.T).astype("<u4", copy=False).tobytes()  # [groups, width]
    return stream[: packed_size(length, bits)]


def unpack(data: bytes | memoryview, length: int, bits: int) -> NDArray[np.uint32]:
    """Return the `length` entries packed in `data`, as uint32 [length].

    Raises WireError when the size is not exactly right or a padding bit is set.
    """
    _check_bits(bits)
    size = packed_size(length, bits)
    if len(data) != size:
        raise WireError(f"{length} entries of {bits} bits take {size} bytes, not {len(data)}")
    if (spare := size * 8 - length * bits) and data[-1] >> (8 - spare):
        raise WireError(f"the {spare} padding bits after entry {length} must be zero")
    if bits in (8, 16, 32):
        return np.frombuffer(data, dtype=f"<u{bits // 8}").astype(np.uint32)
    low = np.uint32((1 << bits) - 1)
    if bits == 24:  # a word at every third byte, whose top byte belongs to the next entry
        return np.ndarray(length, dtype="<u4", buffer=bytes(data) + b"\0", strides=(3,)) & low
    period, width = _period(bits)
    groups = -(-length // period)
    stream = np.zeros(groups * width * 4, dtype=np.uint8)
    stream[:size] = np.frombuffer(data, dtype=np.uint8)
    words = np.ascontiguousarray(stream.view("<u4").astype(np.uint32, copy=False).reshape(groups, width).T)
    lanes = np.empty((period, groups), dtype=np.uint32)
    for lane in range(period):
        word, shift = divmod(lane * bits, 32)
        np.right_shift(words[word], np.uint32(shift), out=lanes[lane])
        if shift + bits > 32:
            lanes[lane] |= words[word + 1] << np.uint32(32 - shift)
    lanes &= low
    return np.ascontiguousarray(lanes.T).reshape(-1)[:length]  # [length]


def centred(values: NDArray[np.uint32], bits: int) -> NDArray[np.int64]:
    """Return residues modulo 2^bits as int64 [length] in [-2^(bits-1), 2^(bits-1))."""
    _check_bits(bits)
    half = np.int64(1 << (bits - 1))
    residues = values.astype(np.int64) & np.int64((1 << bits) - 1)
    return ((residues + half) & np.int64((1 << bits) - 1)) - half


def _period(bits: int) -> tuple[int, int]:
    """Return how many entries fill how many 32-bit words exactly."""
    common = gcd(bits, 32)
    return 32 // common, bits // common


def _check_bits(bits: int) -> None:
    if not MIN_BITS <= bits <= MAX_BITS:
        raise PlanError(f"entries of {bits} bits are not supported: choose {MIN_BITS} to {MAX_BITS}")


def pack_flags(flags: NDArray[np.bool_]) -> bytes:
    """Return one bit a flag, first flag in the lowest bit of the first byte, padding bits zero."""
    return np.packbits(flags, bitorder="little").tobytes()


def unpack_flags(data: bytes | memoryview, count: int) -> NDArray[np.bool_]:
    """Return the `count` flags in `data`, bool [count]; WireError on a wrong size or a set padding bit."""
    if len(data) != (count + 7) // 8:
        raise WireError(f"{count} flags take {(count + 7) // 8} bytes, not {len(data)}")
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little")
    if bits[count:].any():
        raise WireError(f"the padding bits after flag {count} must be zero")
    return bits[:count].astype(np.bool_)
