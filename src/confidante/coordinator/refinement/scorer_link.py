"""What a coordinator and its scoring process say to each other, over a pair of sockets: frames with a head.

Both are this program, of one version, and trust each other; what a stranger sent is inside a frame's data.
"""

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from confidante.wire.refinement import MOST_ANSWER_BYTES, MOST_QUESTION_BYTES

BUFFER_BYTES = 4 << 20

LOAD, ASK, DONE, REFUSED = range(4)
_MOST = {LOAD: 1 << 30, ASK: MOST_QUESTION_BYTES, DONE: MOST_ANSWER_BYTES, REFUSED: 1 << 16}
_HEAD = struct.Struct("<BHQ")  # kind, bytes of the name, bytes of the data
_SIZE = struct.Struct("<Q")


class LinkError(OSError):
    """The other end is gone, or of no use."""


class Frame(NamedTuple):
    """kind: LOAD a table, ASK one, and the answers DONE or REFUSED; name: of the table."""

    kind: int
    name: str
    data: bytes


def size_out(size: int) -> bytes:
    """Return the data of a frame that says a size."""
    return _SIZE.pack(size)


def size_in(frame: Frame) -> int:
    """Return the size that a frame says; LinkError when it says none."""
    if frame.kind != DONE or len(frame.data) != _SIZE.size:
        raise LinkError("the other process sent a message that is not valid here")
    return int(_SIZE.unpack(frame.data)[0])


def send(link: socket.socket, kind: int, name: str, data: bytes) -> None:
    """Send one frame. Raises OSError."""
    said = name.encode()
    link.sendall(_HEAD.pack(kind, len(said), len(data)) + said)
    if data:
        link.sendall(data)


def receive(link: socket.socket) -> Frame:
    """Return the next frame. Raises OSError; LinkError when there is none any more, or it has no bounds."""
    kind, name, size = _HEAD.unpack(_taken(link, _HEAD.size))
    if size > _MOST.get(kind, -1):  # a process that was upset may say anything
        raise LinkError("the other process sent a message that is not valid here")
    return Frame(kind, _taken(link, name).decode(errors="replace"), bytes(_taken(link, size)))


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
