"""The endpoints that Gorse has, with Gorse's names and shapes, answered from this device.

After the RESTful API of Gorse 0.4 and 0.5. What differs, because one device holds one person: the only user
is "me" (or the name the server was started with), others are 404; categories are labels; an item's Comment
is its title; a feedback's Comment is kept as the context "comment". POST leaves a feedback that exists as it
is (Gorse 0.4; 0.5 adds the values up). What arrives while learning is paused or off is neither kept nor
counted.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import Field

from confidante.core.errors import DataError
from confidante.core.values import NO_CONTEXT, Event, Item
from confidante.device.values import Purpose
from confidante.device.web.gorse_shapes import (
    Feedback,
    FeedbackPage,
    Health,
    ItemPage,
    ItemPatch,
    KeptFeedback,
    KeptItem,
    NewItem,
    Score,
    Success,
    User,
    item_of,
    kept_feedback,
    kept_item,
    patched,
    scores_of,
    seconds_of,
)
from confidante.device.web.shapes import (
    ERRORS,
    KEYED,
    MAX_BATCH,
    MAX_N,
    Count,
    Name,
    Offset,
    known,
    parse_time,
)

if TYPE_CHECKING:
    from confidante.device.device import Device

_PAGE = 500

Category = Annotated[list[Name], Query(max_length=100, description="only items with all of these labels")]
Cursor = Annotated[str, Query(pattern=r"^[0-9]{0,15}$", description="where the page before ended")]
WriteBack = Annotated[
    str, Query(alias="write-back-type", max_length=100, description="keep it as feedback so named")
]
Delay = Annotated[
    str, Query(alias="write-back-delay", max_length=20, description="dated so much ahead: 0h0m0s")
]
NotSeenBy = Annotated[
    str, Query(alias="user-id", max_length=1000, description="leave out what this person had")
]
Batch = Annotated[list[Feedback], Field(max_length=MAX_BATCH)]


def gorse_routes(device: "Device", user: str) -> list[APIRouter]:
    """Return Gorse's endpoints for this device. user: a second name of the person, beside "me"."""
    people = {"me", user}

    def person(name: str) -> None:
        if name not in people:
            names = " or ".join(repr(one) for one in sorted(people))
            raise HTTPException(404, f"this device belongs to one person, who is called {names} here")

    return [
        _health_routes(),
        _recommend_routes(device, person),
        _feedback_routes(device, user, person),
        _item_routes(device),
        _user_routes(device, user, person),
    ]


def _health_routes() -> APIRouter:
    router = APIRouter(prefix="/api/health", tags=["health, as in Gorse"], responses=ERRORS)
    healthy = Health(
        ready=True,
        data_store_error=None,
        cache_store_error=None,
        data_store_connected=True,
        cache_store_connected=True,
    )

    @router.get("/live")
    def live() -> Health:
        """Say that the server runs. Needs no key."""
        return healthy

    @router.get("/ready")
    def ready() -> Health:
        """Say that requests can be answered. Needs no key."""
        return healthy

    return router


