"""JSON objects as Gorse names them, and what they are on this device."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_pascal

from confidante.core.errors import DataError
from confidante.core.values import Event, Item
from confidante.device.values import Suggestion
from confidante.device.web.shapes import Finite, Name, Text, parse_time, rfc3339

_NO_TIME = "0001-01-01T00:00:00Z"
_DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,9})s)?", re.ASCII)


def _is_time(text: str) -> str:
    try:
        parse_time(text)
    except DataError as error:
        raise ValueError(error.problem) from error
    return text


Moment = Annotated[str, Field(max_length=64), AfterValidator(_is_time)]


class _Pascal(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_pascal,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        frozen=True,
    )


class Feedback(_Pascal):
    """Something the person did. An empty time is now."""

    feedback_type: Annotated[str, Field(min_length=1, max_length=64)]
    user_id: Name = "me"
    item_id: Name
    value: Finite | None = None
    timestamp: Moment = ""
    comment: Text = ""


class KeptFeedback(_Pascal):
    """Something the person did, as it is kept."""

    feedback_type: str
    user_id: str
    item_id: str
    value: float
    timestamp: str
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
    """What to change of an item. Categories and labels are one here: either replaces all."""

    is_hidden: bool | None = None
    categories: list[Name] | None = None
    timestamp: Moment | None = None
    labels: JsonValue = None
    comment: Text | None = None


class KeptItem(_Pascal):
    """An item, as it is kept."""

    item_id: str
    is_hidden: bool
    categories: list[str]
    timestamp: str
    labels: list[str]
    comment: str


class User(_Pascal):
    """The person. Nothing but the name is kept."""

    user_id: Name
    labels: JsonValue = None
    comment: str = ""


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


class Health(_Pascal):
    """Whether the device answers."""

    ready: bool
    data_store_error: str | None
    cache_store_error: str | None
    data_store_connected: bool
    cache_store_connected: bool


def item_of(new: NewItem) -> Item:
    """Return what is kept of an item."""
    return Item(new.item_id, new.comment or new.item_id, labels_of(new.categories, new.labels))


def patched(item: Item, patch: ItemPatch) -> Item:
    """Return an item as a patch wants it."""
    labels = item.labels
    if patch.categories is not None or patch.labels is not None:
        labels = labels_of(patch.categories, patch.labels)
    title = item.title if patch.comment is None else patch.comment or item.id
    return Item(item.id, title, labels, item.description)


def labels_of(categories: list[str] | None, labels: JsonValue) -> tuple[str, ...]:
    """Return every text in categories and labels once, in order. Numbers (embeddings) are no labels."""
    found = dict.fromkeys(categories or ())
    left = [labels]
    while left:
        one = left.pop()
        if isinstance(one, str):
            if one and len(one) <= 1000 and "\0" not in one:
                found[one] = None
        elif isinstance(one, list):
            left += reversed(one)
        elif isinstance(one, dict):
            left += reversed(one.values())
    return tuple(found)


def kept_item(item: Item) -> KeptItem:
    """Show an item as Gorse does."""
    labels = list(item.labels)
    return KeptItem(
        item_id=item.id,
        is_hidden=False,
        categories=labels,
        timestamp=_NO_TIME,
        labels=labels,
        comment=item.title,
    )


def kept_feedback(event: Event, user: str) -> KeptFeedback:
    """Show an event as Gorse does. A value that was never given reads 0, as Gorse has it."""
    return KeptFeedback(
        feedback_type=event.kind,
        user_id=user,
        item_id=event.item,
        value=event.value or 0.0,
        timestamp=rfc3339(event.at),
        comment=event.context.get("comment", ""),
    )


def scores_of(suggestions: tuple[Suggestion, ...]) -> list[Score]:
    """Show suggestions as Gorse does."""
    return [Score(id=one.item.id, score=one.score) for one in suggestions]


def seconds_of(duration: str) -> float:
    """Read a duration as Gorse takes it, "0h0m0s"; DataError for anything else."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise DataError(f"{duration[:20]!r} is not a duration: write it as 1h30m0s")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds).total_seconds()
