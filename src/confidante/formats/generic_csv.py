"""Any other CSV, by the names of its columns."""

from collections.abc import Iterator
from functools import lru_cache

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
_YES, _NO = frozenset({"1", "true", "yes", "y", "x"}), frozenset({"0", "false", "no", "n"})
_UP, _DOWN = frozenset({"up", "thumbs up", "👍"}), frozenset({"down", "thumbs down", "👎"})
_THUMBS = "thumb thumbs thumb-rating thumbs-rating reaction vote"
_FLAGS = (
    ("disliked hated not-interested", _YES, "dislike"),
    (_THUMBS, _DOWN, "thumbs-down"),
    ("dropped abandoned dnf gave-up", _YES, "abandoned"),
    ("liked loved favorite favourite is-favorite starred", _YES, "like"),
    (_THUMBS, _UP, "thumbs-up"),
    ("watched seen read finished completed played listened", _NO, "planned"),
)


@lru_cache(maxsize=8)
def _flag_columns(header: tuple[str, ...]) -> tuple[tuple[tuple[str, ...], frozenset[str], str], ...]:
    """Return which columns of a table say a kind by a set word: the columns, the words, the kind."""
    found = (
        (tuple(name for name in header if plain(name) in {plain(flag) for flag in flags.split()}), said, kind)
        for flags, said, kind in _FLAGS
    )
    return tuple((columns, said, kind) for columns, said, kind in found if columns)


def _by_flags(fields: dict[str, str]) -> Iterator[dict[str, str]]:
    """Take columns of yes and no, or of thumbs, for a kind: what is not watched yet is wanted."""
    for columns, wanted, kind in _flag_columns(tuple(fields)):
        if any(fields[name].strip().lower() in wanted for name in columns):
            rated = kind == "like" and any(
                text.strip() for name, text in fields.items() if plain(name) in _TABLE.value.split("|")
            )
            yield fields if rated else {**fields, "said by a flag": kind}
            return
    yield fields


_TABLE = Table(
    needs="",
    title="title|name|item title|item name|product name|product|movie|film|book|show|film name|film title"
    "|movie name|movie title|book title|show name|series|titel|titre|título|titolo",
    id="id|item|item id|itemid",
    time="timestamp|date|time|at|datetime|watched at|played at|read at|watched date|date watched|date read"
    "|date rated|date finished|finished at|completed at|listened at|end date|last played|last watched"
    "|last read|watchedat|playedat|readat|finishedat|read status date|order date|purchase date|purchased at"
    "|created at|created|datum|fecha|data",
    late="date added|added at|added|start date|date started|started at",
    value="your rating|my rating|my ratings|user rating|userrating|rating|value|score|stars"
    "|bewertung|puntuación|voto",
    kind="kind|event|action|status|state|read status|exclusive shelf|shelf|bookshelf|type|said by a flag",
    adds="said by a flag",
    refine=_by_flags,
    undated=True,
    kinds={**dict.fromkeys(_MEDIA, ""), "planning": "planned", "already read": "read"},
    creator="creator|artist|author|authors|channel|director|autor|auteur|autore",
    person="user|user id|userid|person|profile|profile name|username",
    year="year",
    price="price|unit price|amount|cost|preis|prix|precio|prezzo",
    currency="currency|währung|devise",
    pieces="quantity|qty|pieces",
)
NEEDS = (
    "needs a header with a column title, item or id, and a column timestamp, date or time, or rating, kind "
    "or status; creator, price and user are welcome"
)


def _detects(source: Source) -> bool:
    return len(source.members) == 1 and source.members[0].base.endswith((".csv", ".tsv", ".txt"))


def _parse(source: Source, person: str | None) -> Iterator[Row]:
    found = source.members if len(source.members) == 1 else source.named("*.csv")
    if len(found) != 1:
        raise DataError(f"{NEEDS}: name one such file", path=source.path)
    names = {plain(name) for name in header_of(found[0])}
    titles, times = f"{_TABLE.title}|{_TABLE.id}".split("|"), f"{_TABLE.time}|{_TABLE.late}".split("|")
    judged = f"{_TABLE.value}|{_TABLE.kind}".split("|")
    if names.isdisjoint(titles) or names.isdisjoint((*times, *judged)):
        there = ", ".join(sorted(name[:30] for name in names if name)[:12])
        raise DataError(f"{NEEDS}. The first line has: {there or 'nothing'}", path=source.path, line=1)
    whose = OnePerson(person, found[0].path)
    yield from read_table(found[0], _TABLE, source, whose)
    whose.check()


GENERIC = Format("csv", "any CSV with columns like title and date", _detects, _parse)