def _recommend_routes(device: "Device", person: Callable[[str], None]) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["recommend, as in Gorse"], responses=ERRORS, dependencies=KEYED)

    @router.get("/recommend/{user_id}")
    def recommend(
        user_id: Name,
        category: Category = [],  # noqa: B006  # FastAPI copies it
        n: Count = 10,
        offset: Offset = 0,
        write_back_type: WriteBack = "",
        write_back_delay: Delay = "",
    ) -> list[str]:
        """Return the ids of the best items for the person, best first."""
        person(user_id)
        later = seconds_of(write_back_delay)
        answer = device.recommend(min(offset + n, MAX_N), filter=_carries(category))
        ids = [one.item.id for one in answer.suggestions[offset:]]
        if write_back_type:
            at = device.now() + later
            for item_id in ids:
                device.record(item_id, write_back_type, at=at)
        return ids

    @router.get("/recommend/{user_id}/{category}")
    def recommend_category(
        user_id: Name,
        category: Name,
        n: Count = 10,
        offset: Offset = 0,
        write_back_type: WriteBack = "",
        write_back_delay: Delay = "",
    ) -> list[str]:
        """Return the ids of the best items with one label."""
        return recommend(user_id, [category], n, offset, write_back_type, write_back_delay)

    @router.post("/session/recommend")
    def session(feedback: Batch, n: Count = 10, offset: Offset = 0) -> list[Score]:
        """Return what suits this feedback. Nothing is kept, and the person's history is not read."""
        now = device.now()
        done = sorted(feedback, key=lambda one: parse_time(one.timestamp) or now)
        known_ids = [one.item_id for one in done if _find(device, one.item_id) is not None]
        return scores_of(device.recommender.session(known_ids, min(offset + n, MAX_N)).suggestions[offset:])

    def neighbours(item_id: str, n: int, offset: int, categories: list[str], user_id: str) -> list[Score]:
        known(device, item_id)
        found = device.recommender.similar_items(item_id, MAX_N)
        seen = frozenset[str]()
        if user_id:
            person(user_id)
            if not device.settings.no_profiling:
                seen = device.history.seen.among([item.id for item, _score in found])
        keep = _carries(categories)
        alike = [
            Score(id=item.id, score=score)
            for item, score in found
            if item.id not in seen and (keep is None or keep(item))
        ]
        return alike[offset : offset + n]

    @router.get("/item-to-item/{name}/{item_id}")
    def item_to_item(
        name: Name,  # noqa: ARG001  # Gorse can have several
        item_id: Name,
        n: Count = 10,
        offset: Offset = 0,
        category: Category = [],  # noqa: B006
        user_id: NotSeenBy = "",
    ) -> list[Score]:
        """Return the items most like one. There is one way of comparing here, whatever the name."""
        return neighbours(item_id, n, offset, category, user_id)

    @router.get("/item/{item_id}/neighbors")
    def item_neighbors(
        item_id: Name,
        n: Count = 10,
        offset: Offset = 0,
        category: Category = [],  # noqa: B006
        user_id: NotSeenBy = "",
    ) -> list[Score]:
        """Return the items most like one."""
        return neighbours(item_id, n, offset, category, user_id)

    return router


