"""What was read: libraries of books as their sites export them, by their columns."""

import re
from collections.abc import Iterator

from confidante.formats.columns import Table, csv_format

_FINISHED = {
    "read": "read",
    "finished": "read",
    "completed": "read",
    "to-read": "to-read",
    "to read": "to-read",
    "want to read": "want-to-read",
    "want-to-read": "want-to-read",
    "tbr": "to-read",
    "wishlist": "wishlist",
    "wish list": "wishlist",
    "reading": "currently-reading",
    "currently reading": "currently-reading",
    "currently-reading": "currently-reading",
    "paused": "paused",
    "on hold": "on-hold",
    "stopped": "stopped-reading",
    "stopped reading": "stopped-reading",
    "stopped-reading": "stopped-reading",
    "did not finish": "did-not-finish",
    "did-not-finish": "did-not-finish",
    "didn't finish": "did-not-finish",
    "dnf": "did-not-finish",
    "unfinished": "unfinished",
    "abandoned": "abandoned",
    "gave-up": "gave-up",
    "gave up": "gave-up",
    "gave-up-on": "gave-up",
    "ignored": "not-interested",
    "owned": None,
}
_GIVEN_UP = re.compile(
    r"\b(dnf|did[ -]?n[o']t[ -]?finish|abandon|gave[ -]?up|unfinish|never[ -]?finish|quit)", re.IGNORECASE
)
_WANTED = re.compile(r"\b(to[ -]?read|tbr|want|wish|next|later|maybe|someday|backlog)", re.IGNORECASE)
_UNDER_WAY = re.compile(r"\b(currently|reading|pause|on[ -]?hold|hiatus|in[ -]?progress)", re.IGNORECASE)
_RANGE = re.compile(r"^(?:.*\d-)?(\d{4}/\d{1,2}(?:/\d{1,2})?)$")


def _shelf(fields: dict[str, str]) -> Iterator[dict[str, str]]:
    """Give shelves of a person's own making the meaning that their names have: a book is on one of them."""
    shelf = fields["exclusive shelf"].strip().lower()
    if shelf and shelf not in _FINISHED:
        for kind, said in (
            ("did-not-finish", _GIVEN_UP),
            ("currently-reading", _UNDER_WAY),
            ("to-read", _WANTED),
        ):
            if said.search(shelf):
                fields["exclusive shelf"] = kind
                break
        else:  # "favourites-2020": where it was filed says little, that it was rated or read says it all
            read = (
                fields.get("my rating", "0").strip() not in {"", "0"} or fields.get("date read", "").strip()
            )
            fields["exclusive shelf"] = "read" if read else "saved"
    yield fields


def _readings(fields: dict[str, str]) -> Iterator[dict[str, str]]:
    """Give each time that a book was read a row of its own; a StoryGraph range ends when it was read."""
    ends = [
        found[1] if found[1].count("/") == 2 else f"{found[1]}/1"
        for part in fields.get("dates read", "").split(",")
        if (found := _RANGE.match(part.strip()))
    ]
    for end in ends or [fields.get("last date read", "")]:
        yield {**fields, "last date read": end}


GOODREADS = csv_format(
    "goodreads",
    "Goodreads library export (CSV)",
    Table(
        needs="title|author|my rating|date read|date added|exclusive shelf",
        title="title",
        id="book id",
        time="date read",
        late="date added",
        value="my rating",
        scale=5,
        kind="exclusive shelf",
        kinds=_FINISHED,
        default="read",
        creator="author",
        refine=_shelf,
    ),
    more={"medium": "book"},
)
STORYGRAPH = csv_format(
    "storygraph",
    "The StoryGraph export (CSV)",
    Table(
        needs="title|authors|read status|star rating|last date read",
        title="title",
        time="last date read",
        late="date added",
        value="star rating",
        scale=5,
        kind="read status",
        kinds=_FINISHED,
        creator="authors",
        refine=_readings,
    ),
    more={"medium": "book"},
)
