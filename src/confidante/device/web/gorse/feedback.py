"""Feedback as Gorse means it: what each type says, and how it is kept.

Feedback that speaks for or against its item is an event, of the type itself where the profile's pack means
the same by that word, else of the kind "like", "dislike" or "seen", with the type beside it. That an item was
merely read is no event: it is marked as had (`device.history.seen`), at the time of the feedback. Until then
it may be recommended; then it is not, however many reads there are, and nothing is learnt from it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, final

from fastapi import APIRouter, HTTPException, Path

from confidante.core.errors import DataError
from confidante.core.values import NO_CONTEXT, Event, Item
from confidante.device.web.gorse.config import FeedbackType, GorseConfig
from confidante.device.web.gorse.shapes import (
    COMMENT,
    PROBLEMS,
    TYPE,
    Batch,
    Cursor,
    Feedback,
    FeedbackPage,
    KeptFeedback,
    Many,
    Success,
    kept_feedback,
    type_of,
)
from confidante.device.web.gorse.times import NO_TIME, read_time
from confidante.device.web.shapes import KEYED, Name
from confidante.packs.signals import Signal

if TYPE_CHECKING:
    from confidante.device.device import Device

_PAGE = 500
_ALL = 1 << 62
_KIND = {Signal.FOR: "like", Signal.AGAINST: "dislike", Signal.SEEN: "seen", Signal.WISH: "wish"}
_MARKS = "seen "
"""How a cursor begins that goes on in what was merely read; else it is the number of an event."""

TypeName = Annotated[Name, Path(description="a type of feedback, or with a bound of the value, as read>=3")]


@final
class FeedbackStore:
    """The person's feedback. user: the name that it is shown under."""

    def __init__(self, device: "Device", config: GorseConfig, user: str) -> None:
        self._device, self._config, self._user = device, config, user

    def insert(self, batch: Sequence[Feedback], *, overwrite: bool) -> int:
        """Keep feedback; return how many there were, or 0 while nothing is learnt.

        Of several of one type and item the first counts. What exists is replaced with `overwrite`; else its
        value and the new one are added up, the earlier time stays, and the comment is the new one.
        """
        device = self._device
        if not device.settings.learning:
            return 0
        first = {(one.feedback_type, one.item_id): one for one in reversed(batch)}
        new = list(reversed(first.values()))
        if self._config.auto_insert_item:
            known = self._known(one.item_id for one in new)
            unknown = dict.fromkeys(one.item_id for one in new if one.item_id not in known)
            device.items.add((Item(item_id, item_id) for item_id in unknown), personal=True)
        known = self._known(one.item_id for one in new)
        kept: dict[tuple[str, str], Event] = {}
        for earlier in events(device):
            kept.setdefault((type_of(earlier), earlier.item), earlier)
        fresh, replaced = list[Event](), list[int]()
        for one in new:
            old = kept.get((one.feedback_type, one.item_id))
            if one.item_id not in known or (old is None and self._merely_read(one)):
                continue
            event = self._event(one, old if not overwrite else None)
            if event is None or (old is not None and replace(event, number=old.number) == old):
                continue
            fresh.append(event)
            replaced += [] if old is None else [old.number]
        device.history.record_many(fresh)
        device.forget(events=replaced)
        for one in new:
            if one.item_id in known and self._merely_read(one):
                device.history.seen.mark([one.item_id], at=self._time(one))
        return len(batch)

    def of(self, item: str | None = None, kind: str | None = None) -> list[KeptFeedback]:
        """Return feedback on an item, or on any; of a type, perhaps with a bound of its value, or of any."""
        fits = _test_of(kind)
        found = [self._shown(event) for event in events(self._device) if item in (None, event.item)]
        return [one for one in (*found, *self._reads(item)) if fits(one)]

    def page(self, cursor: str, n: int, kind: str | None) -> FeedbackPage:
        """Return feedback newest first, at the end of it what was merely read."""
        fits = _test_of(kind)
        found, ends = list[KeptFeedback](), list[str]()
        if not cursor.startswith(_MARKS):
            for event in events(self._device, _number(cursor)):
                found, ends = [*found, self._shown(event)], [*ends, str(event.number)]
                if not fits(found[-1]):
                    del found[-1], ends[-1]
                if len(found) > n:
                    return FeedbackPage(cursor=ends[n - 1], feedback=found[:n])
        for one in self._reads(None, cursor.removeprefix(_MARKS) if cursor.startswith(_MARKS) else ""):
            if fits(one):
                found, ends = [*found, one], [*ends, f"{_MARKS}{one.item_id}"]
            if len(found) > n:
                return FeedbackPage(cursor=ends[n - 1], feedback=found[:n])
        return FeedbackPage(cursor="", feedback=found)

    def delete(self, item: str, kind: str | None = None) -> int:
        """Forget feedback on an item; return how many there were. It is erased at once."""
        device, found = self._device, self.of(item, kind)
        if kind is None:
            if found:
                device.forget(item=item)
            return len(found)
        fits = _test_of(kind)
        numbers = [
            event.number for event in events(device) if event.item == item and fits(self._shown(event))
        ]
        device.forget(events=numbers)
        if len(found) > len(numbers):
            device.history.seen.unmark([item])
        return len(found)

    def had(self, item_ids: Iterable[str]) -> frozenset[str]:
        """Return which of some items the person had; none in no-profiling mode."""
        if self._device.settings.no_profiling:
            return frozenset()
        return self._device.history.seen.among(list(item_ids))

    def _merely_read(self, one: Feedback) -> bool:
        """Whether feedback says no more than that the person saw the item."""
        first = self._config.read[0].name if self._config.read else ""
        seen = self._config.signal(one.feedback_type, one.value or 0.0, self._device.pack) is Signal.SEEN
        return seen and one.feedback_type == first and not one.value and not one.comment

    def _event(self, one: Feedback, old: Event | None) -> Event | None:
        """Return feedback as an event, added to what there is; None for what must not be remembered."""
        value, at = one.value or 0.0, self._time(one)
        if old is not None:
            value, at = value + (old.value or 0.0), min(at, old.at)
        pack = self._device.pack
        signal = self._config.signal(one.feedback_type, value, pack)
        if signal is Signal.PRIVATE:
            return None
        own = pack.declared(one.feedback_type)
        kind = one.feedback_type if own is not None and own.signal is signal else _KIND[signal]
        context = {
            **({COMMENT: one.comment} if one.comment else {}),
            **({TYPE: one.feedback_type} if kind != one.feedback_type else {}),
        }
        return Event(0, one.item_id, kind, at, value or None, context or NO_CONTEXT)

    def _time(self, one: Feedback) -> float:
        when = read_time(one.timestamp)
        return self._device.now() if when == NO_TIME else when.timestamp()

    def _shown(self, event: Event) -> KeptFeedback:
        return kept_feedback(event, self._user)

    def _reads(self, item: str | None, after: str = "") -> Iterator[KeptFeedback]:
        """Yield what is marked as had and was no event, newest first: to Gorse it was read."""
        if not self._config.read:
            return
        told = {event.item for event in events(self._device)}
        name = self._config.read[0].name
        for one in self._device.history.seen.list(_ALL, after=after):
            if one.item.id not in told and item in (None, one.item.id):
                yield kept_feedback(Event(0, one.item.id, name, one.at), self._user)

    def _known(self, item_ids: Iterable[str]) -> frozenset[str]:
        return frozenset(one for one in item_ids if _exists(self._device, one))


