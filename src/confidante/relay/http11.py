"""HTTP/1.1 as uvicorn speaks it, for a public address: a connection that sends no whole head is ended."""

import asyncio
from typing import Any, final

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEAD_SECONDS = 10.0

_Base: Any = AutoHTTPProtocol  # by httptools where that is installed, else by h11


@final
class RelayProtocol(_Base):  # type: ignore[misc]
    """One connection. Its client has `HEAD_SECONDS` from its first byte, or the last answer, to a head."""

    _waits: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        if self._answering():
            self._stop()
        elif self._waits is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """End all waiting."""
        self._stop()
        super().connection_lost(exc)

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._waits = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._end)

    def _stop(self) -> None:
        if self._waits is not None:
            self._waits.cancel()
            self._waits = None

    def _end(self) -> None:
        self._waits = None
        if not self._answering():
            self.transport.abort()
