"""The thread that moves rounds on, and what it does in a step."""

import threading
import time
import traceback
from collections.abc import Callable
from typing import final

from confidante.coordinator.rounds.engine import RoundEngine
from confidante.coordinator.telemetry.metrics import Metrics
from confidante.core.errors import StoreError
from confidante.core.event_log import log

_AGAIN = 0.2  # seconds after which a step that the store refused is tried again; doubles with each in a row
_MOST_AGAIN = 5.0
_SHARE = 4  # times as long as a look that found nothing took, nobody looks again, whoever asks for it


@final
class Worker:
    """A thread that takes one step after the other. Any number may work on one database."""

    def __init__(
        self,
        work: Callable[[float], float],
        metrics: Metrics,
        *,
        died: Callable[[], None] = lambda: None,
        stepped: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Begin with `start`.

        work: one step at a time given; returns 0.0 when there was something to do, else the seconds after
        which there may be. stepped: called after each that did something; died: called if one raises what is
        no refusal of the store, and so a bug: it is logged, and no further step is taken.
        """
        self._work, self._metrics, self._died, self._now = work, metrics, died, now
        self._stepped = stepped
        self._stopped = False
        self.broken = False
        self._stirred = threading.Event()
        self._thread = threading.Thread(target=self._go, name="coordinator worker")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look soon whether there is something to do. May be called from any thread."""
        self._stirred.set()

    def stop(self) -> None:
        """Finish the step at hand, and end."""
        self._stopped = True
        self.wake()
        if self._thread.is_alive():
            self._thread.join()

    def _go(self) -> None:
        try:
            self._keep_on()
        except BaseException as error:  # noqa: BLE001  (nobody else would hear of it)
            # Its type and places, but not its text: that may quote what was being worked at.
            where = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
            log("worker broken", level="error", kind=type(error).__name__, where=where[-12:])
            self.broken = True
            self._died()

    def _keep_on(self) -> None:
        refused = 0.0
        while not self._stopped:
            began = time.monotonic()
            try:
                pause = self._work(self._now())
                if pause <= 0.0:
                    self._stepped()
                self._metrics.steps.labels("done").inc()
                refused = 0.0
            except StoreError as error:  # it may come back; another worker may have what this one held
                self._metrics.steps.labels("store").inc()
                pause = refused = min(max(refused * 2, _AGAIN), _MOST_AGAIN)
                log("step failed", problem=str(error), again_in=pause)
            if pause > 0.0:
                took = time.monotonic() - began
                self._stirred.wait(pause)
                rest = began + (1 + _SHARE) * took - time.monotonic()
                if rest > 0.0 and not self._stopped:
                    time.sleep(min(rest, pause))
            self._stirred.clear()  # before the next look, so that nothing behind it is missed


@final
class LoggedSteps:
    """The steps of an engine; what it says of its populations is logged whenever it changes."""

    def __init__(self, engine: RoundEngine) -> None:
        self._engine = engine
        self._said: dict[str, str] = {}

    def __call__(self, now: float) -> float:
        """Take one step; return 0.0 if it did something, else for how many seconds there is nothing to do."""
        done = self._engine.step(now)
        for name, says in self._engine.says.items():
            if done and self._said.get(name) != says:
                log("round", population=name, says=says)
                self._said[name] = says
        return 0.0 if done else self._engine.idle(now)
