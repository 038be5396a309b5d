"""What was read: libraries of books as their sites export them, by their columns."""

import re
from collections.abc import Iterator

from confidante.formats.columns import Table, table_format

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


GOODREADS = table_format(
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
STORYGRAPH = table_format(
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


def _bookwyrm(fields: dict[str, str]) -> Iterator[dict[str, str]]:
    read = fields.get("finish_date", "").strip() or fields.get("stopped_date", "").strip()
    yield {**fields, "finish_date": read or fields["shelf_date"]}


BOOKWYRM = table_format(
    "bookwyrm",
    "BookWyrm export (CSV)",
    Table(
        needs="title|author text|remote id|shelf|shelf date",
        title="title",
        creator="author text",
        time="finish date",
        late="shelf date|start date",
        value="rating",
        scale=5,
        kind="shelf",
        kinds=_FINISHED,
        refine=_bookwyrm,
    ),
    more={"medium": "book"},
)


def _collections(fields: dict[str, str]) -> Iterator[dict[str, str]]:
    """Read a LibraryThing book's collections: it is read unless one of them says otherwise."""
    for name in ("date read", "entry date"):
        fields[name] = fields.get(name, "").strip(" []")
    said = fields["collections"]
    for kind, word in (
        ("did-not-finish", _GIVEN_UP),
        ("currently-reading", _UNDER_WAY),
        ("to-read", _WANTED),
    ):
        if word.search(said):
            yield {**fields, "became": kind}
            return
    read = fields["date read"] or fields.get("rating", "").strip() not in {"", "0"} or "read" in said.lower()
    yield {**fields, "became": "read" if read else "owned"}


LIBRARY_THING = table_format(
    "librarything",
    "LibraryThing export (tab-separated text)",
    Table(
        needs="book id|title|primary author|rating|collections|entry date",
        adds="became",
        title="title",
        id="book id",
        creator="primary author",
        time="date read",
        late="entry date",
        undated=True,
        value="rating",
        scale=5,
        kind="became",
        refine=_collections,
    ),
    more={"medium": "book"},
)

OPENED = "opened for less than a minute"


def _session(fields: dict[str, str]) -> Iterator[dict[str, str] | str]:
    lasted = fields["total reading milliseconds"].strip()
    yield OPENED if lasted.isdigit() and int(lasted) < 60_000 else fields


KINDLE = table_format(
    "kindle",
    "Kindle reading sessions with names of books (CSV)",
    Table(
        needs="product name|start timestamp|total reading milliseconds",
        title="product name",
        time="start timestamp",
        default="open",
        refine=_session,
    ),
    more={"medium": "book"},
)

BOOKS = (GOODREADS, STORYGRAPH, BOOKWYRM, LIBRARY_THING, KINDLE)
