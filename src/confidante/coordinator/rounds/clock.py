"""A clock for deadlines that all workers share: it tells the time of day, and never jumps."""

import threading
import time
from collections.abc import Callable
from typing import final

_PACE = 0.1  # seconds that are made up for in a second


@final
class SteadyClock:
    """Seconds since 1970, as the system says when it is made; from then on it runs by the monotonic clock.

    When the system's clock is set, this one follows it a little faster or slower than time goes by, so that
    no deadline passes, or moves away, at once. May be used from many threads.
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        """wall: seconds since 1970, which may jump; steady: seconds since any moment, which may not."""
        self._wall, self._steady = wall, steady
        self._lock = threading.Lock()
        self._now, self._at = wall(), steady()

    def now(self) -> float:
        """Return the time. It never goes back."""
        with self._lock:
            at = self._steady()
            passed = at - self._at
            ahead = self._wall() - (self._now + passed)
            most = _PACE * passed
            self._now += passed + min(max(ahead, -most), most)
            self._at = at
            return self._now
