"""Pages that were visited: the histories that Chrome, Edge and Safari hand out."""

from confidante.formats.columns import Table, table_format
from confidante.formats.json_tables import Entry, JsonTable, json_format

BY_ITSELF = "a page that loaded by itself"
_BY_ITSELF = frozenset({"RELOAD", "AUTO_SUBFRAME", "MANUAL_SUBFRAME", "FORM_SUBMIT", "AUTO_TOPLEVEL"})


def _passes(entry: Entry) -> str:
    return BY_ITSELF if entry.get("page_transition") in _BY_ITSELF else ""


CHROME = json_format(
    "browser-history",
    "the history of Chrome (Takeout) or Safari (JSON)",
    JsonTable(
        needs="Browser History|time_usec",
        entries="Browser History",
        title="title",
        time="time_usec",
        id="url",
        default="visit",
        passes=_passes,
    ),
    JsonTable(
        needs="history|time_usec|data_type",
        entries="history",
        title="title",
        time="time_usec",
        id="url",
        default="visit",
    ),
)
EDGE = table_format(
    "edge-history",
    "the history of Edge (CSV)",
    Table(
        needs="datetime|navigatedtourl|pagetitle",
        title="pagetitle",
        time="datetime",
        id="navigatedtourl",
        default="visit",
    ),
)
