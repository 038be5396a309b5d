"""How a device comes to wait for a round: tokens for whoever may have some, and the door that takes them.

A check-in is held until the device is seated, so that it learns of it at once and is known to be there; one
whose connection ends is drawn for no round. Where too many wait to be held, they ask again.
"""

import asyncio
import math
from collections.abc import Sequence
from functools import partial
from typing import Any, final

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from confidante.coordinator.http.app_state import AppState, Routes, packed
from confidante.coordinator.http.group_commit import Batched
from confidante.coordinator.http.request_body import RequestRefusedError, read_body
from confidante.coordinator.store.values import Joining, Spending
from confidante.core.errors import ProtocolError, WireError
from confidante.wire.rounds import (
    MOST_CHECK_IN_BYTES,
    MSGPACK,
    CheckedIn,
    CheckIn,
    Refusal,
    Refused,
    decode,
    read_check_in,
)
from confidante.wire.tokens import MOST_REQUEST_BYTES, TOKENS_PATH, TokenRequest

_PAUSE = 1.0  # seconds from one check-in that was held to the next
_COUNT_SECONDS = 1.0  # the pool may be above its limit by who comes in so long to other processes
_STATUS = {Refused.TOO_MANY.value: 429, Refused.VERIFIER_FAILED.value: 503}  # 403 for other reasons
_MOST_ASKING = 32  # requests for tokens at once; each takes milliseconds of computing