def _feedback_routes(device: "Device", user: str, person: Callable[[str], None]) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["feedback, as in Gorse"], responses=ERRORS, dependencies=KEYED)

    def insert(batch: list[Feedback], *, overwrite: bool) -> Success:
        for one in batch:
            person(one.user_id)
        learns = device.consents.allowed(Purpose.LEARN) and device.settings.paused_until is None
        if not learns:
            return Success(row_affected=0)
        unknown = [
            item_id
            for item_id in dict.fromkeys(one.item_id for one in batch)
            if _find(device, item_id) is None
        ]
        device.items.add((Item(item_id, item_id) for item_id in unknown), personal=True)
        kept = {(event.kind, event.item): event for event in reversed(list(_events(device)))}
        now, new = device.now(), dict[tuple[str, str], Event]()
        for one in batch:
            name = (one.feedback_type, one.item_id)
            old = new.get(name) or kept.get(name)
            if old is not None and (not overwrite or _same(old, one)):
                continue
            when = parse_time(one.timestamp)
            context = {"comment": one.comment} if one.comment else NO_CONTEXT
            new[name] = Event(
                0, one.item_id, one.feedback_type, now if when is None else when, one.value, context
            )
        device.history.record_many(new.values())
        replaced = [kept[name].number for name in new if name in kept]
        if replaced:
            device.forget(events=replaced)
        return Success(row_affected=len(batch))

    def chosen(user_id: str = "me", item: str | None = None, kind: str | None = None) -> list[Event]:
        person(user_id)
        return [
            event
            for event in _events(device)
            if (item is None or event.item == item) and (kind is None or event.kind == kind)
        ]

    def shown(events: list[Event]) -> list[KeptFeedback]:
        return [kept_feedback(event, user) for event in events]

    def page(cursor: str, n: int, kind: str | None) -> FeedbackPage:
        found: list[Event] = []
        for event in _events(device, int(cursor) if cursor else None):
            if kind is None or event.kind == kind:
                found.append(event)
            if len(found) > n:
                break
        more = str(found[n - 1].number) if len(found) > n else ""
        return FeedbackPage(cursor=more, feedback=shown(found[:n]))

    def forget(events: list[Event]) -> Success:
        device.forget(events=[event.number for event in events])
        return Success(row_affected=len(events))

    @router.post("/feedback")
    def post_feedback(feedback: Batch) -> Success:
        """Record feedback; what exists (same type and item) stays as it is. Unknown items are made."""
        return insert(feedback, overwrite=False)

    @router.put("/feedback")
    def put_feedback(feedback: Batch) -> Success:
        """Record feedback in place of what exists (same type and item). Unknown items are made."""
        return insert(feedback, overwrite=True)

    @router.get("/feedback")
    def list_feedback(cursor: Cursor = "", n: Count = 10) -> FeedbackPage:
        """Return the person's feedback, newest first."""
        return page(cursor, n, None)

    @router.get("/feedback/{feedback_type}")
    def list_typed_feedback(feedback_type: Name, cursor: Cursor = "", n: Count = 10) -> FeedbackPage:
        """Return the person's feedback of one type, newest first."""
        return page(cursor, n, feedback_type)

    @router.get("/feedback/{user_id}/{item_id}")
    def item_feedback_of(user_id: Name, item_id: Name) -> list[KeptFeedback]:
        """Return the person's feedback on one item."""
        return shown(chosen(user_id, item_id))

    @router.delete("/feedback/{user_id}/{item_id}")
    def delete_feedback(user_id: Name, item_id: Name) -> Success:
        """Forget the person's feedback on one item. It is erased at once."""
        found = chosen(user_id, item_id)
        if found:
            device.forget(item=item_id)
        return Success(row_affected=len(found))

    @router.get("/feedback/{feedback_type}/{user_id}/{item_id}")
    def one_feedback(feedback_type: Name, user_id: Name, item_id: Name) -> KeptFeedback:
        """Return the person's newest feedback of one type on one item."""
        found = shown(chosen(user_id, item_id, feedback_type))
        if not found:
            raise HTTPException(404, "there is no such feedback")
        return found[0]

    @router.delete("/feedback/{feedback_type}/{user_id}/{item_id}")
    def delete_typed_feedback(feedback_type: Name, user_id: Name, item_id: Name) -> Success:
        """Forget the person's feedback of one type on one item. It is erased at once."""
        return forget(chosen(user_id, item_id, feedback_type))

    @router.get("/user/{user_id}/feedback")
    def user_feedback(user_id: Name) -> list[KeptFeedback]:
        """Return all feedback of the person, newest first."""
        return shown(chosen(user_id))

    @router.get("/user/{user_id}/feedback/{feedback_type}")
    def typed_user_feedback(user_id: Name, feedback_type: Name) -> list[KeptFeedback]:
        """Return all feedback of the person of one type, newest first."""
        return shown(chosen(user_id, None, feedback_type))

    @router.get("/item/{item_id}/feedback")
    def feedback_on_item(item_id: Name) -> list[KeptFeedback]:
        """Return the person's feedback on one item."""
        return shown(chosen(item=item_id))

    @router.get("/item/{item_id}/feedback/{feedback_type}")
    def typed_feedback_on_item(item_id: Name, feedback_type: Name) -> list[KeptFeedback]:
        """Return the person's feedback of one type on one item."""
        return shown(chosen(item=item_id, kind=feedback_type))

    return router