def feedback_routes(config: GorseConfig, store: FeedbackStore, person: Callable[[str], None]) -> APIRouter:
    """Return the endpoints of feedback. person: raises 404 for a name that is not the person's."""
    router = APIRouter(prefix="/api", tags=["feedback, as in Gorse"], responses=PROBLEMS, dependencies=KEYED)

    def insert(batch: list[Feedback], *, overwrite: bool) -> Success:
        for one in batch:
            person(one.user_id)
        return Success(row_affected=store.insert(batch, overwrite=overwrite))

    @router.post("/feedback")
    def post_feedback(feedback: Batch) -> Success:
        """Record feedback; where it exists (same type and item), the values are added up.

        Unknown items are made. What is neither for nor against an item only keeps it out of recommendations.
        """
        return insert(feedback, overwrite=False)

    @router.put("/feedback")
    def put_feedback(feedback: Batch) -> Success:
        """Record feedback in place of what exists (same type and item). Unknown items are made."""
        return insert(feedback, overwrite=True)

    @router.get("/feedback")
    def list_feedback(cursor: Cursor, n: Many = None) -> FeedbackPage:
        """Return the person's feedback, newest first."""
        return store.page(cursor, n or config.default_n, None)

    @router.get("/feedback/{feedback_type}")
    def list_typed_feedback(feedback_type: Name, cursor: Cursor, n: Many = None) -> FeedbackPage:
        """Return the person's feedback of one type, newest first."""
        return store.page(cursor, n or config.default_n, feedback_type)

    @router.get("/feedback/{user_id}/{item_id}")
    def item_feedback_of(user_id: Name, item_id: Name) -> list[KeptFeedback]:
        """Return the person's feedback on one item."""
        person(user_id)
        return store.of(item_id)

    @router.delete("/feedback/{user_id}/{item_id}")
    def delete_feedback(user_id: Name, item_id: Name) -> Success:
        """Forget the person's feedback on one item. It is erased at once."""
        person(user_id)
        return Success(row_affected=store.delete(item_id))

    @router.get("/feedback/{feedback_type}/{user_id}/{item_id}")
    def one_feedback(feedback_type: Name, user_id: Name, item_id: Name) -> KeptFeedback:
        """Return the person's newest feedback of one type on one item."""
        person(user_id)
        found = store.of(item_id, feedback_type)
        if not found:
            raise HTTPException(HTTPStatus.NOT_FOUND, "there is no such feedback")
        return found[0]

    @router.delete("/feedback/{feedback_type}/{user_id}/{item_id}")
    def delete_typed_feedback(feedback_type: Name, user_id: Name, item_id: Name) -> Success:
        """Forget the person's feedback of one type on one item. It is erased at once."""
        person(user_id)
        return Success(row_affected=store.delete(item_id, feedback_type))

    @router.get("/user/{user_id}/feedback")
    def user_feedback(user_id: Name) -> list[KeptFeedback]:
        """Return all feedback of the person, newest first."""
        person(user_id)
        return store.of()

    @router.get("/user/{user_id}/feedback/{feedback_type}")
    def typed_user_feedback(user_id: Name, feedback_type: TypeName) -> list[KeptFeedback]:
        """Return all feedback of the person of one type, newest first."""
        person(user_id)
        return store.of(None, feedback_type)

    @router.get("/item/{item_id}/feedback")
    def feedback_on_item(item_id: Name) -> list[KeptFeedback]:
        """Return the person's feedback on one item."""
        return store.of(item_id)

    @router.get("/item/{item_id}/feedback/{feedback_type}")
    def typed_feedback_on_item(item_id: Name, feedback_type: TypeName) -> list[KeptFeedback]:
        """Return the person's feedback of one type on one item."""
        return store.of(item_id, feedback_type)

    return router


def events(device: "Device", before: int | None = None) -> Iterator[Event]:
    """Yield the events before one, newest first."""
    while True:
        page = device.history.events(limit=_PAGE, before=before)
        yield from page
        if len(page) < _PAGE:
            return
        before = page[-1].number


def _exists(device: "Device", item_id: str) -> bool:
    try:
        device.items.get(item_id)
    except DataError:
        return False
    return True


def _number(cursor: str) -> int | None:
    if not cursor:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 16):
        raise DataError("the cursor is not one that a page before ended with: start without one")
    return int(cursor)


def _test_of(kind: str | None) -> Callable[[KeptFeedback], bool]:
    """Return a test for feedback of a type, which may have a bound of the value; None: any."""
    if kind is None:
        return lambda _one: True
    try:
        wanted = FeedbackType.read(kind)
    except DataError:  # a type of ours, such as "thumbs up"
        wanted = FeedbackType(kind)
    return lambda one: wanted.fits(one.feedback_type, one.value)
