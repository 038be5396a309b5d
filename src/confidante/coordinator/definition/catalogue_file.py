"""The public items of a population, from a CSV file."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from confidante.core.errors import DataError
from confidante.core.types import Catalogue


def read_catalogue(path: Path) -> Catalogue:
    """Return the items of a CSV file `item,title,labels`, in its order; DataError naming file and line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(_rows(path, file))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"the catalogue cannot be read ({_said(error)}): give UTF-8 `item,title,labels`", path=path
        ) from None
    if len(rows) < 2:
        raise DataError(f"has {len(rows)} items: at least 2 are needed to choose between", path=path)
    ids, titles, labels = zip(*rows, strict=True)
    try:
        return Catalogue(ids, titles, labels)
    except DataError as error:
        raise DataError(error.problem, path=path) from None


def _rows(path: Path, file: Any) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    reader = csv.reader(file, strict=True)
    try:
        names = next(reader, [])
        if not {"item", "title", "labels"} <= set(names):
            raise DataError("its first line has to name the columns item,title,labels", path=path, line=1)
        item, title, labels = map(names.index, ("item", "title", "labels"))
        for row in reader:
            if not row:
                continue
            if len(row) != len(names):
                raise DataError(
                    f"has {len(row)} fields, the first line {len(names)}", path=path, line=reader.line_num
                )
            if not row[item].strip():
                raise DataError("has no item id: give one", path=path, line=reader.line_num)
            split = (label.strip() for label in row[labels].split("|"))
            yield row[item].strip(), row[title].strip(), tuple(dict.fromkeys(filter(None, split)))
    except csv.Error as error:
        raise DataError(f"is no CSV: {error}", path=path, line=reader.line_num) from None


def _said(error: OSError | UnicodeDecodeError) -> str:
    return "it is no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror)
