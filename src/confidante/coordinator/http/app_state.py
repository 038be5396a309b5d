"""What every answer over HTTP needs: the store, the round it is about, and how refusals are told."""

import threading
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import Any, TypeVar, final

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from confidante.coordinator.enrolment.enrolment import Enrolment
from confidante.coordinator.http.long_polls import Seats, Watch
from confidante.coordinator.http.request_body import RequestRefusedError
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.store.values import Standing, reached
from confidante.coordinator.telemetry.metrics import Metrics
from confidante.core.errors import StoreError, WireError
from confidante.core.event_log import Seldom
from confidante.crypto.identity import PublicIdentity
from confidante.secagg.config import RoundConfig, RoundSetup
from confidante.secagg.phases import PHASES, Phase
from confidante.wire.rounds import (
    MSGPACK,
    Refusal,
    Refused,
    encode,
    seat_digest,
)

T = TypeVar("T")
Answer = Callable[[Request], Awaitable[Response]]
Routes = tuple[tuple[str, str, Answer], ...]
"""Method, path and answer, in the order in which they are tried."""

_KNOWN_ROUNDS = 64


@final
@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How requests are answered.

    populations: whose devices may check in. operator_key: what `/metrics` asks for as a bearer token (empty:
    it is closed). wait: seconds for which the check-in of a waiting device is held until it asks again, at
    most 30; held: how many at once, others ask again; poll, body: seconds that a long poll and a body may
    take; interval: between two looks at a round that somebody waits for; threads: how many may
    use the database at once. enrolments: by population; one without is open to everybody.
    most_waiting: devices in the pool of one that is open; tokens are what limits the others.
    """

    populations: Collection[str]
    operator_key: str = field(default="", repr=False)
    wait: float = 30.0
    held: int = 2048
    poll: float = 10.0
    body: float = 20.0
    interval: float = 0.05
    threads: int = 8
    enrolments: Mapping[str, Enrolment] = field(default_factory=dict)
    most_waiting: int = 100_000


@final
@dataclass(frozen=True, slots=True, eq=False)
class OpenRound:
    """What of a round never changes. places: index by seat digest; entry: of the log."""

    setup: RoundSetup
    places: Mapping[bytes, int]
    plan: bytes
    task: bytes
    entry: int


@final
class AppState:
    """What the rooms of one process share."""

    def __init__(
        self,
        store: Store,
        bodies: Bodies,
        serving: HttpSettings,
        metrics: Metrics,
        now: Callable[[], float] = time.time,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """now: seconds since 1970; wake: called when a phase has heard all, so that it is ended at once."""
        self.store, self.bodies, self.settings, self.metrics, self.now = store, bodies, serving, metrics, now
        self.wake = wake
        self._limiter = CapacityLimiter(serving.threads)
        self.watch = Watch(self.standing, interval=serving.interval)
        self.seats = Seats(self._running, self._places)
        self._refused = Seldom("storage refused")
        self._known: dict[bytes, OpenRound] = {}
        self._knowing = threading.Lock()

    async def run(self, work: Callable[[], T]) -> T:
        """Do something that blocks, in a thread."""
        return await to_thread.run_sync(work, limiter=self._limiter)

    async def standing(self, round_id: bytes) -> Standing | None:
        """Return where a round stands."""
        return await self.run(partial(self.store.messages.standing, round_id))

    async def _running(self) -> set[bytes]:
        return await self.run(self.store.rounds.running)

    async def _places(self, round_id: bytes) -> Mapping[bytes, int]:
        return (await self.run(partial(self.round, round_id))).places

    def round(self, round_id: bytes) -> OpenRound:
        """Return what of a round never changes; RequestRefusedError when there is none."""
        known = self._known.get(round_id)
        if known is None:
            known = self._look_up(round_id)
            with self._knowing:
                self._known[round_id] = known
                while len(self._known) > _KNOWN_ROUNDS:
                    del self._known[next(iter(self._known))]
        return known

    def _look_up(self, round_id: bytes) -> OpenRound:
        state = self.store.rounds.get(round_id)
        if state is None or not state.row.roster:  # forgotten
            raise no_round()
        row = state.row
        setup = RoundSetup(RoundConfig.decode(row.config), tuple(map(PublicIdentity.decode, row.roster)))
        places = {seat: index for index, seat in enumerate(row.seats)}
        return OpenRound(setup, places, row.plan, row.task_body, row.entry)

    async def seated(self, request: Request) -> tuple[bytes, OpenRound, int]:
        """Return the round of a request and the place of whoever sent it."""
        try:
            round_id = bytes.fromhex(request.path_params["id"])
            seat = bytes.fromhex(bearer(request))
        except ValueError:
            raise RequestRefusedError(400, Refused.MALFORMED, "rounds and seats are hexadecimal") from None
        if len(round_id) != 32:
            raise no_round()
        known = self._known.get(round_id)
        if known is None:
            known = await self.run(partial(self.round, round_id))
        index = known.places.get(seat_digest(seat))
        if index is None:
            raise RequestRefusedError(401, Refused.NO_SEAT, "show your seat of this round, as a bearer token")
        return round_id, known, index

    def answering(
        self, method: str, path: str, answer: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Make an answer of every refusal, count it by its reason, and measure."""
        seconds = self.metrics.seconds.labels(f"{method} {path}")

        @wraps(answer)
        async def answered(request: Request) -> Response:
            with seconds.time():
                try:
                    return await answer(request)
                except RequestRefusedError as error:
                    refused = error
                except WireError as error:
                    refused = RequestRefusedError(400, Refused.MALFORMED, str(error))
                except (StoreError, OSError) as error:
                    self._refused(problem=str(error))
                    refused = RequestRefusedError(503, Refused.BUSY, "not now: ask again later")
                self.metrics.refused.labels(refused.reason).inc()
                said = packed(Refusal(refused.reason, refused.detail[:1000]), refused.status)
                if method != "GET":  # what is left of a body is not read
                    said.headers["connection"] = "close"
                return said

        return answered


def phase_of(request: Request) -> Phase:
    """Return the phase that an address names; RequestRefusedError when there is none such."""
    found = next((phase for phase in PHASES if phase.word == request.path_params["phase"]), None)
    if found is None:
        raise RequestRefusedError(404, Refused.NO_SUCH_THING, "there is no such phase")
    return found


def missed(state: Standing, phase: Phase) -> RequestRefusedError:
    """Return why a message of `phase` is not taken while the round is where it is."""
    at = reached(state.phase)
    if at < phase:
        return RequestRefusedError(409, Refused.EARLY, f"the round is at {state.phase}")
    if at >= Phase.DONE:
        return RequestRefusedError(410, Refused.OVER, state.reason or "the round is over")
    return RequestRefusedError(409, Refused.LATE, f"the phase {phase.word} has ended")


def refuse_over(state: Standing) -> None:
    """Refuse what comes for a round that is over."""
    if reached(state.phase) >= Phase.DONE:
        raise RequestRefusedError(410, Refused.OVER, state.reason or "the round is over")


def no_round() -> RequestRefusedError:
    """Return the refusal of a round that nobody knows."""
    return RequestRefusedError(404, Refused.NO_ROUND, "there is no such round")


def bearer(request: Request) -> str:
    """Return the bearer token of a request, empty when it has none."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else ""


def packed(value: Any, status: int = 200) -> Response:
    """Return one of the shapes of `wire.rounds` as an answer."""
    return Response(encode(value), status, media_type=MSGPACK)
