"""A refinement under way: whoever asked for the list waits here, or does not."""

import threading
import time
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, NamedTuple, final

from confidante.device.values import NotRefined

if TYPE_CHECKING:
    from confidante.device.values import Answer


class _Outcome(NamedTuple):
    """The refined list, or why there is none and the same as a sentence."""

    answer: "Answer | None"
    reason: NotRefined | None = None
    said: str = ""


_UNDER_WAY = _Outcome(None)


@final
class Refinement:
    """What becomes of one list. It is decided once, and at the latest when its time is up."""

    def __init__(self, seconds: float) -> None:
        """seconds: that it may take, from now."""
        self.began = time.monotonic()
        self._end = self.began + seconds
        self._decided: Future[_Outcome] = Future()
        self._told = threading.Event()

    def __repr__(self) -> str:
        """Show how it stands."""
        how = "under way" if not self.done else "refined" if self.reason is None else self.reason.value
        return f"<Refinement {how}>"

    @property
    def done(self) -> bool:
        """Whether it is decided."""
        self._look()
        return self._decided.done()

    @property
    def reason(self) -> NotRefined | None:
        """Why the list is not refined; None when it is, or while it is not decided."""
        return self._look().reason

    @property
    def said(self) -> str:
        """The same as a sentence; empty when there is no reason."""
        return self._look().said

    @property
    def left(self) -> float:
        """Seconds until its time is up, 0.0 from then on."""
        return max(self._end - time.monotonic(), 0.0)

    def answer(self, local: "Answer", timeout: float | None = None) -> "Answer":
        """Return the refined list, or `local`; see `Answer.refined`."""
        if not self._told.is_set():
            self._told.wait(self.left if timeout is None else min(max(timeout, 0.0), self.left))
        return self._look().answer or local

    # --- for who refines

    def refine(self, answer: "Answer") -> bool:
        """Decide for a refined list; False when it was decided before, or its time is up."""
        self._look()
        return self._decide(_Outcome(answer))

    def refuse(self, reason: NotRefined, said: str) -> bool:
        """Decide for the local list, and say why; False when it was decided before."""
        return self._decide(_Outcome(None, reason, said))

    def tell(self) -> None:
        """Let go of who waits, once what was decided is written down."""
        self._told.set()

    def _look(self) -> _Outcome:
        """Return what was decided, which the clock may do now."""
        if not self._decided.done() and time.monotonic() >= self._end:
            self.refuse(NotRefined.TOO_SLOW, "The answer did not arrive in time.")
        return self._decided.result() if self._decided.done() else _UNDER_WAY

    def _decide(self, outcome: _Outcome) -> bool:
        try:
            self._decided.set_result(outcome)
        except InvalidStateError:
            return False
        return True
