"""Requests and responses as bytes: the known-length form of Binary HTTP (RFC 9292), and nothing beside it.

Trailers are read and dropped; informational responses are refused. Padding (zeros at the end) may be added,
so that sizes fall into few classes.
"""

from dataclasses import dataclass
from typing import final

from confidante.core.errors import WireError

_REQUEST, _RESPONSE = 0, 1
_MOST_FIELDS = 64
Fields = tuple[tuple[bytes, bytes], ...]


@final
@dataclass(frozen=True, slots=True)
class BinaryRequest:
    """A request. fields: names in lower case, and values."""

    method: bytes
    scheme: bytes
    authority: bytes
    path: bytes
    fields: Fields = ()
    content: bytes = b""

    def encode(self, size: int = 0) -> bytes:
        """Return the bytes, padded to `size` if they are fewer."""
        head = b"".join(_text(one) for one in (self.method, self.scheme, self.authority, self.path))
        return _padded(varint(_REQUEST) + head + _section(self.fields) + _text(self.content), size)

    @classmethod
    def decode(cls, data: bytes) -> "BinaryRequest":
        """Return the request; WireError for anything else."""
        reader = _Reader(data)
        if reader.number() != _REQUEST:
            raise WireError("not a binary request of known length")
        method, scheme, authority, path = (reader.text() for _ in range(4))
        fields, content = reader.fields(), reader.text_or_nothing()
        reader.finish()
        return cls(method, scheme, authority, path, fields, content)


@final
@dataclass(frozen=True, slots=True)
class BinaryResponse:
    """A final response. status: 200 to 599."""

    status: int
    fields: Fields = ()
    content: bytes = b""

    def encode(self, size: int = 0) -> bytes:
        """Return the bytes, padded to `size` if they are fewer."""
        body = varint(_RESPONSE) + varint(self.status) + _section(self.fields) + _text(self.content)
        return _padded(body, size)

    @classmethod
    def decode(cls, data: bytes) -> "BinaryResponse":
        """Return the response; WireError for anything else."""
        reader = _Reader(data)
        if reader.number() != _RESPONSE:
            raise WireError("not a binary response of known length")
        status = reader.number()
        if not 200 <= status <= 599:
            raise WireError(f"a final response has a status from 200 to 599, not {status}")
        fields, content = reader.fields(), reader.text_or_nothing()
        reader.finish()
        return cls(status, fields, content)


def varint(value: int) -> bytes:
    """Return a number below 2^62 as RFC 9000, section 16, writes it."""
    for size, bits in ((1, 6), (2, 14), (4, 30), (8, 62)):
        if value < 1 << bits:
            return (value | (size.bit_length() - 1) << (8 * size - 2)).to_bytes(size, "big")
    raise WireError(f"{value} does not fit a variable-length number")


def _text(value: bytes) -> bytes:
    return varint(len(value)) + value


def _section(fields: Fields) -> bytes:
    return _text(b"".join(_text(name) + _text(value) for name, value in fields))


def _padded(data: bytes, size: int) -> bytes:
    return data + bytes(max(size - len(data), 0))


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self) -> int:
        first = self._take(1)[0]
        rest = self._take((1 << (first >> 6)) - 1)
        return int.from_bytes(bytes([first & 0x3F]) + rest, "big")

    def text(self) -> bytes:
        return self._take(self.number())

    def text_or_nothing(self) -> bytes:
        """Content that is left out at the end counts as empty (RFC 9292, section 3.8)."""
        return self.text() if self._at < len(self._data) else b""

    def fields(self) -> Fields:
        inner, found = _Reader(self.text_or_nothing()), list[tuple[bytes, bytes]]()
        while inner._at < len(inner._data):
            if len(found) == _MOST_FIELDS:
                raise WireError(f"more than {_MOST_FIELDS} header fields")
            found.append((inner.text(), inner.text()))
        return tuple(found)

    def finish(self) -> None:
        """Read and drop trailers, then take nothing but padding."""
        if self._at < len(self._data):
            self.fields()
        if self._data.count(0, self._at) != len(self._data) - self._at:
            raise WireError("something other than padding follows a binary message")

    def _take(self, size: int) -> bytes:
        found = self._data[self._at : self._at + size]
        if len(found) != size:
            raise WireError("a binary message is cut off")
        self._at += size
        return found
