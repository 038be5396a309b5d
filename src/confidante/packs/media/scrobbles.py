"""What scrobblers wrote down: Last.fm by its exporters, with and without a header, and logs of players."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import final

from confidante.core.errors import DataError
from confidante.formats.columns import Table, table_format
from confidante.formats.json_tables import JsonTable, json_format
from confidante.formats.records import OTHERS, ForeignEvent, Format, Note, OnePerson, Row, Skipped
from confidante.formats.source import Member, Source
from confidante.formats.tables import NO_TIME, NO_TITLE, csv_rows, lines
from confidante.formats.timestamps import parse_time
from confidante.formats.written_dates import parse_words

_SONG = {"medium": "song"}
_CLOCK_SET = 86_400 * 365.0  # players without a clock say 1970
_LOOKED_AT = 5_000  # rows that show how a file without a header is meant
_TIMED = 100  # of them whose times are read to tell where times are
_JUDGED = "rating|value|score|stars|kind|action|status"

_TABLES = table_format(
    "lastfm",
    "Last.fm scrobbles",
    Table(
        needs="artist/artist name|track/track name/title/song"
        "|uts/timestamp/date/utc time/time/scrobble time/played at",
        lacks=_JUDGED,
        title="track|track name|title|song",
        creator="artist|artist name",
        time="uts|timestamp|date|utc time|time|scrobble time|played at",
        id="track mbid",
        person="username|user",
        default="play",
        refine=lambda fields: [NO_TIME if _unset(fields) else fields],
    ),
)
_LISTS = json_format(
    "lastfm",
    "Last.fm scrobbles",
    *(
        JsonTable(
            needs=needs,
            entries=path,
            title="name|track|trackName",
            creator="artist.#text|artist.name|artist|artistName",
            time="date.uts|date|timestamp|time",
            id="mbid",
            default="play",
        )
        for needs, path in (
            ("recenttracks|track", "recenttracks.track"),
            ("track|uts|artist", "*.track"),
            ("scrobbles|username|track", "scrobbles"),
            ("trackName|artistName|time", ""),
        )
    ),
)


@final
@dataclass(frozen=True, slots=True)
class Layout:
    """What the columns of a file without a header are, in order; `-` for what is not read."""

    names: tuple[str, ...]

    def place(self, name: str) -> str:
        """Return the name that a column has without a header."""
        return str(self.names.index(name))

    def time(self, fields: Mapping[str, str]) -> float | None:
        """Return when a row happened."""
        text = fields[self.place("time")]
        if "clock" in self.names:
            text = f"{text} {fields[self.place('clock')]}"
        written = parse_words(text)
        return None if written is None or written[0] < _CLOCK_SET else written[0]

    def fits(self, rows: Sequence[Mapping[str, str]]) -> bool:
        """Whether rows have an artist, a track and, at least the first one, a time where this layout does."""
        if not rows or any(len(row) != len(self.names) for row in rows) or self.time(rows[0]) is None:
            return False
        texts = [[row[self.place(name)].strip() for row in rows] for name in ("artist", "track")]
        worded = all(all(column) and not all(map(str.isdecimal, column)) for column in texts)
        timed = [self.time(row) is not None for row in rows[:_TIMED]]
        return worded and 2 * sum(timed) >= len(timed)


_ALBUM_FIRST, _TRACK_FIRST = "artist album track", "artist track album"
_LAYOUTS = tuple(
    Layout(tuple(text.split()))
    for text in (
        *(f"{order} time{more}" for order in (_ALBUM_FIRST, _TRACK_FIRST) for more in ("", " -", " - -")),
        *("time clock artist track", "time clock artist album track"),
        "person time - artist id track",
    )
)
_GIVE_A_HEADER = "if that is wrong, give it a first line such as artist,album,track,date"


def _headless(member: Member) -> tuple[Layout | None, tuple[Note, ...], bool]:
    """Return how a file without a header is meant, what to say of it, and whether it can be any such file."""
    read = csv_rows(member, header=False)
    rows = [row[1] for row in islice(read, _LOOKED_AT) if isinstance(row, tuple)]
    fitting = [layout for layout in _LAYOUTS if layout.fits(rows)]
    if len(fitting) <= 1:
        return (fitting[0] if fitting else None), (), bool(fitting)
    album_first, track_first = fitting[0], fitting[-1]
    why = _album_column(rows, album_first)
    if why is None:
        return None, (), True
    order, because = (album_first, why[1]) if why[0] else (track_first, why[1])
    columns = ", ".join(name for name in order.names if name != "-")
    return order, (Note(f"has no header: read as {columns}, since {because}; {_GIVE_A_HEADER}"),), True


def _album_column(rows: Sequence[Mapping[str, str]], layout: Layout) -> tuple[bool, str] | None:
    """Return whether the second column is the album, not the third, and why; None when nothing shows it."""
    second, third = ([row[k].strip() for row in rows] for k in ("1", "2"))
    artists = [row["0"] for row in rows]
    albums, tracks = (len(set(zip(artists, column, strict=True))) for column in (second, third))
    if albums != tracks:
        return albums < tracks, "an album has several tracks"
    when = [row[layout.place("time")].strip() for row in rows]
    if all(text[:4].isdecimal() and text[4:5] == "-" for text in when):
        return False, "the exporter with such dates writes so"
    if all(" " in text and ("." in text.split()[0] or text.split()[1].isalpha()) for text in when):
        return True, "the exporters with such dates write so"
    return None


def _files(source: Source) -> tuple[Member, ...]:
    return source.named("*.csv", "*.tsv", "*.txt")[:20] or source.members[:1]


def _detects(source: Source) -> bool:
    if _TABLES.detects(source) or _LISTS.detects(source):
        return True
    return any(_headless(member)[2] for member in _files(source))


def _parse(source: Source, person: str | None) -> Iterator[Row]:
    for format in (_TABLES, _LISTS):  # noqa: A001
        if format.detects(source):
            yield from format.parse(source, person)
            return
    member, (layout, notes, told) = next(
        ((m, found) for m in _files(source) if (found := _headless(m))[2]), (None, (None, (), False))
    )
    if member is None or not told:
        raise DataError("needs a table or a list with artist, track and date", path=source.path)
    if layout is None:
        raise DataError(
            "has no header, and its second and third column can be album and track or the other way round. "
            "Give it a first line: artist,album,track,date or artist,track,album,date",
            path=member.path,
        )
    yield from notes
    yield from _read(member, layout, OnePerson(person, member.path))


def _read(member: Member, layout: Layout, whose: OnePerson) -> Iterator[Row]:
    for row in csv_rows(member, header=False):
        if not isinstance(row, tuple):
            yield row
            continue
        line, fields = row
        if "person" in layout.names and not whose.has(fields[layout.place("person")], line):
            yield Skipped(OTHERS, line)
            continue
        title, at = fields[layout.place("track")].strip(), layout.time(fields)
        name = fields[layout.place("id")].strip() if "id" in layout.names else ""
        if not title or at is None:
            yield Skipped(NO_TIME if title else NO_TITLE, line)
        else:
            yield ForeignEvent(title, at, "play", None, fields[layout.place("artist")].strip(), name, line)
    whose.check()


def _unset(fields: Mapping[str, str]) -> bool:
    """Whether a row was played by a player whose clock was never set."""
    said = (fields.get(name, "") for name in ("date", "utc_time", "time", "timestamp"))
    return any(re.search(r"\b1970\b", text) for text in said)


LASTFM = Format("lastfm", "Last.fm scrobbles (CSV, TSV or JSON of its exporters)", _detects, _parse, _SONG)

_LOG = ("artist", "album", "track", "number", "length", "rating", "time", "mbid")
_RATINGS = {"L": "play", "S": "skip", "": "play"}


def _is_log(source: Source) -> bool:
    return any(member.head().startswith(b"#AUDIOSCROBBLER/") for member in _logs(source))


def _logs(source: Source) -> tuple[Member, ...]:
    return source.named("*scrobbler*.log") or source.members[:1]


def _log(source: Source, _: str | None) -> Iterator[Row]:
    for member in _logs(source):
        for number, text in enumerate(lines(member), 1):
            line = text.rstrip("\r\n")
            if line.upper().startswith("#TZ/") and line[4:].strip().upper() != "UTC":
                yield Note(f"{member.base} has times by the player's own clock: taken as UTC")
            if not line.strip() or line.startswith("#"):
                continue
            fields = dict(zip(_LOG, line.split("\t"), strict=False))
            at = parse_time(fields.get("time", ""))
            kind = _RATINGS.get(fields.get("rating", "").strip().upper())
            if not fields.get("track", "").strip():
                yield Skipped(NO_TITLE, number)
            elif at is None or kind is None:
                yield Skipped(NO_TIME, number)
            else:
                artist, mbid = fields["artist"].strip(), fields.get("mbid", "").strip()
                yield ForeignEvent(fields["track"].strip(), at, kind, None, artist, mbid, number)


PLAYER_LOG = Format(
    "scrobbler-log", "a player's .scrobbler.log (Rockbox, foobar2000 and others)", _is_log, _log, _SONG
)

PANO = table_format(
    "pano-scrobbler",
    "Pano Scrobbler's file (CSV)",
    Table(
        needs="timems|artist|track|albumartist",
        title="track",
        creator="artist",
        time="timems",
        kind="event",
        kinds={"scrobble": "play", "love": "like", "unlove": "unlike"},
        default="play",
    ),
    more=_SONG,
)
OWN_SERVERS = json_format(
    "scrobble-server",
    "Maloja, Koito or Pano Scrobbler (JSON)",
    JsonTable(
        needs="scrobbles|track|title|artists",
        entries="scrobbles",
        title="track.title|title",
        creator="track.artists.*|artists.*",
        time="time",
        default="play",
    ),
    JsonTable(
        needs="listens|listened_at|aliases",
        entries="listens",
        title="track.aliases.?is_primary.alias|track.aliases.0.alias",
        creator="artists.*.aliases.?is_primary.alias|artists.*.aliases.0.alias",
        time="listened_at",
        id="track.mbid",
        default="play",
    ),
    JsonTable(
        needs="timeMs|artist|track",
        title="track",
        creator="artist",
        time="timeMs",
        kind="event",
        kinds={"scrobble": "play", "love": "like", "unlove": "unlike"},
        default="play",
    ),
    more=_SONG,
)
