"""What was saved to read later, and what of it was read: unread is wanted, not read."""

from collections.abc import Iterator

from confidante.formats.columns import Refine, Table, table_format

_LATER = "read-later"
_SAVED = {
    "archive": "read",
    "archived": "read",
    "read": "read",
    "unread": _LATER,
    "active": _LATER,
    "succeeded": _LATER,
    "processing": _LATER,
    "new": _LATER,
    "later": _LATER,
    "shortlist": _LATER,
    "inbox": _LATER,
    "feed": None,
    "deleted": None,
    "starred": "starred",
}


def _folder(fields: dict[str, str]) -> Iterator[dict[str, str]]:
    """Take a folder of the person's own making for a place where wanted things are kept."""
    if fields["folder"].strip().lower() not in _SAVED:
        fields["folder"] = "saved"
    yield fields


DELETED = "in the trash"


def _flags(read: str, liked: str) -> Refine:
    """Return what says of an entry with two flags, in place of a status, what became of it."""

    def refine(fields: dict[str, str]) -> Iterator[dict[str, str] | str]:
        if fields.get("folder", "").strip().lower() == "trash":
            yield DELETED
            return

        def on(name: str) -> bool:
            return fields.get(name, "").strip().lower() in {"1", "true", "yes"}

        yield {**fields, "became": "favorite" if on(liked) else "read" if on(read) else _LATER}

    return refine


INSTAPAPER = table_format(
    "instapaper",
    "Instapaper export (CSV)",
    Table(
        needs="url|title|selection|folder|timestamp",
        title="title",
        time="timestamp",
        kind="folder",
        kinds=_SAVED,
        refine=_folder,
    ),
)
POCKET = table_format(
    "pocket",
    "Pocket export (CSV, or its zip)",
    Table(needs="title|url|time added|status", title="title", time="time added", kind="status", kinds=_SAVED),
)
READER = table_format(
    "readwise-reader",
    "Readwise Reader export (CSV)",
    Table(
        needs="title|url|id|document tags|saved date|reading progress|location",
        title="title",
        time="saved date",
        kind="location",
        kinds=_SAVED,
    ),
)
RAINDROP = table_format(
    "raindrop",
    "Raindrop.io export (CSV)",
    Table(
        needs="title|url|folder|created|favorite",
        adds="became",
        title="title",
        time="created",
        kind="became",
        refine=_flags("read", "favorite"),
    ),
)
OMNIVORE = table_format(
    "omnivore",
    "Omnivore export (JSON, or its zip)",
    Table(
        needs="slug|readingProgress|savedAt|state",
        form="json",
        title="title",
        time="savedat",
        creator="author",
        kind="state",
        kinds=_SAVED,
    ),
)
WALLABAG = table_format(
    "wallabag",
    "wallabag export (JSON)",
    Table(
        needs="is_archived|is_starred|created_at",
        form="json",
        title="title",
        time="archived_at|starred_at|created_at",
        kind="became",
        refine=_flags("is_archived", "is_starred"),
    ),
)
KARAKEEP = table_format(
    "karakeep",
    "Karakeep (Hoarder) export (JSON)",
    Table(
        needs="bookmarks|createdAt|content",
        form="json",
        inside="bookmarks",
        title="title|content.title",
        time="createdat",
        kind="became",
        refine=_flags("archived", "favourited"),
    ),
)
ARTICLES = (INSTAPAPER, POCKET, READER, RAINDROP, OMNIVORE, WALLABAG, KARAKEEP)
