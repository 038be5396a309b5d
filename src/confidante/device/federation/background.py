"""A device that takes part by itself: it looks whether it may, waits, takes part, rests, and says so.

Pauses are drawn at random between half and one and a half times their length, so devices never fall into
step; what fails is tried again ever later. Whatever a coordinator, a network or a vault does wrong ends one
try and is told; only closing ends it, or a fault of this program, which is told as well. Closing is felt at
once, in a pause as in a request under way; a round that the device is in is kept, and gone on with at the
next start.
"""

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, final

from confidante.core.entropy import SystemEntropy
from confidante.core.errors import ConfidanteError, VaultError
from confidante.device.federation.coordinator_client import CoordinatorClient, StoppedError
from confidante.device.federation.policy import Outcome
from confidante.device.privacy.participation_log import ParticipationLog

_DAY = 86_400.0
_LONGEST_JOIN = 3.0


class OneRound(Protocol):
    """What is tried: `Participant.take_part`, for one."""

    def __call__(self, client: CoordinatorClient, patience: float, say: Callable[[str], None], /) -> Outcome:
        """Take part in one round over `client`."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Pace:
    """How often. All in seconds but rounds_a_day, the most rounds joined in any 24 hours.

    patience: for one try, waiting for a round included. rest: after a round, and after one was refused.
    retry: after no round was held, and after a first failure; doubled with each further one, up to longest.
    look: until it is asked again whether this is a time to take part.
    """

    patience: float = 1800.0
    rest: float = 4 * 3600.0
    retry: float = 60.0
    longest: float = 6 * 3600.0
    look: float = 900.0
    rounds_a_day: int = 4


@final
@dataclass(frozen=True, slots=True)
class BackgroundState:
    """How it stands.

    running: until it is closed, or a fault of this program ended it. doing: in words. last: what came of the
    last try. problem: why it failed, if it did, or what the fault was. next_try: seconds since 1970, None
    while one is under way. rounds_today: in the last 24 hours.
    """

    running: bool
    doing: str
    last: Outcome | None = None
    problem: str = ""
    next_try: float | None = None
    rounds_today: int = 0


@final
class Background:
    """A thread that takes part in one population's rounds, from now until it is closed."""

    def __init__(
        self,
        client: Callable[[], CoordinatorClient],
        take_part: OneRound,
        rounds: ParticipationLog,
        clock: Callable[[], float],
        closed: Callable[[], bool],
        *,
        pace: Pace | None = None,
        refresh: Callable[[CoordinatorClient], object] = lambda _sentence: None,
    ) -> None:
        """Begin. client: makes the way to the coordinator, one for each try. clock: seconds since 1970.

        closed: whether the vault is. refresh: brings the model up to date, after each try that was answered.
        """
        self._client, self._take_part, self._rounds = client, take_part, rounds
        self._clock, self._closed = clock, closed
        self._pace, self._refresh = pace or Pace(), refresh
        self._entropy = SystemEntropy()
        self._guard = threading.Lock()
        self._closing = threading.Event()
        self._current: CoordinatorClient | None = None
        self._failures = 0
        self._state = BackgroundState(True, "starting")
        self._thread = threading.Thread(target=self._run, name="confidante rounds", daemon=True)
        self._thread.start()

    @property
    def state(self) -> BackgroundState:
        """How it stands now."""
        with self._guard:
            return self._state

    def close(self) -> None:
        """Stop at once, and wait until it has. A round under way is kept for the next start."""
        self._closing.set()
        with self._guard:
            current = self._current
        if current is not None:
            current.stop()
        if threading.current_thread() is not self._thread:
            self._thread.join(_LONGEST_JOIN)

    # --- within

    def _run(self) -> None:
        try:
            self._keep_on()
        finally:
            fault = sys.exc_info()[1]
            if fault is not None:
                self._tell(problem=f"{type(fault).__name__}: {fault}")
            doing = "closed" if fault is None else "ended by a fault of this program"
            self._tell(running=False, doing=doing, next_try=None)

    def _keep_on(self) -> None:
        while not self._closing.is_set():
            part = int.from_bytes(self._entropy.draw(4), "little") / (1 << 32)
            try:
                pause = self._one_try() * (0.5 + part)
                self._tell(next_try=self._clock() + pause)
            except StoppedError:
                break
            except (ConfidanteError, OSError) as error:
                if isinstance(error, VaultError) and self._closed():
                    break
                self._tell(doing="waiting after a failure", problem=str(error))
                pause = self._later() * (0.5 + part)
            self._closing.wait(pause)
            self._tell(next_try=None)

    def _one_try(self) -> float:
        """Take part once if this is a time for it; return for how long to rest then."""
        today = self._rounds_today()
        if today >= self._pace.rounds_a_day:
            self._tell(doing=f"resting: {today} rounds in a day are enough")
            return self._pace.rest
        try:
            client = self._client()
            with self._guard:
                self._current = client
            if self._closing.is_set():
                raise StoppedError("closed")
            outcome = self._take_part(client, self._pace.patience, self._say)
            self._tell(last=outcome, problem="")
            if outcome.state != "not now":
                self._say("looking for a newer model")
                client.allow(self._pace.patience)
                self._refresh(client)
        except VaultError:
            raise
        except ConfidanteError as error:
            self._tell(doing="waiting after a failure", problem=str(error))
            return self._later()
        finally:
            with self._guard:
                self._current = None
        self._rounds_today()
        return self._after(outcome.state)

    def _rounds_today(self) -> int:
        today = self._rounds.joined_since(self._clock() - _DAY)
        self._tell(rounds_today=today)
        return today

    def _after(self, state: str) -> float:
        if state == "not now":
            self._tell(doing="waiting for a better time")
            return self._pace.look
        if state == "published":
            self._failures = 0
            self._tell(doing="resting after a round")
            return self._pace.rest
        if state == "not chosen":  # all is well: no round was held
            self._failures = 0
            self._tell(doing="waiting for a round")
            return self._pace.retry
        self._tell(doing="waiting for another round")
        return self._later()

    def _later(self) -> float:
        """Return the pause after one more try of which nothing came."""
        pause = min(self._pace.retry * 2.0 ** min(self._failures, 40), self._pace.longest)
        self._failures += 1
        return pause

    def _say(self, doing: str) -> None:
        self._tell(doing=doing)

    def _tell(self, **changed: object) -> None:
        with self._guard:
            self._state = replace(self._state, **changed)  # type: ignore[arg-type]
