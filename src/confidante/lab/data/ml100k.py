"""MovieLens 100K, in its original files (u.data, u.item) or in RecBole's (ml-100k.inter, ml-100k.item).

Both give the same histories and labels; some titles differ by an accent. Labels: the genres, then the five
years a film is from ("1995-1999"). Titles carry the year: "Toy Story (1995)".
"""

import re
from pathlib import Path

import polars as pl

from confidante.core.errors import DataError
from confidante.lab.data.dataset import Dataset, Interactions, ItemRows, Repeats, assemble
from confidante.lab.data.text import TextTable, parse_times, read_table

GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
_RATING = ("user_id", "item_id", "rating", "timestamp")
_MOVIE = ("movie_id", "title", "date", "video_date", "url", *GENRES)


def load_ml100k(folder: Path | str, *, repeats: Repeats = "first", rated: bool = False) -> Dataset:
    """Return MovieLens 100K from a folder that holds either pair of files. Raises DataError.

    rated: whether histories have the ratings; without, every rating, high or low, is a meeting.
    """
    folder = Path(folder)
    if (folder / "ml-100k.inter").exists():
        table = read_table(folder / "ml-100k.inter", _RATING, separator="\t")
        return assemble(ratings(table, rated=rated), _recbole_items(folder / "ml-100k.item"), repeats=repeats)
    if (folder / "u.data").exists():
        table = read_table(folder / "u.data", _RATING, separator="\t", header=False)
        return assemble(ratings(table, rated=rated), _original_items(folder / "u.item"), repeats=repeats)
    raise DataError("has neither ml-100k.inter nor u.data: name the folder of MovieLens 100K", path=folder)


def ratings(table: TextTable, *, rated: bool) -> Interactions:
    """Return MovieLens ratings as interactions; see `load_ml100k`."""
    columns = table.columns
    times = parse_times(columns["timestamp"])
    values = columns["rating"].cast(pl.Float64).to_numpy() if rated else None
    return Interactions(
        table.path, columns["user_id"], columns["item_id"], times, table.lines, table.skipped, (), values
    )


def years_label(title: str) -> tuple[str, ...]:
    """Return ("1995-1999",) for "Toy Story (1995)", () for a title without a year."""
    found = re.search(r"\((\d{4})\)\s*$", title)
    if found is None:
        return ()
    start = int(found[1]) // 5 * 5
    return (f"{start}-{start + 4}",)


def _recbole_items(path: Path) -> ItemRows:
    table = read_table(path, ("item_id", "movie_title", "release_year", "class"), separator="\t")
    columns = table.columns
    titles = [
        f"{title} ({year})" if year.isdecimal() else title
        for title, year in zip(
            columns["movie_title"].to_list(), columns["release_year"].to_list(), strict=True
        )
    ]
    labels = [
        (*genres.split(), *years_label(title))
        for genres, title in zip(columns["class"].to_list(), titles, strict=True)
    ]
    return ItemRows(path, columns["item_id"].to_list(), titles, labels, table.lines.tolist())


def _original_items(path: Path) -> ItemRows:
    table = read_table(path, _MOVIE, separator="|", header=False, encoding="latin-1")
    flags = zip(*(table.columns[genre].to_list() for genre in GENRES), strict=True)
    titles = table.columns["title"].str.strip_chars().to_list()
    labels = [
        (*(genre for genre, flag in zip(GENRES, row, strict=True) if flag == "1"), *years_label(title))
        for row, title in zip(flags, titles, strict=True)
    ]
    return ItemRows(path, table.columns["movie_id"].to_list(), titles, labels, table.lines.tolist())
