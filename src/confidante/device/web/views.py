"""The four tabs of the person's page, made here from what the device says.

What the buttons do is in `actions.py`.
"""

import math
from typing import TYPE_CHECKING, Any, final

from confidante.core.errors import VaultError
from confidante.device.federation.alarms import MEANING
from confidante.device.privacy.ledger import EgressRecord
from confidante.device.web import wording
from confidante.device.web.actions import ROWS
from confidante.device.web.attributes_form import stated
from confidante.device.web.page import Page
from confidante.device.web.pictures import picture_of
from confidante.device.web.refinement_view import RefinementView
from confidante.device.web.security import IMPORT_LIMIT
from confidante.device.web.sent import told
from confidante.device.web.welcome_view import Welcome

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, Response

SUGGESTIONS, LIST = 12, 10

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


@final
class Views:
    """Makes the pages of one device."""

    def __init__(self, page: Page) -> None:
        self._page, self._device, self._visit = page, page.device, page.visit
        self.welcome = Welcome(page)
        self.refining = RefinementView(page)

    def choose(self, request: "Request") -> "HTMLResponse":
        """What the person loves, to be chosen from titles that they may know."""
        return self._page.show(request, "welcome.html", "/", **self.welcome.shown())

    def refined(self, request: "Request") -> "HTMLResponse":
        """The first tab once more, when what a server says of the list is here or its time is up."""
        return self._list(request, wait=True)

    def for_you(self, request: "Request") -> "HTMLResponse":
        """The first tab; before anything is known, the welcome."""
        device = self._device
        if not self._visit.find and device.onboarding.due:
            welcome = self.welcome.shown()
            if welcome["choice"]:
                return self._page.show(request, "welcome.html", "/", **welcome)
        return self._list(request)

    def _list(self, request: "Request", *, wait: bool = False) -> "HTMLResponse":
        device, find = self._device, self._visit.find
        shown = self.refining.shown(SUGGESTIONS, wait=wait)
        saved = device.taste.saved
        return self._page.show(
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

    def picture(self, request: "Request") -> "Response":
        """An item's picture, read from this machine's disk now; 404 when there is none that can be shown."""
        item = self._device.items.get(self._page.item_id(request.query_params.get("item", "")))
        return picture_of(item.image)

    def why(self, request: "Request") -> "HTMLResponse":
        """All reasons of one item, and the list without some events."""
        device = self._device
        item_id = self._page.item_id(request.query_params.get("item", ""))
        explanation = device.explain(item_id, n=5)
        offered = _numbers(request, "of")
        without = offered - _numbers(request, "keep")
        named = [r.event for r in explanation.suggestion.reasons if r.event is not None]
        by_number = {event.number: event for event in device.history.events(limit=1000)}
        events = [by_number[number] for number in named if number in by_number][:8]
        without &= by_number.keys()  # one may have been forgotten meanwhile
        before = device.recommender.what_if(n=LIST).suggestions if events else ()
        after = device.recommender.what_if(without=without, n=LIST).suggestions if events else ()
        return self._page.show(
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

    def know(self, request: "Request") -> "HTMLResponse":
        """The second tab."""
        device, visit = self._device, self._visit
        before, last_seen = _number(request, "before"), self._last_seen(request)
        seen = device.history.seen.list(ROWS + 1, search=visit.search, after=last_seen)
        since, until = wording.day_range(visit.since, visit.until)
        history = device.history.events(
            search=visit.search,
            since=since,
            until=until,
            limit=ROWS + 1,
            before=before,
        )
        tastes = device.taste.list()
        report, visit.report = visit.report, None
        return self._page.show(
            request,
            "know.html",
            "/know",
            events=device.history.count,
            items=device.items.count,
            kept=_KEPT[device.protection],
            tastes=tastes,
            widest=max((taste.share for taste in tastes), default=0) or 1,
            levels=_LEVELS,
            **self._previewed(),
            wishes=device.taste.refused,
            **stated(device),
            history=history[:ROWS],
            more=len(history) > ROWS,
            before=before,
            had=device.history.seen.count,
            seen=seen[:ROWS],
            more_seen=len(seen) > ROWS,
            last_seen=last_seen,
            filter=visit,
            filtered=bool(visit.search or visit.since or visit.until),
            report=report,
            formats=device.pack.formats(),
            import_limit=wording.size_words(IMPORT_LIMIT),
        )

    def _last_seen(self, request: "Request") -> str:
        """Return the id of the last item of the page before; empty when it no longer counts as had."""
        handle = request.query_params.get("after", "")
        item_id = self._page.item_id(handle) if handle else ""
        return item_id if self._device.history.seen.among([item_id]) else ""

    def _previewed(self) -> dict[str, Any]:
        """What a taste edit would do to the list: the list now, and then."""
        preview, what_if = self._visit.preview, self._device.recommender.what_if
        now = what_if(n=LIST).suggestions if preview else ()
        then = what_if(tastes={preview.label: preview.level}, n=LIST).suggestions if preview else ()
        return {
            "preview": preview,
            "now": now,
            "then": then,
            "now_ids": {one.item.id for one in now},
            "then_ids": {one.item.id for one in then},
        }

    def left(self, request: "Request") -> "HTMLResponse":
        """The third tab."""
        ledger, before = self._device.ledger, _number(request, "before")
        budget = ledger.budget()
        departures, more = self._window(before)
        share = budget.epsilon_spent / budget.epsilon_limit if budget.epsilon_limit > 0 else 1.0
        damage = _damage(ledger.verify)
        return self._page.show(
            request,
            "left.html",
            "/left",
            sent=told(departures),
            notes={one.number: ledger.local_note(one.round) for one in departures if one.round is not None},
            oldest=departures[-1].number if more else None,
            before=before,
            budget=budget,
            spent=0.0 if budget.epsilon_spent == 0 else 100 * min(share, 1.0),
            damage=damage,
            alarms=self._device.federation.alarms(),
            meaning=MEANING,
        )

    def _window(self, before: int | None) -> tuple[tuple[EgressRecord, ...], bool]:
        """Return what left before an entry, as much as a page shows, and whether there is more.

        A round that has begun is shown to its first message.
        """
        found = self._device.ledger.departures(4 * ROWS + 1, before)
        end = min(len(found), ROWS)
        rounds = {one.round for one in found[:end] if one.round is not None}
        end = max([end, *(place + 1 for place, one in enumerate(found) if one.round in rounds)])
        return found[: min(end, 4 * ROWS)], len(found) > end

    def switches(self, request: "Request") -> "HTMLResponse":
        """The fourth tab."""
        device, consents = self._device, self._device.consents
        until = device.settings.paused_until
        return self._page.show(
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
            has_api=self._page.gate.has_api,
        )

    def forget_everything(self, request: "Request") -> "HTMLResponse":
        """Ask once more."""
        return self._page.show(request, "forget_everything.html", "/know", events=self._device.history.count)

    def retention(self, request: "Request") -> "HTMLResponse":
        """Ask once more before a shorter memory erases something."""
        settings = self._device.settings
        kept = self._visit.retention or settings.retention
        return self._page.show(
            request,
            "retention.html",
            "/switches",
            kept=kept,
            gone=settings.beyond(kept),
            events=self._device.history.count,
        )

    def erase(self, request: "Request") -> "HTMLResponse":
        """Ask once more, and for a word."""
        return self._page.show(request, "erase.html", "/switches", events=self._device.history.count)


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
