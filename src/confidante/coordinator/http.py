"""What a coordinator answers over HTTP. It keeps nothing: any process of any host answers any request.

Nothing is logged of a request. A seat is shown once a round and belongs to that round alone, so what comes
in for one round says nothing of another; `confidante.protocol.coordination` has the shapes.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, TypeVar, final

import anyio
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from confidante.coordinator.bodies import Bodies
from confidante.coordinator.metrics import CONTENT_TYPE, Metrics
from confidante.coordinator.reading import RefusedError, read_body
from confidante.coordinator.store import Store
from confidante.coordinator.store.values import PUBLISHED, Accepted, Repeated, RoundState
from confidante.coordinator.waiting import Watch
from confidante.core.errors import ProtocolError, Reject, StoreError, WireError
from confidante.protocol.config import RoundConfig, RoundSetup
from confidante.protocol.coordination import (
    MOST_CHECK_IN_BYTES,
    MSGPACK,
    OCTETS,
    PHASES,
    CheckedIn,
    Ended,
    Logged,
    Offered,
    Refusal,
    Refused,
    check_message,
    decode,
    encode,
    message_sizes,
    read_check_in,
    seat_digest,
)
from confidante.protocol.identity import PublicIdentity

T = TypeVar("T")
Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]

_KNOWN_ROUNDS = 64
_LOG_PAGE = 100
_NOTHING = "nothing"
_RANGE = re.compile(r"bytes=([0-9]{1,15})-([0-9]{0,15})")


@final
@dataclass(frozen=True, slots=True)
class Serving:
    """How requests are answered.

    populations: whose devices may check in. operator_key: what `/metrics` asks for as a bearer token (empty:
    it is closed). wait: seconds after which a waiting device asks again; poll, body: seconds that a long poll
    and a body may take; interval: between two looks at a round that somebody waits for; threads: how many may
    use the database at once.
    """

    populations: Collection[str]
    operator_key: str = field(default="", repr=False)
    wait: float = 5.0
    poll: float = 10.0
    body: float = 20.0
    interval: float = 0.05
    threads: int = 8


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Round:
    """What of a round never changes. places: index by seat digest."""

    setup: RoundSetup
    places: Mapping[bytes, int]
    plan: bytes
    task: bytes


@final
class Coordinator:
    """The answers of one process. `app` is to be served; `close` lets its long polls go."""

    def __init__(
        self,
        store: Store,
        bodies: Bodies,
        serving: Serving,
        metrics: Metrics | None = None,
        *,
        lifespan: Lifespan | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._bodies, self._serving, self._now = store, bodies, serving, now
        self.metrics = metrics or Metrics()
        self._limiter = CapacityLimiter(serving.threads)
        self._watch = Watch(self._state, interval=serving.interval)
        self._round = lru_cache(_KNOWN_ROUNDS)(self._look_up)
        self._models: set[str] = set()
        self._read_to = 0
        routes = [
            ("POST", "/v1/check-in", self.check_in),
            ("GET", "/v1/rounds/{id}/offer", self.offer),
            ("GET", "/v1/rounds/{id}/end", self.end),
            ("GET", "/v1/rounds/{id}/{phase}/in", self.incoming),
            ("PUT", "/v1/rounds/{id}/{phase}", self.take),
            ("GET", "/v1/log", self.log),
            ("GET", "/v1/models/{digest}", self.model),
            ("GET", "/health/live", self.live),
            ("GET", "/health/ready", self.ready),
            ("GET", "/metrics", self.scrape),
        ]
        self.app = Starlette(
            routes=[
                Route(path, self._answering(method, path, answer), methods=[method])
                for method, path, answer in routes
            ],
            lifespan=lifespan,
        )

    def close(self) -> None:
        """Let all long polls go on at once, so that the process can end."""
        self._watch.close()

    # --- devices

    async def check_in(self, request: Request) -> Response:
        """Take a device into the pool, or say which round it is seated in."""
        data = await read_body(request, MSGPACK, MOST_CHECK_IN_BYTES, self._serving.body)
        self.metrics.received.inc(len(data))
        try:
            made = read_check_in(data)
        except ProtocolError as error:
            raise RefusedError(403, error.reason, str(error)) from error
        if made.population not in self._serving.populations:
            raise RefusedError(404, Refused.NO_POPULATION, "no such population is served here")

        def join() -> bytes | None:
            seated = self._store.seat_of(made.identity)
            if seated is None:
                if self._store.waiting(made.identity) is None:
                    self._store.pool_join(made.population, made.identity, made.seat, self._now())
                return None
            # Another seat: the device began anew while an earlier round runs, and waits for its end.
            return seated[0] if made.seat in self._round(seated[0]).places else None

        return _packed(CheckedIn(self._serving.wait, await self._run(join)))

    async def offer(self, request: Request) -> Response:
        """Say what a round is, to those who sit in it."""
        round_id, known, _index = await self._seated(request)
        state = await self._running(round_id)
        config, roster = known.setup.config, known.setup.roster
        return _packed(
            Offered(
                config.encode(),
                b"".join(who.encode() for who in roster),
                known.plan,
                known.task,
                max(state.deadline - self._now(), 0.0),
            )
        )

    async def incoming(self, request: Request) -> Response:
        """Hand a device the message that opens a phase for it, as soon as there is one."""
        round_id, _known, index = await self._seated(request)
        phase = _phase(request)
        if phase == PHASES[0]:
            raise RefusedError(404, Refused.NO_SUCH_THING, "the first phase opens without a message")
        end = anyio.current_time() + self._serving.poll
        state: RoundState | None = await self._running(round_id)
        while state is not None and _place(state.phase) < PHASES.index(phase):
            left = end - anyio.current_time()
            before = state.phase
            state = await self._watch.beyond(round_id, before, left) if left > 0 else state
            if state is None or state.phase == before:
                return Response(status_code=204)
        if state is None:
            raise _no_round()
        _refuse_over(state)
        if _place(state.phase) > PHASES.index(phase):
            raise RefusedError(410, Refused.LATE, f"the round is at {state.phase}")

        def fetch() -> bytes | None:
            ref = self._store.outgoing(round_id, phase.upper(), index)
            return None if ref is None else self._bodies.get(ref)

        data = await self._run(fetch)
        if data is None:
            raise RefusedError(410, Reject.DROPPED, "this device missed an earlier phase of the round")
        self.metrics.sent.inc(len(data))
        return Response(data, media_type=OCTETS)

    async def take(self, request: Request) -> Response:
        """Take a device's message of the running phase, durably."""
        round_id, known, index = await self._seated(request)
        phase = _phase(request)
        config = known.setup.config
        data = await read_body(request, OCTETS, message_sizes(config, phase)[1], self._serving.body)
        self.metrics.received.inc(len(data))
        try:
            await self._run(partial(check_message, known.setup, phase, index, data))
        except ProtocolError as error:
            raise RefusedError(409, error.reason, str(error)) from error
        answer = await self._run(partial(self._keep, round_id, phase, index, data))
        if answer is not None:
            raise answer
        self.metrics.taken.labels(phase).inc()
        return Response(status_code=202)

    async def end(self, request: Request) -> Response:
        """Say how the round ended, as soon as it has."""
        round_id, _known, _index = await self._seated(request)
        end = anyio.current_time() + self._serving.poll
        state = await self._state(round_id)
        while state is not None and _place(state.phase) < len(PHASES):
            left = end - anyio.current_time()
            before = state.phase
            state = await self._watch.beyond(round_id, before, left) if left > 0 else state
            if state is None or state.phase == before:
                return Response(status_code=204)
        if state is None:
            raise _no_round()
        return _packed(Ended(state.phase == PUBLISHED, state.reason))

    # --- everybody

    async def log(self, request: Request) -> Response:
        """Return the public log after number `since`, oldest first, a page at a time."""
        since = request.query_params.get("since", "0")
        if not (since.isascii() and since.isdecimal() and len(since) < 16):
            raise RefusedError(400, Refused.MALFORMED, "since is a number of the log")
        entries = await self._run(partial(self._store.log, int(since), _LOG_PAGE))
        return _packed(
            [Logged(one.number, one.kind, one.body, one.at, one.previous, one.hash) for one in entries]
        )

    async def model(self, request: Request) -> Response:
        """Return a model that the log names, or the part of it that is asked for."""
        digest = str(request.path_params["digest"])
        if not await self._run(partial(self._logged, digest)):
            raise RefusedError(404, Refused.NO_SUCH_THING, "the log names no such model or catalogue")
        head = {"etag": f'"{digest}"', "cache-control": "public, max-age=31536000, immutable"}
        if head["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=head)
        data = await self._run(partial(self._bodies.get, digest))
        part = _RANGE.fullmatch(request.headers.get("range", ""))
        status = 200
        if part is not None:
            first, last = int(part[1]), min(int(part[2] or len(data)), len(data) - 1)
            if first > last:
                raise RefusedError(416, Refused.NO_SUCH_THING, f"the model has {len(data)} bytes")
            head["content-range"] = f"bytes {first}-{last}/{len(data)}"
            data, status = data[first : last + 1], 206
        self.metrics.sent.inc(len(data))
        return Response(data, status, media_type=OCTETS, headers={**head, "accept-ranges": "bytes"})

    async def live(self, request: Request) -> Response:  # noqa: ARG002
        """Say that this process answers."""
        return Response(b"live\n", media_type="text/plain")

    async def ready(self, request: Request) -> Response:  # noqa: ARG002
        """Say whether the database answers, too."""
        await self._run(partial(self._store.log, 0, 1))
        return Response(b"ready\n", media_type="text/plain")

    async def scrape(self, request: Request) -> Response:
        """Return all counters, to whoever has the operator's key."""
        key, shown = self._serving.operator_key, _bearer(request)
        if not key or not hmac.compare_digest(key.encode(), shown.encode()):
            raise RefusedError(401, Refused.NO_KEY, "the operator's key is asked for here, as a bearer token")
        kept = await self._run(self._store.counts)
        return Response(self.metrics.text(lambda: kept), headers={"content-type": CONTENT_TYPE})

    # --- inside

    async def _run(self, work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=self._limiter)

    async def _state(self, round_id: bytes) -> RoundState | None:
        return await self._run(partial(self._store.round, round_id))

    async def _running(self, round_id: bytes) -> RoundState:
        state = await self._state(round_id)
        if state is None:
            raise _no_round()
        _refuse_over(state)
        return state

    def _logged(self, digest: str) -> bool:
        """Whether the log names a model or catalogue, so that no other body can be asked for."""
        while digest not in self._models:
            page = self._store.log(self._read_to, _LOG_PAGE)
            if not page:
                return False
            for one in page:
                named = decode(one.body, dict[str, Any])
                self._models |= {named[key].hex() for key in ("model", "catalogue") if key in named}
            self._read_to = page[-1].number
        return True

    def _look_up(self, round_id: bytes) -> _Round:
        state = self._store.round(round_id)
        if state is None:
            raise _no_round()
        row = state.row
        setup = RoundSetup(RoundConfig.decode(row.config), tuple(map(PublicIdentity.decode, row.roster)))
        places = {seat: index for index, seat in enumerate(row.seats)}
        return _Round(setup, places, row.plan, row.task_body)

    async def _seated(self, request: Request) -> tuple[bytes, _Round, int]:
        """Return the round of a request and the place of whoever sent it."""
        try:
            round_id = bytes.fromhex(request.path_params["id"])
            seat = bytes.fromhex(_bearer(request))
        except ValueError:
            raise RefusedError(400, Refused.MALFORMED, "rounds and seats are hexadecimal") from None
        if len(round_id) != 32:
            raise _no_round()
        known = await self._run(partial(self._round, round_id))
        index = known.places.get(seat_digest(seat))
        if index is None:
            raise RefusedError(401, Refused.NO_SEAT, "show your seat of this round, as a bearer token")
        return round_id, known, index

    def _keep(self, round_id: bytes, phase: str, index: int, data: bytes) -> RefusedError | None:
        """Keep a message; None when it is kept now or was before, else why not."""
        name, digest = phase.upper(), hashlib.sha256(data).digest()
        state = self._store.round(round_id)
        if state is None:
            return _no_round()
        if _place(state.phase) < PHASES.index(phase):
            return _missed(state, phase)
        if phase != PHASES[0] and self._store.outgoing(round_id, name, index) is None:
            return RefusedError(409, Reject.DROPPED, "this device missed an earlier phase of the round")
        # Once a phase is over nothing is kept for it, but what was kept before is still acknowledged.
        ref = self._bodies.put(data) if _place(state.phase) == PHASES.index(phase) else _NOTHING
        match self._store.accept(round_id, name, index, digest, len(data), ref, self._now()):
            case Accepted() | Repeated(same=True):
                return None
            case Repeated():
                return RefusedError(409, Reject.REPEATED, "another message of this phase was taken before")
            case _:
                return _missed(self._store.round(round_id) or state, phase)

    def _answering(
        self, method: str, path: str, answer: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Make an answer of every refusal, count it by its reason, and measure."""
        seconds = self.metrics.seconds.labels(f"{method} {path}")

        async def answered(request: Request) -> Response:
            with seconds.time():
                try:
                    return await answer(request)
                except RefusedError as error:
                    refused = error
                except WireError as error:
                    refused = RefusedError(400, Refused.MALFORMED, str(error))
                except (StoreError, OSError):
                    refused = RefusedError(503, Refused.BUSY, "not now: ask again later")
                self.metrics.refused.labels(refused.reason).inc()
                said = _packed(Refusal(refused.reason, refused.detail[:1000]), refused.status)
                if method != "GET":  # what is left of a body is not read
                    said.headers["connection"] = "close"
                return said

        return answered


def _place(phase: str) -> int:
    """Return where a phase stands among those of `PHASES`; behind them all when the round is over."""
    name = phase.lower()
    return PHASES.index(name) if name in PHASES else len(PHASES)


def _phase(request: Request) -> str:
    name = str(request.path_params["phase"])
    if name not in PHASES:
        raise RefusedError(404, Refused.NO_SUCH_THING, "there is no such phase")
    return name


def _missed(state: RoundState, phase: str) -> RefusedError:
    """Return why a message of `phase` is not taken while the round is where it is."""
    if _place(state.phase) < PHASES.index(phase):
        return RefusedError(409, Refused.EARLY, f"the round is at {state.phase}")
    if _place(state.phase) == len(PHASES):
        return RefusedError(410, Refused.OVER, state.reason or "the round is over")
    return RefusedError(409, Refused.LATE, f"the phase {phase} has ended")


def _refuse_over(state: RoundState) -> None:
    if _place(state.phase) == len(PHASES):
        raise RefusedError(410, Refused.OVER, state.reason or "the round is over")


def _no_round() -> RefusedError:
    return RefusedError(404, Refused.NO_ROUND, "there is no such round")


def _bearer(request: Request) -> str:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else ""


def _packed(value: Any, status: int = 200) -> Response:
    return Response(encode(value), status, media_type=MSGPACK)
