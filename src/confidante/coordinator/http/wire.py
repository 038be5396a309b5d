"""HTTP/1.1 as uvicorn speaks it, for a public address: nobody holds connections by saying little."""

import asyncio
import ipaddress
from collections import Counter
from typing import ClassVar, final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES = 32 << 10
HEAD_SECONDS = 20.0
MOST_OF_ONE = 256


@final
class Crowd:
    """Counts the connections of each network address; those of an IPv6 /64 are one's, who has all of it."""

    def __init__(self, most: int = MOST_OF_ONE) -> None:
        """most: how many one address may have open at a time."""
        self._most = most
        self._open: Counter[str] = Counter()

    def enter(self, address: str) -> str | None:
        """Return what to `leave` with later; None when the address has too many.

        This machine has no limit: a proxy, or a rehearsal.
        """
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return ""
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        if found.is_loopback:
            return ""
        whose = str(ipaddress.ip_network((found, 32 if found.version == 4 else 64), strict=False))
        if self._open[whose] >= self._most:
            return None
        self._open[whose] += 1
        return whose

    def leave(self, whose: str) -> None:
        """Count one less."""
        if whose:
            self._open[whose] -= 1
            if self._open[whose] <= 0:
                del self._open[whose]


@final
class Wire(HttpToolsProtocol):
    """One connection.

    It ends without an answer when a head is too long or comes drop by drop, or when its address has too many
    (unless proxies were named: theirs are everybody's); and with the answer when that comes before the body.
    """

    crowd: ClassVar[Crowd] = Crowd()
    _whose: str | None = None
    _head: asyncio.TimerHandle | None = None
    _size = 0
    _whole = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first head."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._whose = "" if self.config.proxy_headers or not self.client else self.crowd.enter(self.client[0])
        if self._whose is None:
            self._give_up()
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End all waiting."""
        self._stop()
        if self._whose is not None:
            self.crowd.leave(self._whose)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if not self._whole:
            self._size += len(data)
            if self._head is None:
                self._await_head()
        super().data_received(data)
        if not self._whole and self._size > MOST_HEAD_BYTES:
            self.transport.abort()

    def on_headers_complete(self) -> None:
        """Hand the request on."""
        self._whole = True
        self._stop()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Be ready for the head of the next request."""
        self._whole, self._size = False, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End the connection when nobody waited for all of the request: the rest may never come."""
        answered_early = not self.pipeline and self.cycle.more_body
        super().on_response_complete()
        if answered_early:
            self.transport.close()

    def _await_head(self) -> None:
        self._head = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self.transport.abort()

    def _stop(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None
