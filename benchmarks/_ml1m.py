"""MovieLens 1M: ratings.dat and movies.dat (`::` between fields, latin-1), plain or gzip."""

from pathlib import Path

from confidante.core.errors import DataError
from confidante.lab.data.csv_files import split_labels
from confidante.lab.data.dataset import Dataset, ItemRows, Repeats, assemble
from confidante.lab.data.ml100k import ratings, years_label
from confidante.lab.data.text import read_table


def load_ml1m(folder: Path | str, *, repeats: Repeats = "first", rated: bool = False) -> Dataset:
    """Return MovieLens 1M from the folder of its files. Raises DataError.

    Labels and `rated` are as in MovieLens 100K. The catalogue has all 3,883 films of movies.dat, 177 of
    which nobody rated.
    """
    rows = read_table(
        _plain_or_packed(Path(folder), "ratings.dat"),
        ("user_id", "item_id", "rating", "timestamp"),
        separator="::",
        header=False,
        encoding="latin-1",
    )
    films = _movies(_plain_or_packed(Path(folder), "movies.dat"))
    return assemble(ratings(rows, rated=rated), films, repeats=repeats)


def _plain_or_packed(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    raise DataError(f"has neither {name} nor {name}.gz: name the folder of MovieLens 1M", path=folder)


def _movies(path: Path) -> ItemRows:
    table = read_table(
        path, ("movie_id", "title", "genres"), separator="::", header=False, encoding="latin-1"
    )
    titles = table.columns["title"].str.strip_chars().to_list()
    labels = [
        (*split_labels(genres), *years_label(title))
        for genres, title in zip(table.columns["genres"].to_list(), titles, strict=True)
    ]
    return ItemRows(path, table.columns["movie_id"].to_list(), titles, labels, table.lines.tolist())
