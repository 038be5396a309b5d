"""MovieLens: ratings.csv with movies.csv, ratings.dat with movies.dat, u.data with u.item."""

import re
from collections.abc import Callable, Iterator, Mapping

from confidante.core.errors import DataError
from confidante.formats.records import OTHERS, ForeignEvent, Format, Note, OnePerson, Row, Skipped
from confidante.formats.source import Member, Source
from confidante.formats.tables import FIELDS, csv_rows, lines, text_problem
from confidante.formats.timestamps import parse_time

BAD_NUMBER = "a rating or a time that is not a number"
UNKNOWN_FILM = "a film that the list of films lacks"
_RATINGS = ("ratings.csv", "ratings.dat", "u.data")
_FILMS = {"ratings.csv": "movies.csv", "ratings.dat": "movies.dat", "u.data": "u.item"}
_MOST_FILMS = 1_000_000
_GENRES = (  # of u.item, in the order of its columns
    "", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
_NO_GENRES = "(no genres listed)"

Fields = tuple[int, tuple[str, ...]]


def _detects(source: Source) -> bool:
    ratings = source.named(*_RATINGS)
    if not ratings:
        return False
    head = ratings[0].head()
    return {
        "ratings.csv": head.removeprefix(b"\xef\xbb\xbf")
        .lower()
        .startswith(b"userid,movieid,rating,timestamp"),
        "ratings.dat": bool(re.match(rb"\d+::\d+::", head)),
        "u.data": bool(re.match(rb"\d+\t\d+\t", head)),
    }[ratings[0].base]


def _parse(source: Source, person: str | None) -> Iterator[Row]:
    ratings = (*source.named(*_RATINGS), None)[0]
    if ratings is None:
        raise DataError(f"has none of {', '.join(_RATINGS)}", path=source.path)
    wanted = _FILMS[ratings.base]
    films_file = source.beside(wanted)
    if films_file is None:
        raise DataError(f"needs {wanted} beside it, which has the titles", path=ratings.path)
    films = _READ_FILMS[wanted](films_file)
    whose = OnePerson(person, ratings.path)
    for row in _read_ratings(ratings):
        yield _event(row, films, whose) if isinstance(row, tuple) else row
    whose.check()


def _event(row: Fields, films: Mapping[str, tuple[str, tuple[str, ...]]], whose: OnePerson) -> Row:
    line, (user, movie, rating, time) = row
    at, value = parse_time(time), _number(rating)
    if at is None or value is None:
        return Skipped(BAD_NUMBER, line)
    if not whose.has(user, line):
        return Skipped(OTHERS, line)
    if movie not in films:
        return Skipped(UNKNOWN_FILM, line)
    title, labels = films[movie]
    return ForeignEvent(title, at, "rating", value, foreign_id=movie, line=line, labels=labels, scale=5.0)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*\d{1,4}(\.\d{1,6})?\s*", text) else None


def _read_ratings(member: Member) -> Iterator[Fields | Skipped | Note]:
    if member.base == "ratings.csv":
        yield from _csv(member, ("userid", "movieid", "rating", "timestamp"))
    else:
        separator = "::" if member.base == "ratings.dat" else "\t"
        yield from _split(member, separator, 4)


def _csv(member: Member, columns: tuple[str, ...]) -> Iterator[Fields | Skipped | Note]:
    for row in csv_rows(member):
        if not isinstance(row, tuple):
            yield row
            continue
        line, fields = row
        if not all(name in fields for name in columns):
            raise DataError(f"the header lacks one of {', '.join(columns)}", path=member.path, line=1)
        yield line, tuple(fields[name] for name in columns)


def _split(member: Member, separator: str, width: int) -> Iterator[Fields | Skipped]:
    for number, text in enumerate(lines(member, encodings=("utf-8", "latin-1")), 1):
        fields = tuple(text.strip("\r\n").split(separator))
        if not text.strip():
            continue
        problem = FIELDS if len(fields) != width else text_problem(*fields)
        yield Skipped(problem, number) if problem else (number, fields)


def _films_csv(member: Member) -> dict[str, tuple[str, tuple[str, ...]]]:
    return _films(member, _csv(member, ("movieid", "title", "genres")))


def _films_dat(member: Member) -> dict[str, tuple[str, tuple[str, ...]]]:
    return _films(member, _split(member, "::", 3))


def _films_item(member: Member) -> dict[str, tuple[str, tuple[str, ...]]]:
    def rows() -> Iterator[Fields | Skipped]:
        for row in _split(member, "|", 5 + len(_GENRES)):
            if isinstance(row, Skipped):
                yield row
                continue
            flags = zip(_GENRES, row[1][5:], strict=True)
            genres = "|".join(name for name, flag in flags if flag == "1")
            yield row[0], (row[1][0], row[1][1], genres)

    return _films(member, rows())


def _films(member: Member, rows: Iterator[Fields | Skipped | Note]) -> dict[str, tuple[str, tuple[str, ...]]]:
    films: dict[str, tuple[str, tuple[str, ...]]] = {}
    for row in rows:
        if not isinstance(row, tuple):
            continue
        movie, title, genres = row[1]
        labels = tuple(genre for genre in genres.split("|") if genre and genre != _NO_GENRES)
        films[movie] = (title.strip(), labels)
        if len(films) > _MOST_FILMS:
            raise DataError(f"lists more than {_MOST_FILMS:,} films", path=member.path)
    return films


_READ_FILMS: Mapping[str, Callable[[Member], dict[str, tuple[str, tuple[str, ...]]]]] = {
    "movies.csv": _films_csv,
    "movies.dat": _films_dat,
    "u.item": _films_item,
}

MOVIELENS = Format(
    "movielens", "MovieLens ratings with their list of films", _detects, _parse, {"medium": "film"}
)
