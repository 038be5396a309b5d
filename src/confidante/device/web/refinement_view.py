"""Lists that a server refines: the local one at once, the refined one when it comes, and how it stands."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, final

from starlette.responses import RedirectResponse, Response

from confidante.core.errors import DataError
from confidante.device.values import Answer, NotRefined, ReasonKind
from confidante.device.web import wording
from confidante.device.web.page import Page
from confidante.privacy.purposes import Purpose

if TYPE_CHECKING:
    from confidante.device.device import Device
    from confidante.device.refinement.status import RefinementStatus
    from confidante.device.web.forms import Fields

PATIENCE = 30.0
"""Seconds that fetching may take when a person waits for it."""

_BY_SERVER = (ReasonKind.REFINEMENT, ReasonKind.RULE)


@final
class RefinementView:
    """Has the list of one page's device refined: once for each list, and again when asked."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._device: Device = page.device
        self._asked: Answer | None = None

    def shown(self, n: int, *, wait: bool = False) -> dict[str, Any]:
        """Return the list that the template shows, and what it says of its refining.

        It is the local one until a refined one is here. The same local list is refined once: what came of
        it is kept in memory. wait: until that is decided, or its time is up.
        """
        device = self._device
        status = device.refinement.status()
        local = device.recommend(n)
        found: dict[str, Any] = {"answer": local, "refining": "", "moves": {}, "refused": "", "asked": True}
        if not (status.set_up and status.allowed and local.personal and local.suggestions):
            self._asked = None
            return found
        before = None if self._asked is None else self._asked.refinement
        again = before is not None and before.reason is NotRefined.TOO_SOON  # it was not asked at all
        if self._asked is None or self._asked != local or again:
            self._asked = device.recommend(n, refine=True)
        handle = self._asked.refinement
        if handle is None:
            return found
        shown = self._asked.refined() if wait or handle.done else local
        if not handle.done:
            return found | {"refining": "pending"}
        if handle.reason is not None:
            return found | {"refining": "refused", "refused": handle.said}
        asked = status.decision is None or status.decision.way == "ask"
        return found | {"answer": shown, "refining": "refined", "moves": moves(local, shown), "asked": asked}

    def panel(self) -> dict[str, Any]:
        """Return what the switches' page shows of it."""
        status = self._device.refinement.status()
        return {"refine": Purpose.REFINE, "refinement": status, "figures": _figures(status)}

    def act(self, fields: "Fields") -> Response:
        """Choose a server, fetch what is new, ask again, or have nothing to do with it any more."""
        device, do, says = self._device, fields.text("do"), self._page.visit.says
        if do == "again":
            self._asked = None
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)
        if do == "setup":
            device.refinement.use(
                fields.text("url"), fields.text("population"), relay=fields.text("relay") or None
            )
            says.append("That server is chosen. Nothing was sent yet: fetch what it takes when you like.")
        elif do == "refresh":
            device.refinement.refresh(patience=PATIENCE)
            says.append("What refining takes is here.")
        elif do == "off":
            device.refinement.use(None)
            says.append("No list is refined any more, and what was fetched for it is erased.")
        else:
            raise DataError(f"there is no button {do!r}")
        self._asked = None
        return RedirectResponse("/switches#refining", HTTPStatus.SEE_OTHER)


def moves(local: Answer, refined: Answer) -> dict[str, str]:
    """Return for each item that a server's knowledge moved how it did, in words, by id."""
    before = {one.item.id: place for place, one in enumerate(local.suggestions, 1)}
    found = {}
    for place, one in enumerate(refined.suggestions, 1):
        points = sum(reason.points for reason in one.reasons if reason.kind in _BY_SERVER)
        if said := wording.moved_words(before.get(one.item.id), place, points):
            found[one.item.id] = said
    return found


def _figures(status: "RefinementStatus") -> tuple[tuple[str, str], ...]:
    """Return the policy's figures as names and values."""
    decision = status.decision
    if decision is None:
        return ()
    expected = f"about {decision.expected:.1f} in {decision.days:.1f} days"
    even = f"{decision.break_even:,} questions" if decision.break_even > 1 else "the first question"
    return (
        ("One question", f"{wording.size_words(decision.question)} up"),
        ("Its answer", f"{wording.size_words(decision.answer)} down"),
        ("Questions expected", expected),
        ("All of them", wording.size_words(decision.ask)),
        ("Downloading instead", wording.size_words(decision.download)),
        ("Downloading is no dearer from", f"{even} on"),
    )
