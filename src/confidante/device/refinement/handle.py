"""A refinement under way: whoever asked for the list waits here, or does not."""

import threading
import time
from typing import TYPE_CHECKING, final

from confidante.device.values import NotRefined

if TYPE_CHECKING:
    from confidante.device.values import Answer


@final
class Refinement:
    """What becomes of one list. It is decided once, and at the latest when its time is up."""

    def __init__(self, seconds: float) -> None:
        """seconds: that it may take, from now."""
        self.began = time.monotonic()
        self._end = self.began + seconds
        self._guard = threading.Lock()
        self._told = threading.Event()
        self._decided = False
        self._answer: Answer | None = None
        self._reason: NotRefined | None = None
        self._said = ""

    def __repr__(self) -> str:
        """Show how it stands."""
        how = "under way" if not self.done else "refined" if self.reason is None else self.reason.value
        return f"<Refinement {how}>"

    @property
    def done(self) -> bool:
        """Whether it is decided."""
        self._look_at_the_clock()
        return self._decided

    @property
    def reason(self) -> NotRefined | None:
        """Why the list is not refined; None when it is, or while it is not decided."""
        self._look_at_the_clock()
        return self._reason

    @property
    def said(self) -> str:
        """The same as a sentence; empty when there is no reason."""
        self._look_at_the_clock()
        return self._said

    @property
    def left(self) -> float:
        """Seconds until its time is up, 0.0 from then on."""
        return max(self._end - time.monotonic(), 0.0)

    def answer(self, local: "Answer", timeout: float | None = None) -> "Answer":
        """Return the refined list, or `local`; see `Answer.refined`."""
        if not self._told.is_set():
            self._told.wait(self.left if timeout is None else min(max(timeout, 0.0), self.left))
            self._look_at_the_clock()
        return local if self._answer is None else self._answer

    # --- for who refines

    def refine(self, answer: "Answer") -> bool:
        """Decide for a refined list; False when it was decided before, or its time is up."""
        self._look_at_the_clock()
        return self._decide(answer, None, "")

    def refuse(self, reason: NotRefined, said: str) -> bool:
        """Decide for the local list, and say why; False when it was decided before."""
        return self._decide(None, reason, said)

    def tell(self) -> None:
        """Let go of who waits, once what was decided is written down."""
        self._told.set()

    def _look_at_the_clock(self) -> None:
        if not self._decided and time.monotonic() >= self._end:
            self.refuse(NotRefined.TOO_SLOW, "The answer did not arrive in time.")

    def _decide(self, answer: "Answer | None", reason: NotRefined | None, said: str) -> bool:
        with self._guard:
            if self._decided:
                return False
            self._answer, self._reason, self._said = answer, reason, said
            self._decided = True
            return True
