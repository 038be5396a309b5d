"""How a device comes to wait for a round."""

from typing import final

from starlette.requests import Request
from starlette.responses import Response

from confidante.coordinator.http.office import Office, Routes, packed
from confidante.coordinator.http.reading import RefusedError, read_body
from confidante.core.errors import ProtocolError
from confidante.protocol.coordination import (
    MOST_CHECK_IN_BYTES,
    MSGPACK,
    CheckedIn,
    Refused,
    read_check_in,
)


@final
class Entry:
    """The door: who may wait, and which round a waiting device is seated in."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self.routes: Routes = (("POST", "/v1/check-in", self.check_in),)

    async def check_in(self, request: Request) -> Response:
        """Take a device into the pool, or say which round it is seated in."""
        data = await read_body(request, MSGPACK, MOST_CHECK_IN_BYTES, self._office.serving.body)
        self._office.metrics.received.inc(len(data))
        try:
            made = read_check_in(data)
        except ProtocolError as error:
            raise RefusedError(403, error.reason, str(error)) from error
        if made.population not in self._office.serving.populations:
            raise RefusedError(404, Refused.NO_POPULATION, "no such population is served here")

        def join() -> bytes | None:
            seated = self._office.store.seat_of(made.identity)
            if seated is None:
                if self._office.store.waiting(made.identity) is None:
                    self._office.store.pool_join(
                        made.population, made.identity, made.seat, self._office.now()
                    )
                return None
            # Another seat: the device began anew while an earlier round runs, and waits for its end.
            return seated[0] if made.seat in self._office.round(seated[0]).places else None

        return packed(CheckedIn(self._office.serving.wait, await self._office.run(join)))
