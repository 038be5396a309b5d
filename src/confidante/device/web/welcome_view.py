"""The first screen: titles that a new person may know, three of which they love, and what follows from it.

What is ticked is kept in memory until the choice is done: it stays through searches and further titles.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, final

from starlette.responses import RedirectResponse, Response

from confidante.core.errors import DataError
from confidante.core.values import Item
from confidante.device.recommend.onboarding import MOST_PICKS
from confidante.device.web import wording
from confidante.device.web.page import Page

if TYPE_CHECKING:
    from confidante.device.device import Device
    from confidante.device.web.forms import Fields

WANTED = 3
"""How many picks are asked for. Fewer are fine, and so are more."""

FOUND = 24
"""How many titles a search shows."""

_KNOWN = 1000  # newest events whose items are not offered again


@final
@dataclass(slots=True)
class Choosing:
    """A choice that is going on. ticked, before: ids of items, `before` of those on slates shown before."""

    ticked: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    find: str = ""


@final
class Welcome:
    """Shows the choice of one page's device, and does what its buttons say."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._device: Device = page.device
        self._choosing = Choosing()

    def shown(self) -> dict[str, Any]:
        """Return what the template needs; `choice` says whether there is anything to choose from."""
        device, now = self._device, self._choosing
        slate = self._slate()
        if not slate and now.before:
            now.before = []
            self._page.visit.says.append("There are no others: these are the first ones again.")
            slate = self._slate()
        found = device.items.find(now.find, FOUND) if now.find else ()
        on_screen = {item.id for item in (*found, *slate)}
        carried = self._items(item_id for item_id in now.ticked if item_id not in on_screen)
        due = device.onboarding.due
        wanted = WANTED if due else 0
        found_ids = {item.id for item in found}
        return {
            "choice": bool(slate or found or carried),
            "find": now.find,
            "found": found,
            "carried": carried,
            "slate": tuple(item for item in slate if item.id not in found_ids),
            "ticked": set(now.ticked),
            "progress": wording.picked_words(len(now.ticked), wanted),
            "count": len(now.ticked),
            "wanted": wanted,
            "due": due,
            "picks": device.onboarding.picks,
        }

    def act(self, fields: "Fields") -> Response:
        """Note what is ticked, and go on as the pressed button says."""
        now, page = self._choosing, self._page
        do = fields.text("do")
        handles = fields.texts("pick", 10 * MOST_PICKS)
        ticked = list(dict.fromkeys(item for handle in handles if (item := page.known(handle)) is not None))
        now.ticked = ticked[:MOST_PICKS]
        if len(ticked) > MOST_PICKS:
            page.visit.says.append(f"At most {MOST_PICKS} can be ticked: the first {MOST_PICKS} are.")
        if do == "find":
            now.find = fields.text("text", 200)
        elif do == "others":
            now.before += [item.id for item in self._slate()]
            now.find = ""
        elif do == "skip":
            self._choosing = Choosing()
            if self._device.onboarding.due:
                self._device.onboarding.skip()
                page.visit.says.append("Skipped. You can choose later, under “Pick what you love”.")
            return _to("/")
        elif do == "done":
            return self._done()
        elif do != "tick":
            raise DataError(f"there is no button {do!r}")
        return _to("/welcome")

    def _done(self) -> Response:
        chosen = self._items(self._choosing.ticked)
        says = self._page.visit.says
        if not chosen:
            says.append("Nothing is ticked yet. Tick what you love, or skip.")
            return _to("/welcome")
        if not self._device.onboarding.pick([item.id for item in chosen]):
            says.append(
                "Learning is off or paused, so nothing was noted. Your ticks stay: turn it on under Settings."
            )
            return _to("/welcome")
        self._choosing = Choosing()
        titles = wording.listed(f"“{item.title}”" for item in chosen[:5])
        more = f" and {len(chosen) - 5} more" if len(chosen) > 5 else ""
        says.append(f"Noted on this device that you love {titles}{more}. Your list starts from there.")
        return _to("/")

    def _slate(self) -> tuple[Item, ...]:
        """Return titles, without what this person has had or set aside."""
        device = self._device
        known = [event.item for event in device.history.events(limit=_KNOWN)]
        known += [item.id for _, item in device.taste.refused]
        return device.onboarding.slate(after=[*self._choosing.before, *known])

    def _items(self, ids: Iterable[str]) -> tuple[Item, ...]:
        """Return those items that there still are."""
        found = []
        for item_id in ids:
            try:
                found.append(self._device.items.get(item_id))
            except DataError:
                continue
        return tuple(found)


def _to(place: str) -> Response:
    return RedirectResponse(place, HTTPStatus.SEE_OTHER)
