"""What was watched on YouTube: Google Takeout's watch history, JSON or HTML, by itself or in its zip."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import final

import msgspec

from confidante.core.errors import DataError
from confidante.formats.records import ForeignEvent, Format, Note, Row, Skipped
from confidante.formats.source import Member, Source
from confidante.formats.tables import NO_TIME, json_entries, which_order
from confidante.formats.written_dates import habits_of, parse_words
from confidante.packs.media.youtube_lists import lists_of, read_lists
from confidante.packs.media.youtube_wording import Wording

ADVERTISEMENT = "an advertisement"
GONE = "a video without a title, removed since"
NO_VIDEO = "no video (a post, a search, a visit)"
OTHERWISE = "something else than watching, in words that are not known"
LONG_ENTRY = "an entry that is longer than any real one"
_VIDEO = re.compile(
    r"^https?://(?:[a-z]+\.)?(?:youtube\.com/(?:watch\?(?:[^#]*&)?v=|shorts/|live/|embed/)|youtu\.be/)([\w-]{5,20})"
)
_NAMELESS = re.compile(r"^https?://(?:[a-z]+\.)?youtube\.com/watch\?v=$")
_ENTRY = b'<div class="outer-cell'
_LONGEST_TITLE = 500  # characters; YouTube allows 100, and words in front and behind come on top
_LONGEST_ENTRY = 1 << 14  # bytes; real ones take 1,500. html.parser may take quadratic time on broken ones
_LONGEST_DETAIL = 26  # characters of a small print that names Google's advertising, in any language
_HISTORY = ("*watch*history*", "*verlauf*")
_MOST_HEADS = 200  # of files in a Takeout of everything
_MUSIC = "YouTube Music"


class _Channel(msgspec.Struct):
    name: str = ""


class _Detail(msgspec.Struct):
    name: str = ""


class _Activity(msgspec.Struct, rename="camel"):
    title: str
    time: str
    header: str = ""
    title_url: str = ""
    subtitles: list[_Channel] = []
    details: list[_Detail] = []


@final
@dataclass(frozen=True, slots=True)
class _Watched:
    """An entry as it is written. worded: the title stands within words of Google's."""

    number: int
    title: str
    worded: bool
    url: str
    channel: str
    time: str
    music: bool


def _members(source: Source) -> tuple[Member, ...]:
    """Return the files of a watch history: told by their content, since their names are in all languages."""
    told = [member for member in source.members if member.base.endswith((".json", ".html"))]
    if len(source.members) > 1:
        told = [m for m in told if "youtube" in m.name.lower() or m in source.named(*_HISTORY)] or told
    kinds = {m: kind for m in told[:_MOST_HEADS] or source.members[:1] if (kind := _kind(m.head()))}
    found = [m for m in kinds if b"watch?v" in m.head() or len(kinds) == 1]
    chosen = [m for m in found if "myactivity" not in m.base] or found
    lists = [m for m in chosen if kinds[m] == "json"]
    return tuple(lists or chosen)


def _kind(head: bytes) -> str:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"[") and b'"header"' in head and b'"time"' in head:
        return "json"
    return "html" if start.startswith(b"<") and b"outer-cell" in head else ""


def _detects(source: Source) -> bool:
    return bool(_members(source) or lists_of(source))


def _parse(source: Source, _: str | None) -> Iterator[Row]:
    members = _members(source)
    if not members and not lists_of(source):
        raise DataError("has no watch history of Google Takeout (JSON or HTML)", path=source.path)
    for member in members:
        made = _list(member) if _kind(member.head()) == "json" else _page(member)
        yield from _rows(list(made), member, source)
    yield from read_lists(source)


def _rows(made: Sequence[_Watched | Skipped], member: Member, source: Source) -> Iterator[Row]:
    """Yield rows, read in the light of all of them: how the file writes dates, and how it says "watched"."""
    entries = [entry for entry in made if isinstance(entry, _Watched)]
    habits, notes = habits_of((entry.time for entry in entries), source.date_order)
    if habits.doubt:
        raise which_order(member, habits.doubt)
    yield from map(Note, notes)
    wording = Wording([(e.title, e.channel) for e in entries if e.worded and _VIDEO.match(e.url)])
    zones: set[str] = set()
    for entry in made:
        if isinstance(entry, Skipped):
            yield entry
            continue
        when = parse_words(entry.time, habits)
        if when is not None and when[1] and when[1] not in zones and len(zones) < 5:
            zones.add(when[1])
            yield Note(f"the time zone {when[1]!r} is not known: its times are taken as UTC")
        yield Skipped(NO_TIME, entry.number) if when is None else _video(entry, when[0], wording)


