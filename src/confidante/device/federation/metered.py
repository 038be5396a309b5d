"""Asks NetworkManager, over this machine's own message bus, whether the network costs by the byte.

Just enough of D-Bus (specification 0.43, "Message Protocol") for one question; nothing leaves this machine.
"""

import os
import socket
import struct
import time
from pathlib import Path

BUS = Path("/run/dbus/system_bus_socket")
_TIMEOUT = 2.0
_MOST_BYTES = 1 << 16
_MANAGER = "org.freedesktop.NetworkManager"
_CALL, _RETURN, _ERROR = 1, 2, 3


def metered(bus: Path = BUS) -> int | None:
    """Return NetworkManager's NMMetered (0 unknown, 1 yes, 2 no, 3 guessed yes, 4 guessed no), or None."""
    if not bus.exists() or not hasattr(socket, "AF_UNIX"):
        return None
    end = time.monotonic() + _TIMEOUT
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as spoken:
            spoken.settimeout(_TIMEOUT)
            spoken.connect(str(bus))
            spoken.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
            if not spoken.recv(512).startswith(b"OK "):
                return None
            spoken.sendall(b"BEGIN\r\n" + _call(1, "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello"))
            if _answer(spoken, end) is None:
                return None
            path = "/org/freedesktop/NetworkManager"
            asked = _text(_MANAGER) + _text("Metered")
            properties = "org.freedesktop.DBus.Properties"
            spoken.sendall(_call(2, path, _MANAGER, "Get", properties, asked))
            answer = _answer(spoken, end)
    except OSError:
        return None
    # A variant of one u32: its signature (1, "u", 0), padding to 4, the number.
    if answer is None or len(answer) != 8 or answer[:3] != b"\x01u\x00":
        return None
    return int(struct.unpack("<I", answer[4:])[0])


def _call(
    serial: int, path: str, destination: str, member: str, interface: str = "", body: bytes = b""
) -> bytes:
    """Return a method call. body: two strings, or nothing."""
    fields = b"\x08\x01g\x00\x02ss\x00" if body else b""  # the signature of the body
    fields += _field(1, "o", path) + _field(2, "s", interface or destination)
    fields += _field(3, "s", member) + struct.pack("<BBcB", 6, 1, b"s", 0) + _string(destination)
    head = struct.pack("<cBBBIII", b"l", _CALL, 0, 1, len(body), serial, len(fields))
    return _padded(head + fields, 8) + body


def _field(code: int, kind: str, value: str) -> bytes:
    """Return one header field, ended where the next may begin."""
    return _padded(struct.pack("<BBcB", code, 1, kind.encode(), 0) + _string(value), 8)


def _string(value: str) -> bytes:
    return struct.pack("<I", len(value)) + value.encode() + b"\0"


def _text(value: str) -> bytes:
    return _padded(_string(value), 4)


def _padded(data: bytes, size: int) -> bytes:
    return data + bytes(-len(data) % size)


def _answer(spoken: socket.socket, end: float) -> bytes | None:
    """Return the body of the next answer, passing by what is none; None for an error."""
    while time.monotonic() < end:
        head = _read(spoken, 16)
        order = {b"l": "<", b"B": ">"}.get(head[:1])
        if order is None:
            return None
        size, _serial, fields = struct.unpack(f"{order}III", head[4:])
        if size + fields > _MOST_BYTES:
            return None
        _read(spoken, fields + -fields % 8)
        body = _read(spoken, size)
        if head[1] == _RETURN:
            return body if order == "<" else None
        if head[1] == _ERROR:
            return None
    return None


def _read(spoken: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = spoken.recv(size - len(data))
        if not part:
            raise ConnectionError("the message bus hung up")
        data += part
    return data
