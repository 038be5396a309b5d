"""Just enough of HTTP/1.1 over TCP to be a device that keeps a connection, misbehaves, or is cut off."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final
from urllib.parse import urlsplit

_MOST_HEAD = 64 << 10


class LostConnectionError(Exception):
    """There is no answer: nobody listens, or the connection ended before it."""


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@final
class Connection:
    """A connection to one of some addresses, made when needed and kept; the next address after a failure."""

    def __init__(self, urls: Sequence[str], first: int = 0) -> None:
        """urls: http://<host>:<port> of each; first: which to begin with."""
        self._places = [(part.hostname or "127.0.0.1", part.port or 80) for part in map(urlsplit, urls)]
        self._at = first
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Send one request and return the answer; LostConnectionError when there is none."""
        host, port = self._places[self._at % len(self._places)]
        lines = [f"{method} {path} HTTP/1.1", f"host: {host}:{port}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            if self._open is None:
                self._open = await asyncio.open_connection(host, port, limit=_MOST_HEAD)
            reader, writer = self._open
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            await writer.drain()
            answer = await _read(reader)
        except (OSError, EOFError, ValueError) as error:
            await self.close()
            self._at += 1
            raise LostConnectionError(f"{host}:{port} does not answer ({error})") from error
        except asyncio.CancelledError:
            self.cut()
            raise
        if answer.headers.get("connection", "").lower() == "close":
            await self.close()
        return answer

    def cut(self) -> None:
        """End the connection at once, whatever is under way."""
        if self._open is not None:
            self._open[1].transport.abort()
            self._open = None

    async def close(self) -> None:
        """End the connection."""
        if self._open is None:
            return
        _, writer = self._open
        self._open = None
        writer.close()
        try:
            await writer.wait_closed()
        except OSError:
            return


async def _read(reader: asyncio.StreamReader) -> Answer:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError as error:
        raise ValueError("the head of an answer has no end") from error
    first, *rest = head.rstrip().split("\r\n")
    pairs = (line.partition(":") for line in rest)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    status = int(first.split()[1])
    size = 0 if status in (204, 304) else int(headers.get("content-length", "0"))
    return Answer(status, headers, await reader.readexactly(size))
