"""HTTP/1.1 as uvicorn speaks it, for a public address: nobody holds connections by saying little.

Of coordinator, relay, and the page of a device, which anybody on its machine may connect to.
"""

import asyncio
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, ClassVar, final

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from confidante.core.address_quota import AddressQuota

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

MOST_HEAD_BYTES = 32 << 10
MOST_OF_ONE = 256


@final
class RequestQuota:
    """ASGI middleware behind proxies: a share of the requests at a time for each address that they name.

    Proxies join everybody's requests in a few connections, so that connections cannot be counted by address.
    """

    def __init__(self, app: "ASGIApp", most: int = MOST_OF_ONE) -> None:
        """most: requests of one address at a time."""
        self._app, self._crowd = app, AddressQuota(most)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Hand a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        whose = self._crowd.enter(scope["client"][0] if scope["client"] else "")
        if whose is None:
            refused = Response(status_code=429, headers={"connection": "close", "retry-after": "1"})
            await refused(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._crowd.leave(whose)


class PublicHttpProtocol(HttpToolsProtocol):
    """One connection.

    It ends without an answer when a head is too long or comes drop by drop, or when its address has too many
    (but for named proxies: theirs are everybody's, and `RequestQuota` counts by whom they name); and with the
    answer when that comes before the body.
    head_seconds: from the first byte, or the last answer, until the head is whole. crowd: counts connections
    by address, and `crowded` is told the address that has too many.
    """

    crowd: ClassVar[AddressQuota] = AddressQuota(MOST_OF_ONE)
    head_seconds: ClassVar[float] = 20.0
    _whose: str | None = None
    _head: asyncio.TimerHandle | None = None
    _size = 0
    _whole = False

    @classmethod
    def limited(cls, crowd: AddressQuota, crowded: Callable[[str], None]) -> type["PublicHttpProtocol"]:
        """Return the same with a count of connections of its own."""
        return type(cls.__name__, (cls,), {"crowd": crowd, "crowded": staticmethod(crowded)})

    @staticmethod
    def crowded(_address: str) -> None:
        """Be told of an address that has too many connections."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first head."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._whose = "" if not self.client or self._is_proxy() else self.crowd.enter(self.client[0])
        if self._whose is None:
            self.crowded(self.client[0] if self.client else "")
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

    def _is_proxy(self) -> bool:
        named = self.config.forwarded_allow_ips
        if not (self.config.proxy_headers and self.client and named):
            return False
        at = ip_address(self.client[0].partition("%")[0])
        names = named.split(",") if isinstance(named, str) else named
        return any(name.strip() == "*" or at in ip_network(name.strip(), strict=False) for name in names)

    def _await_head(self) -> None:
        self._head = self.loop.call_later(self.head_seconds, self._give_up)

    def _give_up(self) -> None:
        self.transport.abort()

    def _stop(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None
