"""What devices that sit in a round ask for and hand in."""

import hashlib
from functools import partial
from typing import final

import anyio
from starlette.requests import Request
from starlette.responses import Response

from confidante.coordinator.http.office import (
    Office,
    Routes,
    missed,
    no_round,
    packed,
    phase_of,
    place,
    refuse_over,
)
from confidante.coordinator.http.reading import RefusedError, read_body
from confidante.coordinator.store.values import PUBLISHED, Accepted, Repeated, RoundState
from confidante.core.errors import ProtocolError, Reject
from confidante.protocol.coordination import (
    OCTETS,
    PHASES,
    Ended,
    Offered,
    Refused,
    check_message,
    message_sizes,
)

_NOTHING = "nothing"


@final
class Rounds:
    """The messages of running rounds, and how they ended."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self.routes: Routes = (
            ("GET", "/v1/rounds/{id}/offer", self.offer),
            ("GET", "/v1/rounds/{id}/end", self.end),
            ("GET", "/v1/rounds/{id}/{phase}/in", self.incoming),
            ("PUT", "/v1/rounds/{id}/{phase}", self.take),
        )

    async def offer(self, request: Request) -> Response:
        """Say what a round is, to those who sit in it."""
        round_id, known, _index = await self._office.seated(request)
        state = await self._office.running(round_id)
        config, roster = known.setup.config, known.setup.roster
        return packed(
            Offered(
                known.entry,
                config.encode(),
                b"".join(who.encode() for who in roster),
                known.plan,
                known.task,
                max(state.deadline - self._office.now(), 0.0),
            )
        )

    async def incoming(self, request: Request) -> Response:
        """Hand a device the message that opens a phase for it, as soon as there is one."""
        round_id, _known, index = await self._office.seated(request)
        phase = phase_of(request)
        if phase == PHASES[0]:
            raise RefusedError(404, Refused.NO_SUCH_THING, "the first phase opens without a message")
        end = anyio.current_time() + self._office.serving.poll
        state: RoundState | None = await self._office.running(round_id)
        while state is not None and place(state.phase) < PHASES.index(phase):
            left = end - anyio.current_time()
            before = state.phase
            state = await self._office.watch.beyond(round_id, before, left) if left > 0 else state
            if state is None or state.phase == before:
                return Response(status_code=204)
        if state is None:
            raise no_round()
        refuse_over(state)
        if place(state.phase) > PHASES.index(phase):
            raise RefusedError(410, Refused.LATE, f"the round is at {state.phase}")

        def fetch() -> bytes | None:
            ref = self._office.store.outgoing(round_id, phase.upper(), index)
            return None if ref is None else self._office.bodies.get(ref)

        data = await self._office.run(fetch)
        if data is None:
            raise RefusedError(410, Reject.DROPPED, "this device missed an earlier phase of the round")
        self._office.metrics.sent.inc(len(data))
        return Response(data, media_type=OCTETS)

    async def take(self, request: Request) -> Response:
        """Take a device's message of the running phase, durably."""
        round_id, known, index = await self._office.seated(request)
        phase = phase_of(request)
        config = known.setup.config
        data = await read_body(request, OCTETS, message_sizes(config, phase)[1], self._office.serving.body)
        self._office.metrics.received.inc(len(data))
        try:
            await self._office.run(partial(check_message, known.setup, phase, index, data))
        except ProtocolError as error:
            raise RefusedError(409, error.reason, str(error)) from error
        answer = await self._office.run(partial(self._keep, round_id, phase, index, data))
        if answer is not None:
            raise answer
        self._office.metrics.taken.labels(phase).inc()
        return Response(status_code=202)

    async def end(self, request: Request) -> Response:
        """Say how the round ended, as soon as it has."""
        round_id, _known, _index = await self._office.seated(request)
        end = anyio.current_time() + self._office.serving.poll
        state = await self._office.state(round_id)
        while state is not None and place(state.phase) < len(PHASES):
            left = end - anyio.current_time()
            before = state.phase
            state = await self._office.watch.beyond(round_id, before, left) if left > 0 else state
            if state is None or state.phase == before:
                return Response(status_code=204)
        if state is None:
            raise no_round()
        return packed(Ended(state.phase == PUBLISHED, state.reason))

    def _keep(self, round_id: bytes, phase: str, index: int, data: bytes) -> RefusedError | None:
        """Keep a message; None when it is kept now or was before, else why not."""
        name, digest = phase.upper(), hashlib.sha256(data).digest()
        state = self._office.store.round(round_id)
        if state is None:
            return no_round()
        if place(state.phase) < PHASES.index(phase):
            return missed(state, phase)
        if phase != PHASES[0] and self._office.store.outgoing(round_id, name, index) is None:
            return RefusedError(409, Reject.DROPPED, "this device missed an earlier phase of the round")
        # Once a phase is over nothing is kept for it, but what was kept before is still acknowledged.
        ref = self._office.bodies.put(data) if place(state.phase) == PHASES.index(phase) else _NOTHING
        match self._office.store.accept(round_id, name, index, digest, len(data), ref, self._office.now()):
            case Accepted() | Repeated(same=True):
                return None
            case Repeated():
                return RefusedError(409, Reject.REPEATED, "another message of this phase was taken before")
            case _:
                return missed(self._office.store.round(round_id) or state, phase)
