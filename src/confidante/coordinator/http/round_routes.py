"""What devices that sit in a round ask for and hand in."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import final

import anyio
from starlette.requests import Request
from starlette.responses import Response

from confidante.coordinator.http.app_state import (
    AppState,
    OpenRound,
    Routes,
    missed,
    no_round,
    packed,
    phase_of,
    refuse_over,
)
from confidante.coordinator.http.group_commit import Batched
from confidante.coordinator.http.request_body import RequestRefusedError, read_body
from confidante.coordinator.store.values import LEFT, Accepted, Late, Repeated, Sent, Standing, reached
from confidante.core.errors import ProtocolError, Reject, StoreError
from confidante.secagg.phases import Phase
from confidante.wire.rounds import (
    OCTETS,
    Ended,
    Refused,
    RoundOffer,
    check_message,
    message_sizes,
)

_NOTHING = "nothing"


@final
class RoundRoutes:
    """The messages of running rounds, and how they ended."""

    def __init__(self, app_state: AppState) -> None:
        self._app = app_state
        self._accept = Batched(app_state.run, self._keep)
        self.routes: Routes = (
            ("GET", "/v1/rounds/{id}/offer", self.offer),
            ("GET", "/v1/rounds/{id}/end", self.end),
            ("GET", "/v1/rounds/{id}/{phase}/in", self.incoming),
            ("PUT", "/v1/rounds/{id}/{phase}", self.take),
            ("DELETE", f"/v1/rounds/{{id}}/{Phase.ADVERTISE.word}", self.leave),
        )

    async def offer(self, request: Request) -> Response:
        """Say what a round is, to those who sit in it."""
        round_id, known, _index = await self._app.seated(request)
        state = await self._app.standing(round_id)
        if state is None:
            raise no_round()
        refuse_over(state)
        config, roster = known.setup.config, known.setup.roster
        return packed(
            RoundOffer(
                known.entry,
                config.encode(),
                b"".join(who.encode() for who in roster),
                known.plan,
                known.task,
                max(state.deadline - self._app.now(), 0.0),
            )
        )

    async def incoming(self, request: Request) -> Response:
        """Hand a device the message that opens a phase for it, as soon as there is one."""
        round_id, _known, index = await self._app.seated(request)
        phase = phase_of(request)
        if phase is Phase.ADVERTISE:
            raise RequestRefusedError(404, Refused.NO_SUCH_THING, "the first phase opens without a message")
        end = anyio.current_time() + self._app.settings.poll
        state, data = await self._app.run(partial(self._look, round_id, phase, index))
        while reached(state.phase) < phase:
            left = end - anyio.current_time()
            before = state.phase
            if left <= 0:
                return Response(status_code=204)
            await self._app.watch.beyond(round_id, before, left)
            state, data = await self._app.run(partial(self._look, round_id, phase, index))
            if state.phase == before:
                return Response(status_code=204)
        refuse_over(state)
        if reached(state.phase) > phase:
            raise RequestRefusedError(410, Refused.LATE, f"the round is at {state.phase}")
        if data is None:
            raise await self._app.run(partial(self._dropped, 410, round_id, index))
        self._app.metrics.sent.inc(len(data))
        return Response(data, media_type=OCTETS)

    def _look(self, round_id: bytes, phase: Phase, index: int) -> tuple[Standing, bytes | None]:
        """Return where a round stands, and what a device gets once it is at `phase`."""
        state = self._app.store.messages.standing(round_id, phase.name, index)
        if state is None:
            raise no_round()
        if state.incoming is None or reached(state.phase) is not phase:
            return state, None
        return state, self._app.bodies.get(state.incoming)

    def _dropped(self, status: int, round_id: bytes, index: int) -> RequestRefusedError:
        """Return why a device is out of a round that goes on."""
        why = self._app.store.rounds.refusal(round_id, index)
        if not why:
            return RequestRefusedError(
                status, Reject.DROPPED, "this device missed an earlier phase of the round"
            )
        return RequestRefusedError(
            status, why, "the protocol refused what this device said in an earlier phase"
        )

    async def take(self, request: Request) -> Response:
        """Take a device's message of the running phase, durably."""
        round_id, known, index = await self._app.seated(request)
        phase = phase_of(request)
        config = known.setup.config
        data = await read_body(request, OCTETS, message_sizes(config, phase)[1], self._app.settings.body)
        self._app.metrics.received.inc(len(data))
        sent = await self._app.run(partial(self._check, round_id, known, phase, index, data))
        return await self._answer(sent, phase)

    async def leave(self, request: Request) -> Response:
        """Let a device go that refuses the round: it is heard with nothing, so nobody waits for it."""
        round_id, _known, index = await self._app.seated(request)
        said = LEFT + round_id + index.to_bytes(4)  # of no other device's, as bodies go by their contents
        sent = await self._app.run(partial(self._write, round_id, Phase.ADVERTISE, index, said))
        return await self._answer(sent, Phase.ADVERTISE)

    async def _answer(self, sent: Sent, phase: Phase) -> Response:
        match await self._accept(sent):
            case Accepted():
                self._app.metrics.taken.labels(phase.word).inc()
                return Response(status_code=202)
            case Repeated(same=True):  # was counted when it was taken
                return Response(status_code=202)
            case Repeated():
                raise RequestRefusedError(
                    409, Reject.REPEATED, "another message of this phase was taken before"
                )
            case _:
                state = await self._app.standing(sent.round_id)
                raise no_round() if state is None else missed(state, phase)

    async def end(self, request: Request) -> Response:
        """Say how the round ended, as soon as it has."""
        round_id, _known, _index = await self._app.seated(request)
        end = anyio.current_time() + self._app.settings.poll
        state = await self._app.standing(round_id)
        while state is not None and reached(state.phase) < Phase.DONE:
            left = end - anyio.current_time()
            before = state.phase
            state = await self._app.watch.beyond(round_id, before, left) if left > 0 else state
            if state is None or state.phase == before:
                return Response(status_code=204)
        if state is None:
            raise no_round()
        return packed(Ended(reached(state.phase) is Phase.DONE, state.reason))

    def _check(self, round_id: bytes, known: OpenRound, phase: Phase, index: int, data: bytes) -> Sent:
        """Check a message and write its body, if it can still count, or raise RequestRefusedError."""
        try:
            check_message(known.setup, phase, index, data)
        except ProtocolError as error:
            raise RequestRefusedError(409, error.reason, str(error)) from error
        return self._write(round_id, phase, index, data)

    def _write(self, round_id: bytes, phase: Phase, index: int, data: bytes) -> Sent:
        """Write the body of a message that was checked, if it can still count, or refuse."""
        name = phase.name
        state = self._app.store.messages.standing(round_id, name, index)
        if state is None:
            raise no_round()
        if reached(state.phase) < phase:
            raise missed(state, phase)
        if phase is not Phase.ADVERTISE and state.incoming is None:
            raise self._dropped(409, round_id, index)
        over = reached(state.phase) > phase or self._app.now() >= state.deadline
        if over or state.said is not None:
            # Nothing is kept any more, but what was kept before is still acknowledged.
            return Sent(round_id, name, index, hashlib.sha256(data).digest(), len(data), _NOTHING)
        ref = self._app.bodies.write(data)
        return Sent(round_id, name, index, bytes.fromhex(ref), len(data), ref)

    def _keep(self, sent: Sequence[Sent]) -> list[Accepted | Repeated | Late]:
        """Keep messages whose bodies are written: first the names of these, then the rows that name them."""
        self._app.bodies.settle()
        verdicts = self._app.store.messages.accept(sent, self._app.now())
        if any(isinstance(one, Accepted) and one.complete for one in verdicts):
            self._app.wake()
        for one, verdict in zip(sent, verdicts, strict=True):
            # Another message of this device is kept, so no row names this one. One that is late may be on its
            # way through another process as well, which was in time: it is left to be swept.
            if verdict == Repeated(same=False) and one.ref != _NOTHING:
                with suppress(StoreError):
                    self._app.bodies.delete(one.ref)
        return verdicts
