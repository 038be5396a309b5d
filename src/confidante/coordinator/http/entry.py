"""How a device comes to wait for a round: tokens for whoever may have some, and the door that takes them."""

from functools import partial
from typing import final

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from confidante.coordinator.http.office import Office, Routes, packed
from confidante.coordinator.http.reading import RefusedError, read_body
from confidante.coordinator.store.values import Spent
from confidante.core.errors import ProtocolError
from confidante.protocol.coordination import (
    MOST_CHECK_IN_BYTES,
    MSGPACK,
    CheckedIn,
    CheckIn,
    Refusal,
    Refused,
    decode,
    read_check_in,
)
from confidante.protocol.tokens import MOST_REQUEST_BYTES, TOKENS_PATH, TokenRequest

_MOST_ASKING = 32  # requests for tokens at once; each takes milliseconds of computing


@final
class Entry:
    """The door: who may wait, and which round a waiting device is seated in."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._enrolments = office.serving.enrolments
        self._issuing = CapacityLimiter(1)  # so that check-ins and uploads always find a processor
        self.routes: Routes = (
            ("POST", "/v1/check-in", self.check_in),
            ("POST", TOKENS_PATH, self.tokens),
        )

    async def check_in(self, request: Request) -> Response:
        """Take a device into the pool, or say which round it is seated in."""
        data = await read_body(request, MSGPACK, MOST_CHECK_IN_BYTES, self._office.serving.body)
        self._office.metrics.received.inc(len(data))
        found = await self._office.run(partial(self._join, data))
        return packed(CheckedIn(self._office.serving.wait, found))

    async def tokens(self, request: Request) -> Response:
        """Give anonymous tokens, as many as are due to whoever asks."""
        data = await read_body(request, MSGPACK, MOST_REQUEST_BYTES, self._office.serving.body)
        self._office.metrics.received.inc(len(data))
        asked = decode(data, TokenRequest)
        if asked.population not in self._office.serving.populations:
            raise RefusedError(404, Refused.NO_POPULATION, "no such population is served here")
        enrolment = self._enrolments.get(asked.population)
        if enrolment is None:
            raise RefusedError(404, Refused.NO_SUCH_THING, "this population asks for no tokens")
        if self._issuing.statistics().tasks_waiting >= _MOST_ASKING:
            raise RefusedError(503, Refused.BUSY, "too many ask for tokens just now: ask again later")
        address = "" if request.client is None else request.client.host
        given = await to_thread.run_sync(partial(enrolment.issue, asked, address), limiter=self._issuing)
        if isinstance(given, Refusal):
            raise RefusedError(429 if given.reason == Refused.TOO_MANY else 403, given.reason, given.detail)
        return packed(given)

    def _join(self, data: bytes) -> bytes | None:
        """Return the round that a device is seated in, None when it waits now; RefusedError otherwise."""
        try:
            made = read_check_in(data)
        except ProtocolError as error:
            raise RefusedError(403, error.reason, str(error)) from error
        store = self._office.store
        if made.population not in self._office.serving.populations:
            raise RefusedError(404, Refused.NO_POPULATION, "no such population is served here")
        seated = store.seat_of(made.identity)
        if seated is not None:
            # Another seat: the device began anew while an earlier round runs, and waits for its end.
            return seated[0] if made.seat in self._office.round(seated[0]).places else None
        if store.waiting(made.identity) is None:  # who waits has shown a token before
            self._admit(made)
        return None

    def _admit(self, made: CheckIn) -> None:
        store, now = self._office.store, self._office.now()
        enrolment = self._enrolments.get(made.population)
        if enrolment is None:
            store.pool_join(made.population, made.identity, made.seat, now, made.tier.value)
            return
        spending = enrolment.redeem(made)
        if isinstance(spending, Refusal):
            raise RefusedError(403, spending.reason, spending.detail)
        admitted = store.tokens.admit(
            made.population, made.identity, made.seat, spending, now, made.tier.value
        )
        if isinstance(admitted, Spent):
            raise RefusedError(
                403, Refused.SPENT_TOKEN, "this token was used before, by another or for another round"
            )
