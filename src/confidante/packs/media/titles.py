"""What titles of films, shows, records and books say: the year in brackets, and what they are parts of."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from confidante.core.text import folded
from confidante.core.values import Item

_YEAR = re.compile(r"\((\d{4})\)\s*$")
_YEARS_PER_BIN = 5
_SERIES = 12  # titles of one stem, from which the stem is a way of naming things and no series
_IN_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*$")
_ARTICLE = re.compile(r"^(the|an?)\s+|,\s*(the|an?)$")
_NUMBER = re.compile(r"[\s,]+(part|episode|vol|volume|season|book)?\.?\s*(\d{1,3}|[ivx]+)$")
_COUNT = r"(?:\d{1,4}|[ivx]+|one|two|three|four|five|six|seven|eight|nine|ten)\b"
_SEASON = re.compile(  # only shows have seasons
    rf"(?:season|series|staffel|saison|temporada|stagione|seizoen|säsong|sæson|sesong|sezon|sezonul|kausi|сезон"
    rf"|シーズン|시즌|الموسم)\s*{_COUNT}|\d{{1,3}}\. (?:évad|sezon|série)|第.{{1,3}}季"
    r"|(?:limited|mini|web)[ -]?s[eé]rie",
    re.IGNORECASE,
)
_VOLUME = re.compile(  # films have parts, too: a title that ends with one is no episode
    rf"(?:part|volume|vol\.|chapter|book|collection|teil|partie|parte)\s+{_COUNT}", re.IGNORECASE
)


def split_year(title: str) -> tuple[str, str]:
    """Return a title without the year in brackets at its end, and the year, or an empty text."""
    found = _YEAR.search(title)
    return (title, "") if found is None else (title[: found.start()].rstrip(), found[1])


def years(item: Item) -> tuple[str, ...]:
    """Return the five years that an item is from, as ("1995-1999",); nothing for a title without a year."""
    _, year = split_year(item.title)
    if not year:
        return ()
    start = int(year) // _YEARS_PER_BIN * _YEARS_PER_BIN
    return (f"{start}-{start + _YEARS_PER_BIN - 1}",)


def show_of(title: str, shared: frozenset[str] = frozenset()) -> str:
    """Return the show of an episode's full title, or an empty text.

    shared: how titles of the same file begin that are certainly episodes of one thing: `shared_beginnings`.

    >>> show_of("Odd Town: Season 2: Home"), show_of("Odd Town: Odd Town 2: Chapter One: Home")
    ('Odd Town', 'Odd Town')
    >>> show_of("Steel Rider: Chapter 2"), show_of("Moon: The Return")
    ('', '')
    """
    parts = title.split(": ")
    for k, part in enumerate(parts[1:], 1):
        more = k < len(parts) - 1
        if _SEASON.match(part) or (more and _VOLUME.match(part)):
            return ": ".join(parts[:k])
        if more and re.fullmatch(rf"{re.escape(parts[k - 1])} \d{{1,3}}", part):
            return ": ".join(parts[:k])
    beginnings = (": ".join(parts[:k]) for k in range(len(parts) - 1, 1, -1))
    return next((beginning for beginning in beginnings if beginning in shared), "")


def shared_beginnings(titles: Iterable[str]) -> frozenset[str]:
    """Return the two parts or more with which several titles begin: "Show: A season's own name"."""
    split = {tuple(title.split(": ")) for title in titles}
    begun = Counter(parts[:k] for parts in split for k in range(2, len(parts)))
    return frozenset(": ".join(parts) for parts, count in begun.items() if count > 1)


def stem_of(title: str) -> str:
    """Return what the titles of a series share: the words before a colon, without number, article and year.

    >>> stem_of("Godfather: Part II, The (1974)"), stem_of("The Terminator 2")
    ('godfather', 'terminator')
    """
    stem = folded(title)
    while (shorter := _IN_BRACKETS.sub("", stem)) != stem:
        stem = shorter
    stem = re.split(r":| [-\u2013\u2014] ", stem, maxsplit=1)[0].strip()
    stem = _NUMBER.sub("", _ARTICLE.sub("", stem))
    return _ARTICLE.sub("", stem).strip() or folded(title).strip()


def series(titles: Sequence[str]) -> list[frozenset[str]]:
    """Return the series that each title may be of: its stem, and every stem that it begins with.

    A stem that many titles have is a way of naming things, and no series.
    """
    stems = [stem_of(title) for title in titles]
    words = [stem.split() for stem in stems]
    starts = [{" ".join(one[:count]) for count in range(1, len(one) + 1)} for one in words]
    whole = set(stems)
    carried = Counter(start for one in starts for start in one & whole)
    few = {stem for stem, count in carried.items() if 1 < count <= _SERIES}
    return [frozenset(one & few) for one in starts]
