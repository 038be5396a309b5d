"""Connections to the page's server: those that say nothing take nobody's place."""

import asyncio
from typing import ClassVar, final

from confidante.core.address_quota import AddressQuota
from confidante.wire.http11 import PublicHttpProtocol

CONNECTIONS = 100
"""How many may be open at once; the next is told 503."""

MOST_IDLE = 50
"""How many may be between two requests; of more, the one that has been for longest is closed."""


@final
class LocalHttpProtocol(PublicHttpProtocol):
    """One connection.

    Anybody on this machine may connect, and needs no key to keep a connection open. So whoever is the next to
    come makes room for itself: it says at once what it wants, and those that are closed for it had not.
    """

    head_seconds = 5.0
    crowd = AddressQuota(CONNECTIONS)
    _idle: ClassVar[dict["LocalHttpProtocol", None]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, and close the oldest idle one of too many."""
        super().connection_made(transport)
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._idle.pop(self, None)
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """Begin to answer: a request that runs is not idle."""
        self._idle.pop(self, None)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._rest()

    def _rest(self) -> None:
        self._idle[self] = None
        while len(self._idle) > MOST_IDLE:
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            oldest.transport.abort()
