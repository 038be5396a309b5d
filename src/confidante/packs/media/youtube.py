"""What was watched on YouTube: Google Takeout's watch history, JSON or HTML, by itself or in its zip."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import final

import msgspec

from confidante.core.errors import DataError
from confidante.formats.records import ForeignEvent, Format, Note, Row, Skipped
from confidante.formats.source import Member, Source
from confidante.formats.tables import NO_TIME, json_entries
from confidante.formats.timestamps import parse_words

ADVERTISEMENT = "an advertisement"
GONE = "a video without a title, removed since"
NO_VIDEO = "no video (a post, a search, a visit)"
LONG_ENTRY = "an entry that is longer than any real one"
_VIDEO = re.compile(r"^https?://(?:[a-z]+\.)?youtube\.com/(?:watch\?v=|shorts/)([\w-]{5,20})")
_BEFORE = re.compile(
    r"^(Watched|Viewed|Vous avez regardé|Has visto|Hai guardato|Assistiu a|Viste|Je hebt gekeken naar) "
)
_AFTER = re.compile(r" (angesehen|bekeken|gekeken)$")
_ENTRY = b'<div class="outer-cell'
_LONGEST_TITLE = 500  # characters; YouTube allows 100, and words in front and behind come on top
_LONGEST_ENTRY = 1 << 14  # bytes; real ones take 1,500. html.parser may take quadratic time on broken ones
_PATTERNS = (
    "watch-history.json",
    "watch-history.html",
    "*verlauf*.html",
    "*verlauf*.json",
    "*watch*history*",
)


class _Channel(msgspec.Struct):
    name: str = ""


class _Detail(msgspec.Struct):
    name: str = ""


class _Watched(msgspec.Struct, rename="camel"):
    title: str
    time: str
    title_url: str = ""
    subtitles: list[_Channel] = []
    details: list[_Detail] = []


def _members(source: Source) -> tuple[Member, ...]:
    named = source.named(*_PATTERNS) or (source.members if len(source.members) == 1 else ())
    return tuple(member for member in named if _kind(member.head()))


def _kind(head: bytes) -> str:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"[") and b'"header"' in head and b'"time"' in head:
        return "json"
    return "html" if start.startswith(b"<") and b"outer-cell" in head else ""


def _detects(source: Source) -> bool:
    return bool(_members(source))


def _parse(source: Source, _: str | None) -> Iterator[Row]:
    members = _members(source)
    if not members:
        raise DataError("has no watch-history.json or .html of Google Takeout", path=source.path)
    if _kind(members[0].head()) == "json":
        for entry in json_entries(members[0], _Watched):
            yield entry if isinstance(entry, Skipped) else _watched(*entry)
        return
    yield from _page(members[0])


def _watched(number: int, entry: _Watched) -> Row:
    if any("Google" in detail.name for detail in entry.details):
        return Skipped(ADVERTISEMENT, number)
    when = parse_words(entry.time)
    if when is None:
        return Skipped(NO_TIME, number)
    channel = entry.subtitles[0].name if entry.subtitles else ""
    return _video(number, entry.title, entry.title_url, channel, when[0])


def _video(number: int, title: str, url: str, channel: str, at: float) -> Row:
    found = _VIDEO.match(url)
    if found is None:
        return Skipped(GONE if not url else NO_VIDEO, number)
    title = _AFTER.sub("", _BEFORE.sub("", _plain(title)))
    if not title or _VIDEO.match(title):
        return Skipped(GONE, number)
    return ForeignEvent(title, at, "view", None, _plain(channel), found[1], number)


def _plain(text: str) -> str:
    """Return it with single spaces and cut, so that no pattern ever searches long runs of white space."""
    return " ".join(text.split())[:_LONGEST_TITLE].rstrip()


def _page(member: Member) -> Iterator[Row]:
    zones: set[str] = set()
    for number, entry in enumerate(_entries(member), 1):
        if entry is None:
            yield Skipped(LONG_ENTRY, number)
            continue
        cell = _Cell()
        cell.feed(entry.decode("utf-8", "surrogateescape"))
        made, zone = cell.row(number)
        if zone and zone not in zones and len(zones) < 5:
            zones.add(zone)
            yield Note(f"the time zone {zone!r} is not known: its times are taken as UTC")
        yield made


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
    """Reads one entry: text lines and links of its first content cell, and the small print."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._cell = -1
        self._lines: list[str] = [""]
        self._links: list[tuple[str, str]] = []
        self._small = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count cells, note links and line breaks."""
        if tag == "div" and "content-cell" in (dict(attrs).get("class") or ""):
            self._cell += 1
        if self._cell == 0 and tag == "a":
            self._links.append((dict(attrs).get("href") or "", ""))
        if self._cell == 0 and tag in {"br", "a"}:
            self._lines.append("")

    def handle_endtag(self, tag: str) -> None:
        """End a link's text."""
        if self._cell == 0 and tag == "a":
            self._lines.append("")

    def handle_data(self, data: str) -> None:
        """Keep text."""
        if self._cell == 0:
            self._lines[-1] += data
            if self._links and not self._links[-1][1]:
                self._links[-1] = (self._links[-1][0], data)
        elif self._cell > 0:
            self._small += data

    def row(self, number: int) -> tuple[Row, str]:
        """Return what the entry says, and an unknown time zone."""
        if "Google Ads" in self._small:
            return Skipped(ADVERTISEMENT, number), ""
        said = [line.strip() for line in self._lines if line.strip()]
        when = next((parsed for line in reversed(said) if (parsed := parse_words(line))), None)
        if when is None:
            return Skipped(NO_TIME, number), ""
        url, title = self._links[0] if self._links else ("", "")
        channel = self._links[1][1] if len(self._links) > 1 else ""
        return _video(number, title, url, channel, when[0]), when[1]


YOUTUBE = Format(
    "youtube", "YouTube watch history (Takeout JSON, HTML or zip)", _detects, _parse, {"medium": "video"}
)