@final
class CheckInRoutes:
    """The door: who may wait, and which round a waiting device is seated in."""

    def __init__(self, app_state: AppState) -> None:
        self._app = app_state
        self._enrolments = app_state.settings.enrolments
        self._join = Batched(app_state.run, self._join_all)
        self._vanish = Batched(app_state.run, self._let_go)
        self._room, self._counted = dict[str, int](), -math.inf
        self._issuing = CapacityLimiter(1)  # so that check-ins and uploads always find a processor
        self.routes: Routes = (
            ("POST", "/v1/check-in", self.check_in),
            ("POST", TOKENS_PATH, self.tokens),
        )

    async def check_in(self, request: Request) -> Response:
        """Take a device into the pool, or say which round it is seated in."""
        data = await read_body(request, MSGPACK, MOST_CHECK_IN_BYTES, self._app.settings.body)
        self._app.metrics.received.inc(len(data))
        made, serving, seats = decode(data, CheckIn), self._app.settings, self._app.seats
        with seats.expected(made.seat) as seated:  # before it waits, so that no round is missed
            found = await self._join(data)
            if isinstance(found, Exception):
                raise found
            if found is not None:
                return packed(CheckedIn(0.0, found))
            if seats.waiting > serving.held:
                return packed(CheckedIn(serving.wait))
            return packed(CheckedIn(min(_PAUSE, serving.wait), await self._hold(request, made, seated)))

    async def _hold(
        self, request: Request, made: CheckIn, seated: "asyncio.Future[bytes | None]"
    ) -> bytes | None:
        """Return the round that a waiting device is seated in, None after a while; let it go if it leaves."""
        last = self._app.now()
        left = asyncio.create_task(_disconnected(request))
        try:
            await asyncio.wait(
                (seated, left), timeout=self._patience(request), return_when=asyncio.FIRST_COMPLETED
            )
            if left.done() and not seated.done():
                await self._vanish((made.identity, last))
        finally:
            left.cancel()
        return seated.result() if seated.done() else None

    def _patience(self, request: Request) -> float:
        """Return for how many seconds to hold a check-in: less where the device prefers so (RFC 7240)."""
        wish, _, seconds = request.headers.get("prefer", "").partition("=")
        longest = self._app.settings.wait
        return min(longest, float(seconds[:9])) if wish == "wait" and seconds.isdecimal() else longest

    def _let_go(self, gone: Sequence[tuple[bytes, float]]) -> Sequence[None]:
        self._app.store.pool.remove(gone)
        return [None] * len(gone)

    async def tokens(self, request: Request) -> Response:
        """Give anonymous tokens, as many as are due to whoever asks."""
        data = await read_body(request, MSGPACK, MOST_REQUEST_BYTES, self._app.settings.body)
        self._app.metrics.received.inc(len(data))
        asked = decode(data, TokenRequest)
        enrolment = self._enrolments.get(asked.population)
        if enrolment is None and asked.population not in self._app.settings.populations:
            raise RequestRefusedError(404, Refused.NO_POPULATION, "no such population is served here")
        if enrolment is None:
            raise RequestRefusedError(404, Refused.NO_SUCH_THING, "this population asks for no tokens")
        if self._issuing.statistics().tasks_waiting >= _MOST_ASKING:
            raise RequestRefusedError(
                503, Refused.BUSY, "too many requests for tokens just now: ask again later"
            )
        address = "" if request.client is None else request.client.host
        given = await to_thread.run_sync(partial(enrolment.issue, asked, address), limiter=self._issuing)
        if isinstance(given, Refusal):
            raise RequestRefusedError(_STATUS.get(given.reason, 403), given.reason, given.detail)
        return packed(given)

    def _join_all(self, asked: Sequence[bytes]) -> list[bytes | RequestRefusedError | WireError | None]:
        """Return the round that each device is seated in, None when it waits now, or why it does not."""
        store, joining, again = self._app.store, dict[int, Joining](), list[Joining]()
        found: list[bytes | RequestRefusedError | WireError | None] = [None] * len(asked)
        made: dict[int, CheckIn] = {}
        for place, data in enumerate(asked):
            try:
                made[place] = self._read(data)
            except (RequestRefusedError, WireError) as error:
                found[place] = error
        rounds, waiting = store.pool.known([one.identity for one in made.values()])
        for place, one in made.items():
            try:
                if one.identity in rounds:
                    found[place] = self._round_of(one, rounds[one.identity])
                elif one.identity in waiting:  # who waits has shown a token before
                    again.append(_joining(one))
                else:
                    joining[place] = _joining(one, self._spending(one))
            except RequestRefusedError as error:
                found[place] = error
        self._refuse_above(joining, found)
        if again:
            store.pool.see(again, self._app.now())
        if joining:
            fine = store.pool.admit(list(joining.values()), self._app.now())
            for place in (place for place, well in zip(joining, fine, strict=True) if not well):
                found[place] = RequestRefusedError(
                    403, Refused.SPENT_TOKEN, "this token was used before, by another or for another round"
                )
        if joining or again:
            self._app.wake()
        return found

    def _refuse_above(self, joining: dict[int, Joining], found: list[Any]) -> None:
        """Take out of `joining` whom the pool of an open population has no room for, and say so."""
        serving, now = self._app.settings, self._app.now()
        open_to_all = {place for place, one in joining.items() if one.spending is None}
        if open_to_all and not self._counted <= now < self._counted + _COUNT_SECONDS:
            sizes = self._app.store.pool.sizes()
            self._room = {name: serving.most_waiting - sizes.get(name, 0) for name in serving.populations}
            self._counted = now
        for place in sorted(open_to_all):
            name = joining[place].population
            if self._room[name] > 0:
                self._room[name] -= 1
                continue
            del joining[place]
            found[place] = RequestRefusedError(
                503, Refused.BUSY, f"{serving.most_waiting:,} devices wait already: ask again later"
            )

    def _read(self, data: bytes) -> CheckIn:
        try:
            made = read_check_in(data)
        except ProtocolError as error:
            raise RequestRefusedError(403, error.reason, str(error)) from error
        if made.population not in self._app.settings.populations:
            raise RequestRefusedError(404, Refused.NO_POPULATION, "no such population is served here")
        return made

    def _round_of(self, made: CheckIn, round_id: bytes) -> bytes | None:
        # Another seat: the device began anew while an earlier round runs, and waits for its end.
        return round_id if made.seat in self._app.round(round_id).places else None

    def _spending(self, made: CheckIn) -> Spending | None:
        """Return the token that a device is let in with, checked; None where none is asked for."""
        enrolment = self._enrolments.get(made.population)
        spending = None if enrolment is None else enrolment.redeem(made)
        if isinstance(spending, Refusal):
            raise RequestRefusedError(403, spending.reason, spending.detail)
        return spending


def _joining(made: CheckIn, spending: Spending | None = None) -> Joining:
    return Joining(made.population, made.identity, made.seat, made.tier.value, spending, made.purposes)


async def _disconnected(request: Request) -> None:
    """Return when the connection of a request whose body was read ends."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
