"""The person's page: four tabs, made here from what the device says. What the buttons do is in `actions.py`.

Browsers remember addresses and titles, outside the vault. So neither ever holds what was searched for or
which item is looked at: searches are kept in memory, and items go by handles that mean nothing after
this run.
"""

import hmac
import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from confidante.core.errors import DataError, VaultError
from confidante.device.federation.alarms import MEANING
from confidante.device.importing import FORMATS, ImportReport
from confidante.device.values import ReasonKind
from confidante.device.web import wording
from confidante.device.web.attributes_form import stated
from confidante.device.web.refinement_view import Refining
from confidante.device.web.security import IMPORT_LIMIT, Gate
from confidante.device.web.welcome_view import Welcome

if TYPE_CHECKING:
    from starlette.requests import Request

    from confidante.device.device import Device

TABS = (("/", "For you"), ("/know", "What I know"), ("/left", "What left"), ("/switches", "Switches"))
SUGGESTIONS, ROWS, LIST = 12, 25, 10

_LEVELS = {-2: "much less", -1: "less", 1: "more", 2: "much more"}
_KEPT = {
    "passphrase": "encrypted with your passphrase",
    "keyring": "encrypted with a key from your system's key ring",
    "beside": "encrypted, but with the key lying beside it",
}
_LOCKS = {
    "passphrase": "Encrypted. The key opens with your passphrase, which is kept nowhere.",
    "keyring": "Encrypted. The key is in your system's key ring and opens when you are logged in.",
    "beside": "Encrypted, but the key lies beside the data: this protects nothing.",
}
_DOTS = {
    ReasonKind.REQUEST: "request",
    ReasonKind.TASTE: "taste",
    ReasonKind.POPULARITY: "everyone",
    ReasonKind.REFINEMENT: "server",
    ReasonKind.RULE: "server",
}


@final
@dataclass(frozen=True, slots=True)
class Undo:
    """A forgetting that can still be taken back."""

    said: str
    token: str
    until: float


@final
@dataclass(slots=True)
class Visit:
    """What the page remembers between two requests, in memory only."""

    says: list[str] = field(default_factory=list)
    undos: list[Undo] = field(default_factory=list)
    find: str = ""
    search: str = ""
    since: str = ""
    until: str = ""
    report: ImportReport | None = None


