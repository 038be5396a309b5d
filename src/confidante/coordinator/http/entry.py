"""How a device comes to wait for a round: tokens for whoever may have some, and the door that takes them."""

from collections.abc import Sequence
from functools import partial
from typing import final

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from confidante.coordinator.http.batching import Batched
from confidante.coordinator.http.office import Office, Routes, packed
from confidante.coordinator.http.reading import RefusedError, read_body
from confidante.coordinator.store.values import Joining
from confidante.core.errors import ProtocolError, WireError
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
        self._join = Batched(office.run, self._join_all)
        self._issuing = CapacityLimiter(1)  # so that check-ins and uploads always find a processor
        self.routes: Routes = (
            ("POST", "/v1/check-in", self.check_in),
            ("POST", TOKENS_PATH, self.tokens),
        )

    async def check_in(self, request: Request) -> Response:
        """Take a device into the pool, or say which round it is seated in."""
        data = await read_body(request, MSGPACK, MOST_CHECK_IN_BYTES, self._office.serving.body)
        self._office.metrics.received.inc(len(data))
        found = await self._join(data)
        if isinstance(found, Exception):
            raise found
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

    def _join_all(self, asked: Sequence[bytes]) -> list[bytes | RefusedError | WireError | None]:
        """Return the round that each device is seated in, None when it waits now, or why it does not."""
        store, joining = self._office.store, dict[int, Joining]()
        found: list[bytes | RefusedError | WireError | None] = [None] * len(asked)
        made: dict[int, CheckIn] = {}
        for place, data in enumerate(asked):
            try:
                made[place] = self._read(data)
            except (RefusedError, WireError) as error:
                found[place] = error
        rounds, waiting = store.known([one.identity for one in made.values()])
        for place, one in made.items():
            try:
                if one.identity in rounds:
                    found[place] = self._round_of(one, rounds[one.identity])
                elif one.identity not in waiting:  # who waits has shown a token before
                    joining[place] = self._joining(one)
            except RefusedError as error:
                found[place] = error
        if joining:
            fine = store.admit(list(joining.values()), self._office.now())
            for place in (place for place, well in zip(joining, fine, strict=True) if not well):
                found[place] = RefusedError(
                    403, Refused.SPENT_TOKEN, "this token was used before, by another or for another round"
                )
        return found

    def _read(self, data: bytes) -> CheckIn:
        try:
            made = read_check_in(data)
        except ProtocolError as error:
            raise RefusedError(403, error.reason, str(error)) from error
        if made.population not in self._office.serving.populations:
            raise RefusedError(404, Refused.NO_POPULATION, "no such population is served here")
        return made

    def _round_of(self, made: CheckIn, round_id: bytes) -> bytes | None:
        # Another seat: the device began anew while an earlier round runs, and waits for its end.
        return round_id if made.seat in self._office.round(round_id).places else None

    def _joining(self, made: CheckIn) -> Joining:
        """Return what a device is let in with, its token checked."""
        enrolment = self._enrolments.get(made.population)
        spending = None if enrolment is None else enrolment.redeem(made)
        if isinstance(spending, Refusal):
            raise RefusedError(403, spending.reason, spending.detail)
        return Joining(made.population, made.identity, made.seat, made.tier.value, spending)
