"""HTTP/1.1 as uvicorn speaks it, for a public address: nobody holds connections by saying little.

Of coordinator, relay, and the page of a device, which anybody on its machine may connect to.
"""

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from confidante.core.address_quota import AddressQuota

MOST_HEAD_BYTES = 32 << 10
MOST_OF_ONE = 256


class PublicHttpProtocol(HttpToolsProtocol):
    """One connection.

    It ends without an answer when a head is too long or comes drop by drop, or when its address has too many
    (unless proxies were named: theirs are everybody's); and with the answer when that comes before the body.
    head_seconds: from the first byte, or the last answer, until the head is whole.
    """

    crowd: ClassVar[AddressQuota] = AddressQuota(MOST_OF_ONE)
    head_seconds: ClassVar[float] = 20.0
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
        self._head = self.loop.call_later(self.head_seconds, self._give_up)

    def _give_up(self) -> None:
        self.transport.abort()

    def _stop(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None
