"""Endpoints for lists that a server refines. The person chooses the server: on the page, or by command."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query

from confidante.device.values import NotRefined
from confidante.device.web.api_shapes import AnswerShape
from confidante.device.web.shapes import ERRORS, KEYED, Count, Name, Shape

if TYPE_CHECKING:
    from confidante.device.device import Device


class RefinedShape(Shape):
    """A list that was to be refined. refined: whether it is; else it is the local one, and said is why."""

    answer: AnswerShape
    refined: bool
    reason: NotRefined | None
    said: str


class RefinementShape(Shape):
    """How refinement stands. up, down: bytes so far. way: "ask", "download" or "none"; empty: not prepared.

    question, answer, download: bytes of one question, of its answer, of downloading instead; break_even: the
    number of questions from which on downloading is no dearer. tokens: left, None where none are asked for.
    """

    set_up: bool
    allowed: bool
    server: str
    relay: str
    warning: str
    way: str
    why: str
    question: int
    answer: int
    download: int
    break_even: int
    tokens: int | None
    asked: int
    up: int
    down: int
    last_reason: NotRefined | None
    last_said: str
    last_departure: int | None


def refining_routes(device: "Device") -> APIRouter:
    """Return the endpoints for this device."""
    router = APIRouter(prefix="/api/v1", tags=["refined lists"], responses=ERRORS, dependencies=KEYED)

    @router.get("/recommend/refined", response_model=RefinedShape)
    def recommend_refined(
        n: Count = 10,
        label: Annotated[list[Name], Query(max_length=100, description="only items with one of these")] = [],  # noqa: B006
        diversity: Annotated[float, Query(ge=0, le=1, description="0: best scores, 1: least alike")] = 0.0,
    ) -> dict[str, Any]:
        """Return the best items after a server was asked in secret; the local list where that fails.

        It waits, at most as long as the person allows. GET /api/v1/recommend gives the local list at once.
        """
        answer = device.recommend(n, labels=label, diversity=diversity, refine=True)
        shown, handle = answer.refined(), answer.refinement
        reason = None if handle is None else handle.reason
        said = "" if handle is None else handle.said
        refined = handle is not None and handle.done and reason is None
        return {"answer": shown, "refined": refined, "reason": reason, "said": said}

    @router.get("/refinement")
    def refinement() -> RefinementShape:
        """Return through whom lists are refined, the policy's figures, and what came of the last one."""
        status = device.refinement.status()
        decision, last = status.decision, status.last
        return RefinementShape(
            set_up=status.set_up,
            allowed=status.allowed,
            server=status.server,
            relay=status.relay,
            warning=status.warning,
            way="" if decision is None else decision.way.value,
            why="" if decision is None else decision.why,
            question=0 if decision is None else decision.question,
            answer=0 if decision is None else decision.answer,
            download=0 if decision is None else decision.download,
            break_even=0 if decision is None else decision.break_even,
            tokens=status.tokens,
            asked=status.asked,
            up=status.up,
            down=status.down,
            last_reason=None if last is None else last.reason,
            last_said="" if last is None else last.said,
            last_departure=None if last is None else last.departure,
        )

    return router
