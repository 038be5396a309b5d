"""What streaming services for music hand out as tables: Apple Music, Deezer, Tidal."""

from collections.abc import Iterator

from confidante.core.errors import DataError
from confidante.formats.columns import Table, read_table, table_format
from confidante.formats.records import Format, Note, OnePerson, Row
from confidante.formats.source import Member, Source

_SONG = {"medium": "song"}
_ENOUGH = 30_000  # milliseconds
_NO_PLAY = "no play (a pause, lyrics that were shown)"
_SHORT = "played for less than 30 seconds"
_HEARD_OUT = ("NATURAL_END_OF_TRACK", "NATURAL")
_SKIPS = ("TRACK_SKIPPED_FORWARDS", "SKIPPED")
_ADDS = "@title|@artist|@time|@kind"

Fields = dict[str, str]


def _number(text: str) -> float:
    return float(text) if text.strip().replace(".", "", 1).isdecimal() else 0.0


def _described(text: str) -> Fields:
    """Return artist and title of "Artist - Title"."""
    artist, parted, title = text.partition(" - ")
    return {"@title": title, "@artist": artist} if parted else {"@title": text, "@artist": ""}


def _said(fields: Fields, plays: int, skips: int, reason: str, played: float) -> str:
    """Return what a row of Apple's says: the kind of event, or an empty text."""
    if fields.get("ignore for recommendations", "").strip().lower() in {"true", "1", "yes"}:
        return "private"
    if reason in _HEARD_OUT or (plays and reason not in _SKIPS):
        return "play"
    if skips or reason in _SKIPS:
        return "skip"
    return "play" if plays or played >= _ENOUGH else ""


def _daily(fields: Fields) -> Iterator[Fields | str]:
    """Give the plays of a track in a day, one for each hour that it was played in, or its being skipped."""
    day, count = fields["date played"].strip(), int(_number(fields["play count"]))
    reason, played = fields.get("end reason type", ""), _number(fields["play duration milliseconds"])
    kind = _said(fields, count, int(_number(fields["skip count"])), reason, played)
    if not kind:
        yield _SHORT
        return
    hours = [part.strip() for part in fields["hours"].split(",") if part.strip().isdecimal()] or ["0"]
    date = f"{day[:4]}-{day[4:6]}-{day[6:]}" if len(day) == 8 else day
    for hour in hours[: max(1, count)]:
        row = {"@kind": kind, "@time": f"{date} {int(hour) % 24:02}:00"}
        yield {**fields, **_described(fields["track description"]), **row}


def _activity(fields: Fields) -> Iterator[Fields | str]:
    if fields.get("event type", "").upper() not in {"", "PLAY_END", "END"}:
        yield _NO_PLAY
        return
    reason, played = fields["end reason type"], _number(fields["play duration milliseconds"])
    kind = _said(fields, 0, 0, reason, played)
    yield {**fields, "@kind": kind} if kind else _SHORT


def _recent(fields: Fields) -> Iterator[Fields | str]:
    plays, skips = int(_number(fields["total plays"])), int(_number(fields["total skips"]))
    kind = _said(fields, plays, skips, "", 0.0)
    yield {**fields, **_described(fields["track description"]), "@kind": kind} if kind else _SHORT


def _judged(fields: Fields) -> Iterator[Fields | str]:
    yield {**fields, **_described(fields["item description"])}


def _last(fields: Fields) -> Iterator[Fields | str]:
    yield {**fields, **_described(fields["track name"])}


_HISTORIES = (  # the same plays: the fullest of those that are there is read
    Table(
        needs="track description|date played|hours|play count|skip count|play duration milliseconds",
        adds=_ADDS, title="@title", creator="@artist", time="@time", kind="@kind", id="track identifier",
        default="play", refine=_daily,
    ),
    Table(
        needs="song name|event end timestamp|end reason type|play duration milliseconds",
        adds=_ADDS, title="song name", creator="artist name|container artist name",
        time="event end timestamp|event start timestamp", kind="@kind", default="play", refine=_activity,
    ),
    Table(
        needs="track description|total plays|total skips",
        adds=_ADDS, title="@title", creator="@artist",
        time="last event end timestamp|first event timestamp|last modified",
        kind="@kind", default="play", refine=_recent,
    ),
    Table(
        needs="track name|last played date|is user initiated",
        adds=_ADDS, title="@title", creator="@artist", time="last played date", default="play", refine=_last,
    ),
)  # fmt: skip
_JUDGED = Table(
    needs="item description|preference|created",
    adds=_ADDS,
    title="@title",
    creator="@artist",
    time="last modified|created",
    kind="preference",
    kinds={"love": "like", "favorite": "like"},
    default="like",
    refine=_judged,
)


def _apple_files(source: Source) -> list[tuple[int, Member, Table]]:
    tables = (*_HISTORIES, _JUDGED)
    found = source.named("*.csv") or source.members[:1]
    return [(k, member, table) for member in found for k, table in enumerate(tables) if table.fits(member)]


def _apple(source: Source, person: str | None) -> Iterator[Row]:
    found = _apple_files(source)
    if not found:
        raise DataError("has no table of Apple Music's play history", path=source.path)
    histories = [place for place, _, table in found if table is not _JUDGED]
    others = [member.base for place, member, _ in found if place in histories and place > min(histories)]
    if others:
        yield Note(f"{', '.join(others)} not read: they name the same plays again")
    for place, member, table in found:
        if table is _JUDGED or place == min(histories):
            yield from read_table(member, table, source, OnePerson(person, member.path))


APPLE_MUSIC = Format(
    "apple-music",
    "Apple Music's play history, likes and dislikes (CSV, or their folder)",
    lambda source: bool(_apple_files(source)),
    _apple,
    _SONG,
)


def _deezer(fields: Fields) -> Iterator[Fields | str]:
    yield fields if 1000 * _number(fields["listening time"]) >= _ENOUGH else _SHORT


def _tidal(fields: Fields) -> Iterator[Fields | str]:
    yield fields if _number(fields["stream_duration_ms"]) >= _ENOUGH else _SHORT


STREAMED = table_format(
    "music-csv",
    "the listening history of Deezer or Tidal (CSV)",
    Table(
        needs="song title|artist|listening time|date",
        title="song title",
        creator="artist",
        time="date",
        id="isrc",
        default="play",
        refine=_deezer,
    ),
    Table(
        needs="track title|artist name|entry date|stream duration ms",
        title="track title",
        creator="artist name",
        time="entry date",
        default="play",
        refine=_tidal,
    ),
    more=_SONG,
)
