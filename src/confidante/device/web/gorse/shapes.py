"""JSON objects as Gorse names them, and what they are on this device."""

import json
from collections.abc import Iterable
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Header, HTTPException, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_pascal

from confidante.core.errors import DataError
from confidante.core.values import Event, Item
from confidante.device.storage.vault import LATEST
from confidante.device.values import ItemEntry, Suggestion
from confidante.device.web.gorse.times import NO_TIME, moment_of, read_time, write_time
from confidante.device.web.shapes import ERRORS, MAX_BATCH, MAX_N, Finite, Name, Text

if TYPE_CHECKING:
    from confidante.device.device import Device


TYPE = "feedback"
"""Name of the context that holds the type of a feedback, where the event is of another kind."""

COMMENT = "comment"
"""Name of the context that holds a feedback's comment."""

_PLAIN = {"text/plain": {"schema": {"type": "string"}}}

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {**said, "content": _PLAIN, "description": f"{said['description']} It is plain text, as Gorse's."}
    for status, said in ERRORS.items()
}

Category = Annotated[list[Name], Query(max_length=100, description="only items with all of these labels")]
Many = Annotated[int | None, Query(ge=1, le=MAX_N, description="how many, at most")]
NotSeenBy = Annotated[
    str, Query(alias="user-id", max_length=1000, description="leave out what this person had")
]
Version = Annotated[str, Header(alias="X-API-Version", max_length=20, description="2: with scores")]


def _cursor(
    cursor: Annotated[str, Query(max_length=2000, description="where the page before ended")] = "",
    capital: Annotated[str, Query(alias="Cursor", max_length=2000, include_in_schema=False)] = "",
) -> str:
    return cursor or capital  # gorsejs sends the second


Cursor = Annotated[str, Depends(_cursor)]


def _is_time(text: str) -> str:
    try:
        read_time(text)
    except DataError as error:
        raise ValueError(error.problem) from error
    return text


def _can_be_kept(text: str) -> str:
    when = read_time(_is_time(text))
    if when != NO_TIME and not 0 <= when.timestamp() <= LATEST:
        raise ValueError(f"{text} is before 1970 or too far ahead")
    return text


Moment = Annotated[str, Field(max_length=64), AfterValidator(_is_time)]
EventMoment = Annotated[str, Field(max_length=64), AfterValidator(_can_be_kept)]


class _Pascal(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_pascal,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        frozen=True,
    )


class Feedback(_Pascal):
    """Something the person did. An empty time is now; a value of 0 is none."""

    feedback_type: Annotated[str, Field(min_length=1, max_length=64)]
    user_id: Name = "me"
    item_id: Name
    value: Finite | None = None
    timestamp: EventMoment = ""
    comment: Text = ""


class KeptFeedback(_Pascal):
    """Something the person did, as it is kept."""

    feedback_type: str
    user_id: str
    item_id: str
    value: float
    timestamp: str
    updated: str
    comment: str


class NewItem(_Pascal):
    """Something that can be recommended. Labels may be a list or an object: every text in them counts."""

    item_id: Name
    is_hidden: bool = False
    categories: list[Name] | None = None
    timestamp: Moment = ""
    labels: JsonValue = None
    comment: Text = ""


class ItemPatch(_Pascal):
    """What to change of an item; what is left out, or null, stays."""

    is_hidden: bool | None = None
    categories: list[Name] | None = None
    timestamp: Moment | None = None
    labels: JsonValue = None
    comment: Text | None = None


class KeptItem(_Pascal):
    """An item, as it is kept."""

    item_id: str
    is_hidden: bool
    categories: list[str] | None
    timestamp: str
    labels: JsonValue
    comment: str


class User(_Pascal):
    """The person. Nothing but the name is kept."""

    user_id: Name
    labels: JsonValue = None
    comment: str = ""


class UserPatch(_Pascal):
    """What an app says of the person. Nothing of it is kept."""

    labels: JsonValue = None
    comment: str | None = None


class Score(_Pascal):
    """An item and its score."""

    id: str
    score: float


class Success(_Pascal):
    """How many rows were taken."""

    row_affected: int


class FeedbackPage(_Pascal):
    """Feedback, newest first, and where to go on; an empty cursor is the end."""

    cursor: str
    feedback: list[KeptFeedback]


class ItemPage(_Pascal):
    """Items, and where to go on; an empty cursor is the end."""

    cursor: str
    items: list[KeptItem]


class UserPage(_Pascal):
    """The one person; the cursor is empty."""

    cursor: str
    users: list[User]


