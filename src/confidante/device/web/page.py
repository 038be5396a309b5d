"""What one visit of the person's page remembers, and how its pages are made of templates.

Browsers remember addresses and titles, outside the vault. So neither ever holds what was searched for or
which item is looked at: searches are kept in memory, and items go by handles that mean nothing after
this run.
"""

import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from confidante.core.errors import DataError
from confidante.device.importing import ImportReport
from confidante.device.values import ReasonKind, Retention
from confidante.device.web import wording
from confidante.device.web.security import Gate

if TYPE_CHECKING:
    from starlette.requests import Request

    from confidante.device.device import Device

TABS = (
    ("/", "For you"),
    ("/know", "Your data"),
    ("/left", "Sent from this device"),
    ("/switches", "Settings"),
)

_DOTS = {
    ReasonKind.REQUEST: "request",
    ReasonKind.TASTE: "taste",
    ReasonKind.POPULARITY: "everyone",
    ReasonKind.REFINEMENT: "server",
    ReasonKind.RULE: "server",
}


@final
@dataclass(frozen=True, slots=True)
class UndoOffer:
    """Something that can still be taken back.

    take_back: does so, and says what came of it. erases: whether it is erased for good when its time is over.
    """

    said: str
    until: float
    take_back: Callable[[], str]
    erases: bool = False
    token: str = field(default_factory=lambda: secrets.token_urlsafe(12))


@final
@dataclass(frozen=True, slots=True)
class Preview:
    """A taste edit that is looked at before it is made. level: -2 to 2, or None: the label is removed."""

    label: str
    level: int | None


@final
@dataclass(slots=True)
class Visit:
    """What the page remembers between two requests, in memory only."""

    says: list[str] = field(default_factory=list)
    undos: list[UndoOffer] = field(default_factory=list)
    find: str = ""
    search: str = ""
    since: str = ""
    until: str = ""
    preview: Preview | None = None
    retention: Retention | None = None
    report: ImportReport | None = None


@final
class Page:
    """The page of one device, as long as its server runs."""

    def __init__(self, device: "Device", gate: Gate) -> None:
        self.device = device
        self.gate = gate
        self.visit = Visit()
        self._salt = secrets.token_bytes(32)
        self._items: dict[str, str] = {}
        self._templates = environment()
        self._templates.filters["handle"] = self.handle
        self._templates.filters["title_of"] = self.title_of

    def handle(self, item_id: str) -> str:
        """Return the name that an item has in addresses and forms, as long as this server runs."""
        name = hmac.digest(self._salt, item_id.encode("utf-8", "surrogatepass"), "sha256").hex()[:24]
        self._items[name] = item_id
        return name

    def item_id(self, handle: str) -> str:
        """Return the item of a handle; DataError when it is of another run."""
        try:
            return self._items[handle]
        except KeyError:
            raise DataError(
                "that link belongs to an earlier visit: go back to the list and follow it again"
            ) from None

    def known(self, handle: str) -> str | None:
        """Return the item of a handle, or None when it is of another run."""
        return self._items.get(handle)

    def title_of(self, item_id: str) -> str:
        """Return an item's title, its id when it has none any more."""
        try:
            return self.device.items.get(item_id).title
        except DataError:
            return item_id

    def greet(self, request: "Request") -> None:
        """Note what the browser says of itself, before anything is shown or changed."""
        self.device.consents.note_gpc(request.headers.get("sec-gpc") == "1")

    def show(self, request: "Request", template: str, tab: str, **values: Any) -> HTMLResponse:
        """Return a page. tab: the one that it belongs to. values: what its template needs."""
        device, visit = self.device, self.visit
        state = device.consents.state()
        now = device.now()
        visit.undos = [undo for undo in visit.undos if undo.until > now]
        if tab != "/":  # a search is over when one looks elsewhere
            visit.find = ""
        if tab != "/know":
            visit.search = visit.since = visit.until = ""
            visit.preview = None
        says, visit.says = visit.says, []
        query = f"?{request.url.query}" if request.url.query else ""
        text = self._templates.get_template(template).render(
            {
                "tabs": TABS,
                "tab": tab,
                "here": request.url.path + query if request.method == "GET" else tab,
                "says": says,
                "undos": visit.undos,
                "rollback": device.rollback,
                "paused": device.settings.paused_until is not None,
                "learns": any(on for purpose, on in state.items() if not purpose.sends),
                "sending": sum(on for purpose, on in state.items() if purpose.sends),
                "form_secret": self.gate.form_secret,
                "pack": device.pack,
                **values,
            }
        )
        return HTMLResponse(text)


def alone(head: str, text: str, status: HTTPStatus, back: str = "") -> HTMLResponse:
    """A page that says one thing and knows nothing of the person: a refusal, an error, the end."""
    page = environment().get_template("alone.html").render(head=head, text=text, back=back)
    return HTMLResponse(page, status)


@lru_cache(maxsize=1)
def _loader() -> PackageLoader:
    return PackageLoader("confidante.device.web")


def environment() -> Environment:
    """Templates that escape everything, and fail rather than show nothing for a name that is missing."""
    made = Environment(
        loader=_loader(), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {
        "shares": wording.shares,
        "reason": wording.reason_words,
        "dot": lambda kind: _DOTS.get(kind, "event"),
        "points": wording.points_words,
        "time": wording.time_words,
        "clock": wording.clock_words,
        "machine": wording.machine_time,
        "size": wording.size_words,
        "figure": wording.figure_words,
        "pretty": _pretty,
    }
    return made


def _pretty(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
