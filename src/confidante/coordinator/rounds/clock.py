"""A clock for deadlines that all workers share: it tells the time of day, and makes no small jumps."""

import threading
import time
from collections.abc import Callable
from typing import final

_PACE = 0.1  # seconds that are made up for in a second
_STEP = 300.0  # seconds: if it is off by more, it is set


@final
class SteadyClock:
    """Seconds since 1970, as the system says when it is made; from then on it runs by the monotonic clock.

    When the system's clock is set, this one follows it a little faster or slower than time goes by, so that
    no deadline passes, or moves away, at once. Only when the two are minutes apart, as after a machine slept,
    it takes the system's time at once. May be used from many threads.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        stepped: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        """wall: seconds since 1970, which may jump; steady: seconds since any moment, which may not.

        stepped: told by how many seconds this clock was set.
        """
        self._wall, self._steady, self._stepped = wall, steady, stepped
        self._lock = threading.Lock()
        self._now, self._at = wall(), steady()

    def now(self) -> float:
        """Return the time. It goes back only when the system's clock was set back by minutes."""
        with self._lock:
            at = self._steady()
            passed = at - self._at
            ahead = self._wall() - (self._now + passed)
            step = abs(ahead) > _STEP
            most = abs(ahead) if step else _PACE * passed
            self._now += passed + min(max(ahead, -most), most)
            self._at = at
            now = self._now
        if step:
            self._stepped(ahead)
        return now