@final
class Page:
    """Makes the pages of one device."""

    def __init__(self, device: "Device", gate: Gate) -> None:
        self.device = device
        self.gate = gate
        self.visit = Visit()
        self._salt = secrets.token_bytes(32)
        self._items: dict[str, str] = {}
        self.welcome = Welcome(self)
        self.refining = Refining(self)
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

    def title_of(self, item_id: str) -> str:
        """Return an item's title, its id when it has none any more."""
        try:
            return self.device.items.get(item_id).title
        except DataError:
            return item_id

    def greet(self, request: "Request") -> None:
        """Note what the browser says of itself, before anything is shown or changed."""
        self.device.consents.note_gpc(request.headers.get("sec-gpc") == "1")

    def choose(self, request: "Request") -> HTMLResponse:
        """What the person loves, to be chosen from titles that they may know."""
        return self._show(request, "welcome.html", "/", **self.welcome.shown())

    def refined(self, request: "Request") -> HTMLResponse:
        """The first tab once more, when what a server says of the list is here or its time is up."""
        return self._list(request, wait=True)

    def for_you(self, request: "Request") -> HTMLResponse:
        """The first tab; before anything is known, the welcome."""
        device = self.device
        if not self.visit.find and device.onboarding.due:
            welcome = self.welcome.shown()
            if welcome["choice"]:
                return self._show(request, "welcome.html", "/", **welcome)
        return self._list(request)

    def _list(self, request: "Request", *, wait: bool = False) -> HTMLResponse:
        device, find = self.device, self.visit.find
        shown = self.refining.shown(SUGGESTIONS, wait=wait)
        saved = device.taste.saved
        return self._show(
            request,
            "for_you.html",
            "/",
            **shown,
            events=device.history.count,
            picked=bool(device.onboarding.picks),
            learnt=device.federation.has_model,
            find=find,
            found=device.items.find(find, ROWS) if find else (),
            saved=saved,
            saved_ids={item.id for item in saved},
        )

    def why(self, request: "Request") -> HTMLResponse:
        """All reasons of one item, and the list without some events."""
        device = self.device
        item_id = self.item_id(request.query_params.get("item", ""))
        explanation = device.explain(item_id, n=5)
        offered = _numbers(request, "of")
        without = offered - _numbers(request, "keep")
        named = [r.event for r in explanation.suggestion.reasons if r.event is not None]
        by_number = {event.number: event for event in device.history.events(limit=1000)}
        events = [by_number[number] for number in named if number in by_number][:8]
        before = device.recommender.what_if(n=LIST).suggestions if events else ()
        after = device.recommender.what_if(without=without, n=LIST).suggestions if events else ()
        return self._show(
            request,
            "why.html",
            "/",
            explanation=explanation,
            set_aside=any(item.id == item_id for _, item in device.taste.refused),
            events=events,
            without=without,
            before=before,
            after=after,
            before_ids={suggestion.item.id for suggestion in before},
            after_ids={suggestion.item.id for suggestion in after},
        )

    def know(self, request: "Request") -> HTMLResponse:
        """The second tab."""
        device, visit = self.device, self.visit
        before = _number(request, "before")
        history = device.history.events(
            search=visit.search,
            since=wording.day_start(visit.since),
            until=wording.day_start(visit.until, after=True),
            limit=ROWS + 1,
            before=before,
        )
        tastes = device.taste.list()
        report, visit.report = visit.report, None
        return self._show(
            request,
            "know.html",
            "/know",
            events=device.history.count,
            items=device.items.count,
            kept=_KEPT[device.protection],
            tastes=tastes,
            widest=max((taste.share for taste in tastes), default=0) or 1,
            levels=_LEVELS,
            wishes=device.taste.refused,
            **stated(device),
            history=history[:ROWS],
            more=len(history) > ROWS,
            before=before,
            filter=visit,
            filtered=bool(visit.search or visit.since or visit.until),
            report=report,
            formats=FORMATS,
            import_limit=wording.size_words(IMPORT_LIMIT),
        )

    def left(self, request: "Request") -> HTMLResponse:
        """The third tab."""
        ledger, before = self.device.ledger, _number(request, "before")
        budget = ledger.budget()
        departures = ledger.departures(ROWS + 1, before)
        share = budget.epsilon_spent / budget.epsilon_limit if budget.epsilon_limit > 0 else 1.0
        damage = _damage(ledger.verify)
        return self._show(
            request,
            "left.html",
            "/left",
            departures=departures[:ROWS],
            notes={one.number: ledger.local_note(one.round) for one in departures if one.round is not None},
            more=len(departures) > ROWS,
            before=before,
            budget=budget,
            spent=0.0 if budget.epsilon_spent == 0 else 100 * min(share, 1.0),
            damage=damage,
            alarms=self.device.federation.alarms(),
            meaning=MEANING,
        )

    def switches(self, request: "Request") -> HTMLResponse:
        """The fourth tab."""
        device, consents = self.device, self.device.consents
        until = device.settings.paused_until
        return self._show(
            request,
            "switches.html",
            "/switches",
            **self.refining.panel(),
            purposes=consents.state(),
            receipts=len(consents.records()),
            damage=_damage(consents.verify),
            gpc=consents.gpc,
            no_profiling=device.settings.no_profiling,
            paused_text="" if until is None or math.isinf(until) else wording.time_words(until),
            retention=device.settings.retention,
            protection=device.protection,
            locks=_LOCKS,
            has_api=self.gate.has_api,
        )

    def forget_everything(self, request: "Request") -> HTMLResponse:
        """Ask once more."""
        return self._show(request, "forget_everything.html", "/know", events=self.device.history.count)

    def erase(self, request: "Request") -> HTMLResponse:
        """Ask once more, and for a word."""
        return self._show(request, "erase.html", "/switches", events=self.device.history.count)

    def _show(self, request: "Request", template: str, tab: str, **values: Any) -> HTMLResponse:
        device, visit = self.device, self.visit
        state = device.consents.state()
        now = device.now()
        visit.undos = [undo for undo in visit.undos if undo.until > now]
        says, visit.says = visit.says, []
        query = f"?{request.url.query}" if request.url.query else ""
        text = self._templates.get_template(template).render(
            {
                "tabs": TABS,
                "tab": tab,
                "here": request.url.path + query if request.method == "GET" else tab,
                "says": says,
                "undos": visit.undos,
                "paused": device.settings.paused_until is not None,
                "learns": any(on for purpose, on in state.items() if not purpose.sends),
                "sending": sum(on for purpose, on in state.items() if purpose.sends),
                "form_secret": self.gate.form_secret,
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


def _damage(verify: Any) -> str:
    try:
        verify()
    except VaultError as error:
        return str(error)
    return ""


def _number(request: "Request", name: str) -> int | None:
    text = request.query_params.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 16 else None


def _numbers(request: "Request", name: str) -> set[int]:
    texts = request.query_params.getlist(name)
    return {int(text) for text in texts if text.isdecimal() and len(text) < 16}
