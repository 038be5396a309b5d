"""Podcasts and feeds that somebody follows (OPML), and what Overcast adds to that of episodes."""

from collections.abc import Iterator, Mapping
from typing import final
from xml.parsers import expat

from confidante.core.errors import DataError
from confidante.formats.columns import UNDATED
from confidante.formats.records import ForeignEvent, Format, Note, Row, Skipped
from confidante.formats.source import Member, Source
from confidante.formats.tables import NO_TIME, NO_TITLE
from confidante.formats.written_dates import parse_words

DELETED = "an episode that was deleted without being played"


def _members(source: Source) -> tuple[Member, ...]:
    found = source.named("*.opml", "*.xml") or source.members[:1]
    return tuple(member for member in found if b"<opml" in member.head()[:4000].lower())


@final
class _Outlines:
    """Gathers the outlines of a document as it is read; an entity of its own making is refused."""

    def __init__(self) -> None:
        self.found: list[tuple[int, Mapping[str, str], str]] = []
        self.made = ""
        self._open: list[str] = []
        self._in_date = False
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.EntityDeclHandler = self._entity

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._in_date = tag == "dateCreated"
        if tag == "outline":
            named = {name.lower(): text for name, text in attributes.items()}
            whole = next((text for text in reversed(self._open) if text), "")
            self.found.append((self.parser.CurrentLineNumber, named, whole))
            self._open.append(_name(named) if "xmlurl" in named else "")

    def _end(self, tag: str) -> None:
        self._in_date = False
        if tag == "outline" and self._open:
            self._open.pop()

    def _text(self, text: str) -> None:
        if self._in_date and len(self.made) < 100:
            self.made += text

    def _entity(self, *_: object) -> None:
        raise ValueError("it declares entities")


def _parse(source: Source, _: str | None) -> Iterator[Row]:
    members = _members(source)
    if not members:
        raise DataError("has no OPML file", path=source.path)
    for member in members:
        outlines = _Outlines()
        try:
            with member.open() as file:
                while block := file.read(1 << 16):
                    outlines.parser.Parse(block, False)
                outlines.parser.Parse(b"", True)
        except (expat.ExpatError, LookupError, ValueError) as error:
            raise DataError(f"is not OPML ({error}): export it again", path=member.path) from None
        made = parse_words(outlines.made)
        if made is None and outlines.found:
            yield Note(f"{member.base} has no date: what it follows is taken as before all that has one")
        for line, named, whole in outlines.found:
            if row := _row(line, named, whole, UNDATED if made is None else made[0]):
                yield row


def _name(named: Mapping[str, str]) -> str:
    return " ".join((named.get("title") or named.get("text", "")).split())


def _row(line: int, named: Mapping[str, str], whole: str, made: float) -> Row | None:
    """Return a feed that is followed, an episode that was heard, or None for a folder."""
    episode = named.get("type", "") == "podcast-episode"
    if not episode and "xmlurl" not in named:
        return None
    title = _name(named)
    if not title:
        return Skipped(NO_TITLE, line)
    if not episode:
        return ForeignEvent(title, made, "subscribe", foreign_id=named["xmlurl"], line=line)
    heard = parse_words(named.get("userupdateddate", ""))
    if named.get("played") != "1" and named.get("userdeleted") == "1":
        return Skipped(DELETED, line)
    if heard is None:
        return Skipped(NO_TIME, line)
    kind = (
        "recommended"
        if named.get("userrecommendeddate")
        else "listen"
        if named.get("played") == "1"
        else "started"
    )
    name = named.get("overcastid", "") or named.get("enclosureurl", "")
    return ForeignEvent(
        title, heard[0], kind, None, whole, name, line, whole=whole, more={"medium": "podcast"}
    )


OPML = Format(
    "opml", "podcasts and feeds that are followed (OPML)", lambda source: bool(_members(source)), _parse
)
