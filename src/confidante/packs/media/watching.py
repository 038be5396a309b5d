"""What was watched on Netflix: the viewing history of its page, and the full report of personal data."""

import re
from collections.abc import Iterator, Mapping

from confidante.core.errors import DataError
from confidante.formats.columns import Table, table_format
from confidante.formats.records import ForeignEvent, Format, Row, Skipped
from confidante.formats.source import Source
from confidante.formats.tables import NO_TIME, NO_TITLE, csv_rows, date_habits, header_of
from confidante.formats.written_dates import Habits, parse_words
from confidante.packs.media.titles import shared_beginnings, show_of


def _is_netflix(source: Source) -> bool:
    return any(header_of(member) == ["title", "date"] for member in source.named("*.csv")[:20])


def _netflix(source: Source, _: str | None) -> Iterator[Row]:
    found = [member for member in source.named("*.csv") if header_of(member) == ["title", "date"]]
    if not found:
        raise DataError('needs a CSV file with the header "Title,Date"', path=source.path)
    habits, notes = date_habits(found[0], "date", source)
    yield from notes
    rows = csv_rows(found[0])
    shared = shared_beginnings(row[1]["title"].strip() for row in rows if isinstance(row, tuple))
    for row in csv_rows(found[0]):
        yield _viewing(*row, habits, shared) if isinstance(row, tuple) else row


def _viewing(line: int, fields: Mapping[str, str], habits: Habits, shared: frozenset[str]) -> Row:
    title, at = fields["title"].strip(), parse_words(fields["date"], habits)
    if not title:
        return Skipped(NO_TITLE, line)
    if at is None:
        return Skipped(NO_TIME, line)
    show = show_of(title, shared)
    return ForeignEvent(
        title, at[0], "view", line=line, whole=show, more={"medium": "show" if show else "film"}
    )


NETFLIX = Format("netflix", "Netflix viewing history (CSV: Title, Date)", _is_netflix, _netflix)

TRAILER = "a trailer or preview"
STARTED = "watched for less than two minutes"
_DURATION = re.compile(r"(\d+):(\d\d):(\d\d)")


def _view(fields: dict[str, str]) -> Iterator[dict[str, str] | str]:
    lasted = _DURATION.fullmatch(fields["duration"].strip())
    if fields.get("supplemental video type", "").strip():
        yield TRAILER
    elif lasted and int(lasted[1]) == 0 and int(lasted[2]) < 2:
        yield STARTED
    else:
        title = " ".join(fields["title"].split())
        yield {**fields, "title": title, "whole": show_of(title, frozenset())}


def _opinion(fields: dict[str, str]) -> Iterator[dict[str, str] | str]:
    thumbs, stars = fields["thumbs value"].strip(), fields["star value"].strip()
    kind = {"1": "thumbs-down", "2": "thumbs-up", "3": "love"}.get(thumbs, "")
    if not kind and stars in {"", "0"}:
        yield "a rating that was taken back"
    else:
        yield {**fields, "opinion": kind}


def _interest(fields: dict[str, str]) -> Iterator[dict[str, str]]:
    def yes(name: str) -> bool:
        return fields[name].strip().lower() in {"yes", "true", "1"}

    kind = "like" if yes("has watched") else "wish"
    yield {**fields, "opinion": kind if yes("is interested") else "not-interested"}


NETFLIX_REPORT = table_format(
    "netflix-report",
    "Netflix personal data (zip, or its ViewingActivity.csv, Ratings.csv, MyList.csv)",
    Table(
        needs="profile name|start time|duration|title|supplemental video type",
        adds="whole",
        title="title",
        time="start time",
        person="profile name",
        whole="whole",
        refine=_view,
        more=lambda fields: {"medium": "show"} if fields.get("whole") else {},
    ),
    Table(
        needs="profile name|title name|thumbs value|star value|event utc ts",
        adds="opinion",
        title="title name",
        time="event utc ts",
        value="star value",
        scale=5,
        kind="opinion",
        person="profile name",
        refine=_opinion,
    ),
    Table(
        needs="profile name|title name|utc title add date",
        title="title name",
        time="utc title add date",
        default="wish",
        person="profile name",
    ),
    Table(
        needs="profile name|show|has watched|is interested|event date",
        adds="opinion",
        title="show",
        time="event date",
        kind="opinion",
        person="profile name",
        refine=_interest,
    ),
)