def _video(entry: _Watched, at: float, wording: Wording) -> Row:
    found = _VIDEO.match(entry.url)
    if found is None:
        return Skipped(GONE if not entry.url or _NAMELESS.match(entry.url) else NO_VIDEO, entry.number)
    title, kind = wording.read(entry.title) if entry.worded else (entry.title, "view")
    if not title or _VIDEO.match(title):
        return Skipped(GONE, entry.number)
    if not kind:
        return Skipped(OTHERWISE, entry.number)
    kind = "play" if entry.music and kind == "view" else kind
    return ForeignEvent(title, at, kind, None, entry.channel, found[1], entry.number)


def _list(member: Member) -> Iterator[_Watched | Skipped]:
    for row in json_entries(member, _Activity):
        if isinstance(row, Skipped):
            yield row
            continue
        number, entry = row
        if any("Google" in detail.name for detail in entry.details):
            yield Skipped(ADVERTISEMENT, number)
            continue
        channel = _plain(entry.subtitles[0].name) if entry.subtitles else ""
        music = entry.header == _MUSIC
        yield _Watched(number, _plain(entry.title), True, entry.title_url, channel, entry.time, music)


def _plain(text: str) -> str:
    """Return it with single spaces and cut, so that no pattern ever searches long runs of white space."""
    return " ".join(text.split())[:_LONGEST_TITLE].rstrip()


def _page(member: Member) -> Iterator[_Watched | Skipped]:
    for number, entry in enumerate(_entries(member), 1):
        if entry is None:
            yield Skipped(LONG_ENTRY, number)
            continue
        cell = _Cell()
        cell.feed(entry.decode("utf-8", "surrogateescape"))
        yield cell.row(number)


def _entries(member: Member) -> Iterator[bytes | None]:
    """Yield the HTML of each entry; None for one that is too long to be one."""
    with member.open() as file:
        rest, inside, long = b"", False, False
        while block := file.read(1 << 16):
            *whole, rest = (rest + block).split(_ENTRY)
            for k, part in enumerate(whole):
                if inside or k:
                    yield None if long or len(part) > _LONGEST_ENTRY else part
                    long = False
            inside |= bool(whole)
            if len(rest) > _LONGEST_ENTRY + len(_ENTRY):  # keep what may begin the next entry
                rest, long = rest[-len(_ENTRY) :], True
        if inside:
            yield None if long or len(rest) > _LONGEST_ENTRY else rest


@final
class _Cell(HTMLParser):
    """Reads one entry: its heading, text lines and links of its first content cell, and the small print."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._cell = -1
        self._heading = ""
        self._lines: list[str] = [""]
        self._links: list[tuple[str, str]] = []
        self._small: list[str] = [""]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count cells, note links and line breaks."""
        if tag == "div" and "content-cell" in (dict(attrs).get("class") or ""):
            self._cell += 1
        if self._cell == 0 and tag == "a":
            self._links.append((dict(attrs).get("href") or "", ""))
        if self._cell == 0 and tag in {"br", "a"}:
            self._lines.append("")
        if self._cell > 0 and tag in {"br", "b"}:
            self._small.append("")

    def handle_endtag(self, tag: str) -> None:
        """End a link's text."""
        if self._cell == 0 and tag == "a":
            self._lines.append("")

    def handle_data(self, data: str) -> None:
        """Keep text."""
        if self._cell < 0:
            self._heading += data
        elif self._cell == 0:
            self._lines[-1] += data
            if self._links and not self._links[-1][1]:
                self._links[-1] = (self._links[-1][0], data)
        else:
            self._small[-1] += data

    def row(self, number: int) -> _Watched | Skipped:
        """Return what the entry says; the link's own text is the title, so no wording is in it."""
        if any("Google" in line and len(line.strip()) <= _LONGEST_DETAIL for line in self._small):
            return Skipped(ADVERTISEMENT, number)
        said = [line.strip() for line in self._lines if line.strip()]
        url, title = self._links[0] if self._links else ("", "")
        channel = self._links[1][1] if len(self._links) > 1 else ""
        time = said[-1] if said else ""
        music = self._heading.rpartition(">")[2].strip() == _MUSIC  # what is before it is left of a tag
        return _Watched(number, _plain(title), False, url, _plain(channel), time, music)


YOUTUBE = Format(
    "youtube", "YouTube watch history (Takeout JSON, HTML or zip)", _detects, _parse, {"medium": "video"}
)
