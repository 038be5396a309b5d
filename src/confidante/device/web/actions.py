"""What the buttons of the page do: each changes the device, says so, and leads back to a page."""

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, final

from starlette.background import BackgroundTask
from starlette.responses import RedirectResponse, Response

from confidante.core.errors import DataError
from confidante.core.values import Item
from confidante.device.privacy.consent import PERSON
from confidante.device.values import Forgotten, Purpose, Retention, Taste
from confidante.device.web import wording
from confidante.device.web.attributes_form import state
from confidante.device.web.forms import Fields
from confidante.device.web.page import Page, Preview, UndoOffer, alone
from confidante.device.web.private_folders import private_folder, sweep, write_private

if TYPE_CHECKING:
    from starlette.requests import Request

UNDO_SECONDS, MAX_PASSPHRASE = 60.0, 1024
ROWS = 25
"""How many rows of the history a page has."""

LAST_SECONDS = 1.5
"""How long the server lives on after an erasure, for the last page to get its stylesheet."""


@final
class Actions:
    """The buttons. Every method takes the fields of a form and returns where to go next."""

    def __init__(self, page: Page, stop: Callable[[], None]) -> None:
        self._page = page
        self._device = page.device
        self._stop = stop

    def find(self, fields: Fields) -> Response:
        """Search titles on the first tab."""
        self._page.visit.find = fields.text("text", 200)
        return _to("/")

    def wish(self, fields: Fields) -> Response:
        """Less like this, not this one, allow, save, unsave, "I like it", or "I know it" (no liking)."""
        device, what = self._device, fields.text("wish")
        item = device.items.get(self._page.item_id(fields.text("item")))
        recorded = {"know": ("seen", "know"), "like": ("like", "like")}
        if what in recorded:
            kind, verb = recorded[what]
            event = device.record(item.id, kind)
            if event is None:
                said = f"Learning is off or paused: it was not noted that you {verb} “{item.title}”."
                return self._back(fields, "/", said)
            said = f"Noted that you {verb} “{item.title}”."
            self._undoable(said, lambda: self._unrecord(event.number, f"{verb} “{item.title}”"))
        elif what in ("less", "never"):
            before = {kind for kind, one in device.taste.refused if one.id == item.id}
            (device.taste.less if what == "less" else device.taste.never)(item.id)
            said = (
                f"You will see less like “{item.title}”."
                if what == "less"
                else f"“{item.title}” will not be suggested again."
            )
            self._undoable(said, lambda: self._refused_as_before(item, before))
        elif what == "allow":
            device.taste.allow(item.id)
            said = f"“{item.title}” may be suggested again."
        elif what == "save":
            device.taste.save(item.id)
            said = f"Saved “{item.title}” for later."
        elif what == "unsave":
            device.taste.unsave(item.id)
            said = f"“{item.title}” is off the list."
        else:
            raise DataError(f"there is no button {what!r}")
        return self._back(fields, "/", said)

    def taste(self, fields: Fields) -> Response:
        """Show what raising, lowering or removing a taste would do to the list; with `sure`, do it."""
        label, do = fields.text("label"), fields.text("do")
        visit, taste = self._page.visit, self._device.taste
        if do == "leave":
            visit.preview = None
            return _to("/know#tastes")
        level = None if do == "remove" else fields.whole("do") or 0
        if not fields.text("sure"):
            visit.preview = Preview(label, level)
            return _to("/know#preview")
        visit.preview = None
        before = {one.label: one for one in taste.list(0)}.get(label)
        taste.edit(label, level=level or 0, removed=level is None)
        if level is None:
            said = f"Nothing with “{label}” will be suggested."
        else:
            how = "counts as you lived it" if level == 0 else f"counts {'more' if level > 0 else 'less'} now"
            said = f"“{label}” {how}."
        self._undoable(said, lambda: self._taste_as_before(label, before))
        return self._back(fields, "/know", said)

    def state(self, fields: Fields) -> Response:
        """State something of oneself, or no more."""
        return self._back(fields, "/know", state(self._device, fields))

    def history(self, fields: Fields) -> Response:
        """Choose which part of the history is shown."""
        visit = self._page.visit
        keep = fields.text("do") != "all"
        since, until = fields.text("since"), fields.text("until")
        if _wrong_way(*wording.day_range(since, until)) and keep:
            return self._back(fields, "/know#history", f"Nothing was looked for: {since} is after {until}.")
        visit.search = fields.text("search", 200) if keep else ""
        visit.since, visit.until = (since, until) if keep else ("", "")
        return _to("/know#history")

    def forget(self, fields: Fields) -> Response:
        """Forget an event, an item's events, all picks, days, or everything; it can be undone."""
        device = self._device
        event, item, last = fields.whole("event"), fields.text("item"), fields.number("last")
        if event is not None:
            forgotten = device.forget(event=event, undo_seconds=UNDO_SECONDS)
        elif item:
            forgotten = device.forget(item=self._page.item_id(item), undo_seconds=UNDO_SECONDS)
        elif fields.text("picks"):
            numbers = [pick.number for pick in device.onboarding.picks]
            forgotten = device.forget(events=numbers, undo_seconds=UNDO_SECONDS)
        elif fields.text("ticked"):
            numbers = [int(text) for text in fields.texts("events", ROWS) if text.isdecimal()]
            if not numbers:
                return self._back(
                    fields, "/know", "Nothing was forgotten: tick something in the table first."
                )
            forgotten = device.forget(events=numbers, undo_seconds=UNDO_SECONDS)
        elif fields.text("everything"):
            forgotten = device.forget(everything=True, undo_seconds=UNDO_SECONDS)
        elif last is not None:
            forgotten = device.forget(since=device.now() - last, undo_seconds=UNDO_SECONDS)
        else:
            first, last_day = fields.text("since"), fields.text("until")
            since, until = wording.day_range(first, last_day)
            if _wrong_way(since, until):
                return self._back(fields, "/know", f"Nothing was forgotten: {first} is after {last_day}.")
            if since is None and until is None:
                return self._back(
                    fields, "/know", "Nothing was forgotten: choose a first day, a last day, or both."
                )
            forgotten = device.forget(since=since, until=until, undo_seconds=UNDO_SECONDS)
        return self._back(fields, "/know", self._said_forgotten(forgotten))

    def unmark(self, fields: Fields) -> Response:
        """Have an item be suggested again although it was had; it can be undone."""
        item = self._device.items.get(self._page.item_id(fields.text("item")))
        unmarked = self._device.history.seen.unmark([item.id], undo_seconds=UNDO_SECONDS)
        said = f"“{item.title}” may be suggested again."
        return self._back(fields, "/know", self._said_forgotten(unmarked, said))

    def undo(self, fields: Fields) -> Response:
        """Take back what can still be."""
        token, visit = fields.text("token"), self._page.visit
        undo = next((one for one in visit.undos if one.token == token), None)
        if undo is None:
            raise DataError("this can no longer be undone: its time has passed")
        visit.undos.remove(undo)
        return self._back(fields, "/know", undo.take_back())

    def bring(self, fields: Fields) -> Response:
        """Import a history from a file."""
        name, data = fields.file("file")
        look = fields.text("do") == "look"
        with private_folder(self._device.folder) as folder:
            # The importer tells formats and lists (watched, wanted) by names as well.
            plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(name).name)[-80:].lstrip(".")
            path = folder / (plain or "history.txt")
            try:
                write_private(path, data)
            except OSError as error:
                raise DataError(f"a file of {wording.size_words(len(data))} is too large") from error
            report = self._device.import_history(
                path,
                fields.text("format") or None,
                person=fields.text("person") or None,
                date_order=fields.text("date_order") or None,
                dry_run=look,
                add_missing=bool(fields.text("add_missing")),
            )
        self._page.visit.report = report
        self._page.visit.says.append(
            "Nothing was imported: this is what would happen." if look else "Imported."
        )
        return _to("/know#report")

    def export(self, _: "Request") -> Response:
        """Hand out everything known of the person as one file."""
        with private_folder(self._device.folder) as folder:
            path = folder / "confidante.jsonl"
            self._device.export(path)
            data = path.read_bytes()
        return Response(
            data,
            media_type="application/jsonl",
            headers={"Content-Disposition": 'attachment; filename="confidante.jsonl"'},
        )

    def switch(self, fields: Fields) -> Response:
        """Turn one purpose on or off."""
        try:
            purpose = Purpose(fields.text("purpose"))
        except ValueError as error:
            raise DataError("there is no such switch") from error
        on = bool(fields.text("on"))
        self._device.consents.switch(purpose, on, how=PERSON, explicit=True)
        return self._back(fields, "/switches", f"“{purpose.entry.title}” is {'on' if on else 'off'}.")

    def profiling(self, fields: Fields) -> Response:
        """Turn the no-profiling mode on or off."""
        self._device.settings.no_profiling = bool(fields.text("on"))
        on = self._device.settings.no_profiling
        said = "Suggestions use nothing of yours now." if on else "Suggestions are yours again."
        return self._back(fields, "/switches", said)

    def pause(self, fields: Fields) -> Response:
        """Stop learning for a while, or go on."""
        how = fields.text("for")
        if how == "resume":
            self._device.settings.resume()
            return self._back(fields, "/switches", "Learning goes on.")
        self._device.settings.pause(None if how == "ever" else fields.number("for"))
        return self._back(fields, "/switches", "Learning is paused.")

    def retention(self, fields: Fields) -> Response:
        """Set how long events are kept."""
        events, days = fields.whole("events"), fields.number("days")
        if events is None:
            raise DataError("give the number of events to keep")
        keep_seen = bool(fields.text("keep_seen"))
        kept, settings = Retention(events, days, keep_seen), self._device.settings
        before, gone = settings.retention, settings.beyond(kept)
        any_gone = bool(gone.events or gone.seen)
        if any_gone and not fields.text("sure"):
            self._page.visit.retention = kept
            return _to("/retention")
        age = "of any age" if days is None else f"none older than {days:g} days"
        said = f"The newest {events} things are kept, {age}."
        if not any_gone:
            settings.retention = kept
            return self._back(fields, "/switches", said)

        def as_before() -> str:
            settings.retention = before
            return f"Taken back: nothing was erased, and the newest {before.events} things are kept."

        until = settings.change_retention(kept, undo_seconds=UNDO_SECONDS)
        items = f" {_items(gone.seen)} may be suggested again then." if gone.seen else ""
        waits = f"{_things(gone.events)} will be erased in a minute.{items}"
        self._page.visit.undos.append(UndoOffer(waits, until, as_before, erases=True))
        return self._back(fields, "/switches", f"{said} {waits}")

    def budget(self, fields: Fields) -> Response:
        """Set how much may be given away in a lifetime."""
        limit = fields.number("limit")
        if limit is None:
            raise DataError("give the limit as a number")
        self._device.ledger.set_budget(limit)
        return self._back(fields, "/left", f"The limit is ε = {limit:g} now.")

    def lock(self, fields: Fields) -> Response:
        """Change the passphrase, or set a first one."""
        device, new = self._device, fields.secret("new", MAX_PASSPHRASE)
        if device.protection == "passphrase" and not device.is_opened_by(
            fields.secret("now", MAX_PASSPHRASE)
        ):
            return self._back(fields, "/switches", "Nothing was changed: that is not your passphrase now.")
        if new != fields.secret("again", MAX_PASSPHRASE):
            return self._back(fields, "/switches", "Nothing was changed: the two new ones differ.")
        if not fields.text("lost"):
            return self._back(
                fields, "/switches", "Nothing was changed: tick that you know what losing it means."
            )
        device.change_key(new)
        return self._back(fields, "/switches", "The new passphrase opens this profile from now on.")

    def restored(self, fields: Fields) -> Response:
        """Note that the person knows of an older copy that was put back."""
        self._device.accept_rollback()
        return self._back(fields, "/", "Noted. What had been given away stays charged.")

    def alarm(self, fields: Fields) -> Response:
        """Dismiss an alarm."""
        number = fields.whole("alarm")
        if number is None:
            raise DataError("give the number of an alarm")
        self._device.federation.dismiss_alarm(number)
        return self._back(fields, "/left", "The alarm is dismissed. That coordinator is dealt with again.")

    def close_api(self, fields: Fields) -> Response:
        """Make the API key worthless."""
        self._page.gate.close_api()
        return self._back(fields, "/switches", "The API key opens nothing any more.")

    def erase(self, fields: Fields) -> Response:
        """Erase everything, show the last page, and end the server."""
        if fields.text("word") != "ERASE":
            self._page.visit.says.append("Nothing was erased: the word was not ERASE.")
            return _to("/erase")
        profile = self._device.folder
        self._device.erase()
        sweep(profile)
        last = alone(
            "Erased",
            "Erased. Nothing is left to show. This page has closed; you can close the tab.",
            HTTPStatus.OK,
        )
        last.background = BackgroundTask(self._stop_soon)
        return last

    async def _stop_soon(self) -> None:
        await asyncio.sleep(LAST_SECONDS)
        self._stop()

    def _said_forgotten(self, forgotten: Forgotten, said: str = "") -> str:
        token = forgotten.undo
        if not said:
            said = f"Forgot {_things(forgotten.events)}."
            if forgotten.seen:
                said += f" {_items(forgotten.seen)} may be suggested again."
        if token is None or forgotten.until is None:
            return said

        def remember() -> str:
            events = self._device.undo(token)
            return f"Taken back: {_things(events)} remembered again." if events else "Taken back."

        self._page.visit.undos.append(UndoOffer(said, forgotten.until, remember, erases=True))
        return said

    def _undoable(self, said: str, take_back: Callable[[], str]) -> None:
        self._page.visit.undos.append(UndoOffer(said, self._device.now() + UNDO_SECONDS, take_back))

    def _unrecord(self, number: int, what: str) -> str:
        self._device.forget(events=[number])
        return f"Taken back: it is not noted that you {what}."

    def _refused_as_before(self, item: Item, before: set[str]) -> str:
        taste = self._device.taste
        taste.allow(item.id)
        for kind in before:
            (taste.less if kind == "less" else taste.never)(item.id)
        return f"Taken back: “{item.title}” counts as before."

    def _taste_as_before(self, label: str, before: Taste | None) -> str:
        removed, level = (False, 0) if before is None else (before.removed, before.level)
        self._device.taste.edit(label, level=level, removed=removed)
        return f"Taken back: “{label}” counts as before."

    def _back(self, fields: Fields, default: str, said: str) -> Response:
        self._page.visit.says.append(said)
        return _to(fields.back(default))


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count:,} items"


def _wrong_way(since: float | None, until: float | None) -> bool:
    return since is not None and until is not None and since >= until


def _things(count: int) -> str:
    return "1 thing" if count == 1 else f"{count} things"


def _to(place: str) -> Response:
    return RedirectResponse(place, HTTPStatus.SEE_OTHER)
