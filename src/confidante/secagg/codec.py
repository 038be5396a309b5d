"""What goes over the wire. Every message is a header of 38 bytes and a body whose size the round decides.

Header: version u8 (3), type u8, sender u32 (a client's index, or 2^32 - 1 for the server), round_id 32 bytes.
All integers are little-endian. Nothing is optional, nothing may follow. The bodies:

| type | from | body |
|---|---|---|
| 1 ADVERT | client | mask key 32, commitment to the self-mask seed 32, signature 64 |
| 2 ADVERTS | server | one flag a neighbour (who advertised), mask key 32 of each of those |
| 3 SHARES | client | a sealed pair of shares 80 for each neighbour that advertised |
| 4 INBOX | server | one flag a client of the roster (who sent shares), the sealed pair 80 of our neighbours |
| 5 MASKED | client | a receipt 16 for each neighbour in the inbox, the masked vector, `bits` bits an entry |
| 6 SURVIVORS | server | one flag a client of the roster (whose vector is in the sum), receipts for us 16 |
| 7 CONFIRMATION | client | signature 64 of the setup's digest, who sent shares and the survivors |
| 8 CONFIRMATIONS | server | one flag a client of the roster (who confirmed), signature 64 of each of those |
| 9 REVEAL | client | a share 32 of each neighbour in its inbox: of a survivor's seed, else of the mask key |

The server joins the receipts that surviving neighbours wrote for a client by exclusive or: all or none count.
There is no message in which both shares of one peer could be asked for: the survivors' flags decide which.
"""

import struct
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import ProtocolError, Reject, WireError
from confidante.crypto.identity import KEY_BYTES, SIGNATURE_BYTES
from confidante.crypto.shamir import SHARE_BYTES
from confidante.secagg.packing import pack_flags, unpack_flags
from confidante.secagg.phases import Phase

VERSION = 3
SERVER = 0xFFFFFFFF
COMMITMENT_BYTES = 32
SEALED_BYTES = 2 * SHARE_BYTES + 16
ADVERT_BYTES = KEY_BYTES + COMMITMENT_BYTES + SIGNATURE_BYTES
_HEADER = struct.Struct("<BBI32s")
HEADER_BYTES = _HEADER.size


class Kind(IntEnum):
    """The type tag of a message."""

    ADVERT = 1
    ADVERTS = 2
    SHARES = 3
    INBOX = 4
    MASKED = 5
    SURVIVORS = 6
    CONFIRMATION = 7
    CONFIRMATIONS = 8
    REVEAL = 9


SENT_IN: Mapping[Phase, Kind] = MappingProxyType(
    {
        Phase.ADVERTISE: Kind.ADVERT,
        Phase.SHARE: Kind.SHARES,
        Phase.MASK: Kind.MASKED,
        Phase.CONFIRM: Kind.CONFIRMATION,
        Phase.REVEAL: Kind.REVEAL,
    }
)
"""The one kind of message that a client sends in a phase."""

OPENED_BY: Mapping[Phase, Kind] = MappingProxyType(
    {
        Phase.SHARE: Kind.ADVERTS,
        Phase.MASK: Kind.INBOX,
        Phase.CONFIRM: Kind.SURVIVORS,
        Phase.REVEAL: Kind.CONFIRMATIONS,
    }
)
"""The message of the server that opens a phase; the first opens without one."""


def frame(kind: Kind, sender: int, round_id: bytes, *body: bytes) -> bytes:
    """Return a whole message."""
    return b"".join((_HEADER.pack(VERSION, kind, sender, round_id), *body))


def open_frame(data: bytes, sender: int, round_id: bytes) -> tuple[Kind, memoryview]:
    """Return the type and body of a message that must come from `sender` and belong to `round_id`.

    Raises WireError when it is malformed, ProtocolError FOREIGN or WRONG_ROUND when it is someone else's.
    """
    if len(data) < HEADER_BYTES:
        raise WireError(f"a message has at least {HEADER_BYTES} bytes, this one {len(data)}")
    version, tag, claimed, claimed_round = _HEADER.unpack_from(data)
    if version != VERSION:
        raise WireError(f"message version {version} is not {VERSION}: both sides must speak the same one")
    if tag not in Kind.__members__.values():
        raise WireError(f"message type {tag} does not exist")
    if claimed != sender:
        raise ProtocolError(Reject.FOREIGN, f"the message says it is from {claimed}, but {sender} sent it")
    if claimed_round != round_id:
        raise ProtocolError(Reject.WRONG_ROUND, "the message belongs to another round")
    return Kind(tag), memoryview(data)[HEADER_BYTES:]


def records(body: memoryview, count: int, size: int) -> NDArray[np.uint8]:
    """Return a body of exactly `count` records of `size` bytes as uint8 [count, size]; else WireError."""
    if len(body) != count * size:
        raise WireError(f"expected {count} records of {size} bytes, {count * size} in all, not {len(body)}")
    return np.frombuffer(body, dtype=np.uint8).reshape(count, size)


def flagged(flags: NDArray[np.bool_], rows: NDArray[np.uint8]) -> bytes:
    """Return flags and the records (uint8 [flags set, size]) of those set."""
    return pack_flags(flags) + rows.tobytes()


def open_flagged(body: memoryview, count: int, size: int) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Return (flags bool [count], records uint8 [flags set, size]); WireError when malformed."""
    cut = (count + 7) // 8
    flags = unpack_flags(body[:cut], count)
    return flags, records(body[cut:], int(flags.sum()), size)


def open_inbox(
    body: memoryview, count: int, neighbours: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Return (who of all sent shares, bool [count]; what the neighbours among them sealed, uint8 [., 80])."""
    cut = (count + 7) // 8
    sharers = unpack_flags(body[:cut], count)
    return sharers, records(body[cut:], int(sharers[neighbours].sum()), SEALED_BYTES)


def advert_statement(digest: bytes, client: int, mask_key: bytes, commitment: bytes) -> bytes:
    """Return what a client signs when it advertises."""
    return b"confidante advert 1\n" + digest + struct.pack("<I", client) + mask_key + commitment


def survivors_statement(digest: bytes, sharers: NDArray[np.bool_], survivors: NDArray[np.bool_]) -> bytes:
    """Return what every survivor signs: who sent shares, so with whom it masked, and whose vectors count."""
    return b"confidante survivors 2\n" + digest + pack_flags(sharers) + pack_flags(survivors)
