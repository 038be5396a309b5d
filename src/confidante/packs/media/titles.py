"""What titles of films, shows, records and books say: the year in brackets, and what they are parts of."""

import re
from collections import Counter
from collections.abc import Sequence

from confidante.core.text import folded
from confidante.core.values import Item

_YEAR = re.compile(r"\((\d{4})\)\s*$")
_YEARS_PER_BIN = 5
_SERIES = 12  # titles of one stem, from which the stem is a way of naming things and no series
_IN_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*$")
_ARTICLE = re.compile(r"^(the|an?)\s+|,\s*(the|an?)$")
_NUMBER = re.compile(r"[\s,]+(part|episode|vol|volume|season|book)?\.?\s*(\d{1,3}|[ivx]+)$")
_SEASON = re.compile(
    r"^(season|series|part|volume|vol\.?|chapter|book|collection|staffel|teil|saison|partie|temporada|parte"
    r"|stagione|seizoen|säsong|sezon)\s+\w+|^(limited series|miniseries|mini-series|miniserie|mini-série)",
    re.IGNORECASE,
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


def show_of(title: str) -> str:
    """Return the show of an episode's full title ("Show: Season 2: Episode"), or an empty text."""
    parts = title.split(": ")
    for k, part in enumerate(parts[1:], 1):
        if _SEASON.match(part):
            return ": ".join(parts[:k])
    return ""


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