class Health(_Pascal):
    """Whether the device answers."""

    ready: bool
    data_store_error: str | None
    cache_store_error: str | None
    data_store_connected: bool
    cache_store_connected: bool


Batch = Annotated[list[Feedback], Field(max_length=MAX_BATCH)]


class ItemNote(BaseModel):
    """What is kept with an item that a Gorse client gave, so that it gets back what it said."""

    categories: list[str] | None = None
    labels: JsonValue = None
    timestamp: str = ""
    deleted: bool = False

    def text(self) -> str:
        """Return it as a note of `device.items`."""
        return self.model_dump_json(exclude_defaults=True)

    @property
    def all_labels(self) -> tuple[str, ...]:
        """Every text in categories and labels once, in order. Numbers (embeddings) are no labels."""
        return tuple(dict.fromkeys((*(self.categories or ()), *_texts(self.labels))))

    @classmethod
    def of(cls, entry: ItemEntry) -> "ItemNote":
        """Return the note of an item; what the item says itself, where that was changed since."""
        note = cls.model_validate(json.loads(entry.note)) if entry.note.startswith("{") else cls()
        if note.deleted or note.all_labels == entry.item.labels:
            return note
        return cls(categories=list(entry.item.labels), timestamp=note.timestamp)


def entry_of(new: NewItem) -> tuple[Item, ItemNote]:
    """Return what is kept of an item."""
    when = write_time(read_time(new.timestamp)) if new.timestamp else ""
    note = ItemNote(categories=new.categories, labels=new.labels, timestamp=when)
    return Item(new.item_id, new.comment or new.item_id, note.all_labels), note


def patched(entry: ItemEntry, patch: ItemPatch) -> tuple[Item, ItemNote]:
    """Return an item and its note as a patch wants them."""
    note = ItemNote.of(entry)
    said = {
        "categories": patch.categories,
        "labels": patch.labels,
        "timestamp": write_time(read_time(patch.timestamp)) if patch.timestamp else None,
    }
    note = note.model_copy(update={name: value for name, value in said.items() if value is not None})
    title = entry.item.title if patch.comment is None else patch.comment or entry.item.id
    return replace(entry.item, title=title, labels=note.all_labels), note


def kept_item(entry: ItemEntry) -> KeptItem:
    """Show an item as Gorse does."""
    note, item = ItemNote.of(entry), entry.item
    return KeptItem(
        item_id=item.id,
        is_hidden=entry.hidden,
        categories=note.categories,
        timestamp=write_time(read_time(note.timestamp)),
        labels=note.labels,
        comment="" if item.title == item.id else item.title,  # an item without a comment is called by its id
    )


def kept_feedback(event: Event, user: str) -> KeptFeedback:
    """Show an event as Gorse does. A value that was never given reads 0, as Gorse has it."""
    at = write_time(moment_of(event.at))
    return KeptFeedback(
        feedback_type=type_of(event),
        user_id=user,
        item_id=event.item,
        value=event.value or 0.0,
        timestamp=at,
        updated=at,
        comment=event.context.get(COMMENT, ""),
    )


def type_of(event: Event) -> str:
    """Return the type of feedback that an event is."""
    return event.context.get(TYPE, event.kind)


def scores_of(suggestions: Iterable[Suggestion]) -> list[Score]:
    """Show suggestions as Gorse does."""
    return [Score(id=one.item.id, score=one.score) for one in suggestions]


def known_entry(device: "Device", item_id: str) -> ItemEntry:
    """Return an item; 404 when there is none, or a Gorse client deleted it."""
    found = find_entry(device, item_id)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no item {item_id!r}")
    return found


def find_entry(device: "Device", item_id: str) -> ItemEntry | None:
    """Return an item, hidden or not; None when there is none, or a Gorse client deleted it."""
    try:
        entry = device.items.entry(item_id)
    except DataError:
        return None
    return None if is_deleted(entry) else entry


def is_deleted(entry: ItemEntry) -> bool:
    """Whether a Gorse client deleted the item, and nobody added it since."""
    return entry.hidden and ItemNote.of(entry).deleted


def _texts(labels: JsonValue) -> Iterable[str]:
    left = [labels]
    while left:
        one = left.pop()
        if isinstance(one, str):
            if one and len(one) <= 1000 and "\0" not in one:
                yield one
        elif isinstance(one, list):
            left += reversed(one)
        elif isinstance(one, dict):
            left += reversed(one.values())