def _item_routes(device: "Device") -> APIRouter:
    router = APIRouter(prefix="/api", tags=["items, as in Gorse"], responses=ERRORS, dependencies=KEYED)

    @router.post("/item")
    def post_item(item: NewItem) -> Success:
        """Add an item, or replace it."""
        return post_items([item])

    @router.post("/items")
    def post_items(items: Annotated[list[NewItem], Field(max_length=MAX_BATCH)]) -> Success:
        """Add items, or replace them. A hidden one is recommended no more."""
        device.items.add(item_of(one) for one in items)
        device.items.remove({one.item_id for one in items if one.is_hidden})
        return Success(row_affected=len(items))

    @router.get("/items")
    def list_items(
        cursor: Annotated[str, Query(max_length=512, description="the last item of the page before")] = "",
        n: Count = 10,
    ) -> ItemPage:
        """Return items in the order in which they came."""
        if cursor:
            known(device, cursor)
        found = device.items.list(n + 1, cursor)
        more = n > 0 and len(found) > n
        return ItemPage(cursor=found[n - 1].id if more else "", items=[kept_item(one) for one in found[:n]])

    @router.get("/item/{item_id}")
    def get_item(item_id: Name) -> KeptItem:
        """Return an item."""
        return kept_item(known(device, item_id))

    @router.patch("/item/{item_id}")
    def patch_item(item_id: Name, patch: ItemPatch) -> Success:
        """Change an item."""
        item = known(device, item_id)
        device.items.add([patched(item, patch)])
        if patch.is_hidden:
            device.items.remove([item_id])
        return Success(row_affected=1)

    @router.delete("/item/{item_id}")
    def delete_item(item_id: Name) -> Success:
        """Recommend an item no more, and forget the feedback on it."""
        if _find(device, item_id) is None:
            return Success(row_affected=0)
        device.forget(item=item_id)
        return Success(row_affected=device.items.remove([item_id]))

    @router.put("/item/{item_id}/category/{category}")
    def put_category(item_id: Name, category: Name) -> Success:
        """Add a label to an item."""
        item = known(device, item_id)
        device.items.add([replace(item, labels=tuple(dict.fromkeys((*item.labels, category))))])
        return Success(row_affected=1)

    @router.delete("/item/{item_id}/category/{category}")
    def delete_category(item_id: Name, category: Name) -> Success:
        """Take a label off an item."""
        item = known(device, item_id)
        device.items.add([replace(item, labels=tuple(one for one in item.labels if one != category))])
        return Success(row_affected=1)

    return router


def _user_routes(device: "Device", user: str, person: Callable[[str], None]) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["users, as in Gorse"], responses=ERRORS, dependencies=KEYED)

    @router.post("/user")
    def post_user(new: User) -> Success:
        """Take note of the person. Nothing is kept: the device knows whose it is."""
        person(new.user_id)
        return Success(row_affected=1)

    @router.get("/user/{user_id}")
    def get_user(user_id: Name) -> User:
        """Return the person."""
        person(user_id)
        return User(user_id=user)

    @router.delete("/user/{user_id}")
    def delete_user(user_id: Name) -> Success:
        """Forget everything that the person did. It is erased at once."""
        person(user_id)
        device.forget(everything=True)
        return Success(row_affected=1)

    return router


def _events(device: "Device", before: int | None = None) -> Iterator[Event]:
    """Yield the events before one, newest first."""
    while True:
        page = device.history.events(limit=_PAGE, before=before)
        yield from page
        if len(page) < _PAGE:
            return
        before = page[-1].number


def _find(device: "Device", item_id: str) -> Item | None:
    try:
        return device.items.get(item_id)
    except DataError:
        return None


def _carries(labels: Sequence[str]) -> Callable[[Item], bool] | None:
    """Return a test for items with all of these labels; None when there are none."""
    wanted = set(labels)
    return None if not wanted else lambda item: wanted <= set(item.labels)


def _same(event: Event, feedback: Feedback) -> bool:
    """Whether feedback says just what is kept already: putting it again changes nothing."""
    at = parse_time(feedback.timestamp)
    value, comment = (event.value, event.context.get("comment", ""))
    return at == event.at and value == feedback.value and comment == feedback.comment
