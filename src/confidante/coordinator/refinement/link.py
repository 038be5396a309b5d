"""What a coordinator and its scoring process say to each other, over a pair of sockets: frames with a head.

Both are this program, of one version, and trust each other; what a stranger sent is inside a frame's data.
"""

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

BUFFER_BYTES = 4 << 20

LOAD, ASK, DONE, REFUSED = range(4)
_HEAD = struct.Struct("<BHQ")  # kind, bytes of the name, bytes of the data


class LinkError(OSError):
    """The other end is gone."""


class Frame(NamedTuple):
    """kind: LOAD a table, ASK one, and the answers DONE or REFUSED; name: of the table."""

    kind: int
    name: str
    data: bytes


def send(link: socket.socket, kind: int, name: str, data: bytes) -> None:
    """Send one frame. Raises OSError."""
    said = name.encode()
    link.sendall(_HEAD.pack(kind, len(said), len(data)) + said)
    if data:
        link.sendall(data)


def receive(link: socket.socket) -> Frame:
    """Return the next frame. Raises OSError; LinkError when there is none any more."""
    kind, name, size = _HEAD.unpack(_taken(link, _HEAD.size))
    return Frame(kind, _taken(link, name).decode(), bytes(_taken(link, size)))


def frames(link: socket.socket) -> Iterator[Frame]:
    """Give frames until the other end is gone."""
    while True:
        try:
            yield receive(link)
        except LinkError:
            return


def _taken(link: socket.socket, size: int) -> bytearray:
    found = bytearray(size)
    view, at = memoryview(found), 0
    while at < size:
        got = link.recv_into(view[at:])
        if not got:
            raise LinkError("the other end closed the link")
        at += got
    return found
