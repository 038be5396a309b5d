"""How refinement stands on a device, for the person, the page and the command line."""

from dataclasses import dataclass
from typing import final

from confidante.device.refinement.download_policy import Decision
from confidante.device.values import NotRefined


@final
@dataclass(frozen=True, slots=True)
class LastRefinement:
    """What came of the last one.

    at: seconds since 1970. reason: None when the list was refined. said: one sentence. seconds: that it
    took; up, down: bytes sent and received for it; departure: its number in the ledger, None when nothing
    was written there.
    """

    at: float
    reason: NotRefined | None
    said: str
    seconds: float
    up: int
    down: int
    departure: int | None


@final
@dataclass(frozen=True, slots=True)
class RefinementStatus:
    """How it stands.

    server, population: empty when `refine_with` was not called; then nothing else here says anything.
    relay: what carries questions, empty when none does; direct: questions go to the server itself, which
    then sees this device's network address. warning: a sentence, empty when all is well. seconds: that a
    refinement may take. policy: "auto", "ask" or "download". epsilon: that may be spent on choosing a bucket
    for one question, 0: all items are asked for.

    prepared_at: seconds since 1970 when all that it takes was last fetched, None: never. items, dimensions:
    of the server's catalogue and vectors. buckets: into how many the server put its items. secret: the
    server gives its vectors to nobody. scheme: what questions are encrypted by, empty: nothing that the
    server knows is here. decision: of the policy, with its figures; None while nothing is prepared. tokens:
    left, None where none are asked for. not_before: seconds since 1970 until which nothing is asked, because
    the server saw this device just now; None: it may be at once.

    allowed: whether the person's switch is on. asked: questions that were sent so far; up, down: their
    bytes and those of their answers. last: what came of the last refinement, None: there was none.
    """

    server: str = ""
    population: str = ""
    relay: str = ""
    direct: bool = False
    warning: str = ""
    seconds: float = 0.0
    policy: str = ""
    epsilon: float = 0.0
    prepared_at: float | None = None
    items: int = 0
    dimensions: int = 0
    buckets: int = 0
    secret: bool = False
    scheme: str = ""
    decision: Decision | None = None
    tokens: int | None = None
    not_before: float | None = None
    allowed: bool = False
    asked: int = 0
    up: int = 0
    down: int = 0
    last: LastRefinement | None = None

    @property
    def set_up(self) -> bool:
        """Whether there is a server to refine with."""
        return bool(self.server)
