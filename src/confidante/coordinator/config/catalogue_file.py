"""The public items of a population, from a CSV file."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from confidante.core.errors import DataError
from confidante.core.values import Catalogue


def read_catalogue(path: Path) -> Catalogue:
    """Return the items of a CSV file `item,title,labels`, in its order; DataError naming file and line."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from None
    return read_items(path, data)[0]


def read_items(path: Path, data: bytes, more: Sequence[str] = ()) -> tuple[Catalogue, list[tuple[str, ...]]]:
    """Return the items in the bytes of such a file, and the texts of `more` columns by item.

    Text is empty where there is no such column. DataError naming file and line.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unreadable(path, "it is not UTF-8") from None
    rows = list(_rows(path, text, more))
    if len(rows) < 2:
        raise DataError(f"has {len(rows)} items: at least 2 are needed to choose between", path=path)
    ids, titles, labels, rest = zip(*rows, strict=True)
    try:
        return Catalogue(ids, titles, labels), list(rest)
    except DataError as error:
        raise DataError(error.problem, path=path) from None


def _rows(
    path: Path, text: str, more: Sequence[str]
) -> Iterator[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = next(reader, [])
        if not {"item", "title", "labels"} <= set(names):
            raise DataError("its first line has to name the columns item,title,labels", path=path, line=1)
        item, title, labels = map(names.index, ("item", "title", "labels"))
        places = [names.index(name) if name in names else None for name in more]
        for row in reader:
            if not row:
                continue
            if len(row) != len(names):
                raise DataError(
                    f"has {len(row)} fields, the first line {len(names)}", path=path, line=reader.line_num
                )
            if not row[item].strip():
                raise DataError("has no item id: add one", path=path, line=reader.line_num)
            split = (label.strip() for label in row[labels].split("|"))
            rest = tuple("" if place is None else row[place].strip() for place in places)
            yield row[item].strip(), row[title].strip(), tuple(dict.fromkeys(filter(None, split))), rest
    except csv.Error as error:
        raise DataError(f"is not valid CSV: {error}", path=path, line=reader.line_num) from None


def _unreadable(path: Path, why: str) -> DataError:
    return DataError(f"the catalogue cannot be read ({why}): give UTF-8 `item,title,labels`", path=path)
