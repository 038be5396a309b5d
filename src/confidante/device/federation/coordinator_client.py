"""Requests of a device to one coordinator: each in the ledger before it leaves, tried again, never in step.

All waiting is measured by this device's own clock, so clocks that differ do no harm.
"""

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, final

from confidante.core.entropy import SystemEntropy
from confidante.core.errors import EgressError, WireError
from confidante.device.privacy.egress import Egress, Response
from confidante.device.privacy.http_request import HttpRequest, Method, render
from confidante.device.values import Purpose
from confidante.wire.rounds import MSGPACK, OCTETS, Refusal, decode

if TYPE_CHECKING:
    from confidante.device.privacy.ledger import Ledger

Tls = ssl.SSLContext
"""The certificates that a device trusts, where an operator has its own."""

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 15.0
_TRIES = 6
_LONGEST_ANSWER = 45.0  # a check-in is held for 30


class RefusedError(Exception):
    """The coordinator said no, for good. reason: of `Refused` or `Reject`, or empty."""

    def __init__(self, status: int, reason: str, said: str) -> None:
        self.status, self.reason = status, reason
        super().__init__(said)


class StoppedError(Exception):
    """This client was stopped, on this device."""


@final
class CoordinatorClient:
    """The way to one coordinator, until its time is up."""

    def __init__(
        self,
        ledger: "Ledger",
        url: str,
        *,
        tls: Tls | None = None,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        """url: https://sums.example.org, for one. EgressError for one that nothing is sent to."""
        self.url = url.rstrip("/")
        self.destination = render("GET", self.url).destination
        self.egress = Egress(ledger, timeout=_LONGEST_ANSWER, tls=tls)
        self._stopped = threading.Event()
        self._sleep = self._stopped.wait if sleep is None else sleep
        self._entropy = SystemEntropy()
        self._end = 0.0
        self._insisting = False

    def allow(self, seconds: float) -> None:
        """Let all requests and pauses from now on take so long together."""
        self._end = time.monotonic() + seconds
        self._insisting = False

    def insist(self) -> None:
        """Try all requests from now on for as long as there is time, not a few times only."""
        self._insisting = True

    def stop(self) -> None:
        """End all waiting and the request under way: StoppedError in the thread that asks. For good."""
        self._stopped.set()
        self.egress.stop()

    @property
    def stopped(self) -> bool:
        """Whether it was stopped."""
        return self._stopped.is_set()

    def require_going(self) -> None:
        """Raise StoppedError when this client was stopped."""
        if self._stopped.is_set():
            raise StoppedError("this device was told to stop taking part")

    @property
    def left(self) -> float:
        """Seconds until time is up, 0.0 from then on."""
        return max(self._end - time.monotonic(), 0.0)

    @property
    def over(self) -> bool:
        """Whether time is up."""
        return time.monotonic() >= self._end

    def ask(
        self,
        method: Method,
        path: str,
        body: bytes = b"",
        *,
        purpose: Purpose,
        content: Mapping[str, Any],
        visible: str,
        task: str = "taking part in a private sum",
        bearer: bytes = b"",
        headers: Mapping[str, str] | None = None,
        wanted: Callable[[], None] = lambda: None,
        written: tuple[int, HttpRequest] | None = None,
    ) -> Response:
        """Send a request and return the answer, trying again what may succeed later.

        content: what is in it, and visible: what the receiver learns, both for the ledger. bearer: a secret
        for this one errand. wanted: asked before each further try, and may raise. written: what the ledger
        holds already, with its number there, to be sent at the first try.

        RefusedError when the coordinator says no; EgressError when it could not be reached several times;
        StoppedError when this client was stopped.
        """
        pause, left = FIRST_PAUSE, _TRIES
        while True:
            self.require_going()
            left -= 1
            problem: EgressError | RefusedError
            try:
                if written is not None:
                    held, written = written, None
                    answer = self.egress.deliver(*held)
                else:
                    answer = self.egress.request(
                        method,
                        self.url + path,
                        body,
                        purpose=purpose,
                        task=task,
                        content=content,
                        visible=visible,
                        content_type=MSGPACK if method == "POST" else OCTETS,
                        bearer=bearer,
                        headers=headers or {},
                    )
            except EgressError as error:
                self.require_going()
                problem = error
            else:
                if answer.status < 400:
                    return answer
                problem = _refused(answer)
                if answer.status < 500:
                    raise problem
            if not (left > 0 or self._insisting) or not self.pause(pause):
                raise problem
            wanted()
            pause = min(pause * 2, LONGEST_PAUSE)

    def pause(self, seconds: float, least: float = 0.0) -> bool:
        """Sleep 0.5 to 1.5 times so many seconds, `least` or more; False, at once, when beyond the end."""
        part = int.from_bytes(self._entropy.draw(4), "little") / (1 << 32)
        pause = max(seconds * (0.5 + part), least)
        if time.monotonic() + pause > self._end:
            return False
        self._sleep(pause)
        self.require_going()
        return True


def _refused(answer: Response) -> RefusedError:
    """Return what a coordinator's refusal says."""
    try:
        said = decode(answer.body, Refusal)
    except WireError:
        return RefusedError(answer.status, "", f"the coordinator answered {answer.status}")
    return RefusedError(answer.status, said.reason, f"{said.reason}: {said.detail}"[:300])
