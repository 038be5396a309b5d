"""Any other CSV, by the names of its columns."""

from collections.abc import Iterator

from confidante.core.errors import DataError
from confidante.formats.columns import Table, plain, read_table
from confidante.formats.records import Format, OnePerson, Row
from confidante.formats.source import Source
from confidante.formats.tables import header_of

_MEDIA = [
    "movie",
    "film",
    "show",
    "series",
    "tv",
    "episode",
    "season",
    "book",
    "audiobook",
    "song",
    "track",
    "album",
    "podcast",
    "video",
    "game",
    "anime",
    "manga",
    "article",
    "tvseries",
    "tvepisode",
    "tvmovie",
    "miniseries",
]
_TABLE = Table(
    needs="",
    title="title|name|item title|item name|product name|product|movie|film|book|show"
    "|titel|titre|título|titolo",
    id="id|item|item id|itemid",
    time="timestamp|date|time|at|datetime|watched at|played at|read at|watched date|date watched|date read"
    "|date rated|date finished|finished at|completed at|listened at|order date|purchase date|purchased at"
    "|created at|created|datum|fecha|data",
    late="date added|added at|added|date started|started at",
    value="rating|my rating|your rating|value|score|stars|user rating|bewertung|note|puntuación|voto",
    kind="kind|event|action|status|state|read status|exclusive shelf|shelf|type",
    kinds=dict.fromkeys(_MEDIA, ""),
    creator="creator|artist|author|authors|channel|director|autor|auteur|autore",
    person="user|user id|userid|person|profile|profile name|username",
    year="year",
    price="price|unit price|amount|cost|total|preis|prix|precio|prezzo",
    currency="currency|währung|devise",
    pieces="quantity|qty|pieces",
)
NEEDS = (
    "needs a header with a column title, item or id, and a column timestamp, date or time; rating or value, "
    "kind or status, creator, price and user are welcome"
)


def _detects(source: Source) -> bool:
    return len(source.members) == 1 and source.members[0].base.endswith((".csv", ".tsv", ".txt"))


def _parse(source: Source, person: str | None) -> Iterator[Row]:
    found = source.members if len(source.members) == 1 else source.named("*.csv")
    if len(found) != 1:
        raise DataError(f"{NEEDS}: name one such file", path=source.path)
    names = {plain(name) for name in header_of(found[0])}
    titles, times = f"{_TABLE.title}|{_TABLE.id}".split("|"), f"{_TABLE.time}|{_TABLE.late}".split("|")
    if names.isdisjoint(titles) or names.isdisjoint(times):
        there = ", ".join(sorted(name[:30] for name in names if name)[:12])
        raise DataError(f"{NEEDS}. The first line has: {there or 'nothing'}", path=source.path, line=1)
    whose = OnePerson(person, found[0].path)
    yield from read_table(found[0], _TABLE, source, whose)
    whose.check()


GENERIC = Format("csv", "any CSV with columns like title and date", _detects, _parse)
