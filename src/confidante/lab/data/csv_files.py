"""CSV: interactions `user,item,timestamp[,value]` and items `item,title,labels`.

UTF-8, a header line, plain or gzip. Further columns are ignored and named in the report. Values are
ratings where that is said, or where any is below 0 (`packs/ratings.py` says how they count); otherwise they
are amounts, which say nothing: every row is one meeting of a person and an item.
"""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.lab.data.dataset import Dataset, Interactions, ItemRows, Repeats, Tally, assemble
from confidante.lab.data.text import TextTable, parse_times, read_table

INTERACTION_COLUMNS = ("user", "item", "timestamp")
ITEM_COLUMNS = ("item", "title", "labels")


def load_csv(
    path: Path | str, items: Path | str | None = None, *, repeats: Repeats = "first", ratings: bool = False
) -> Dataset:
    """Return the data set of an interactions file and, perhaps, an items file.

    timestamp: seconds since 1970, whole or not, or ISO 8601; equal times keep file order. Items are indexed
    in the order of the items file, then by first appearance. labels are separated by `|`.
    repeats: "first" keeps a person's earliest meeting with an item, "all" keeps every one.
    ratings: whether values are ratings also where none is below 0. Raises DataError, naming file and line.
    """
    table = read_table(Path(path), INTERACTION_COLUMNS, quotes=True)
    values, notes = _values(table, ratings=ratings)
    rows = Interactions(
        table.path,
        table.columns["user"],
        table.columns["item"],
        parse_times(table.columns["timestamp"]),
        table.lines,
        table.skipped,
        (*_ignored(table, (*INTERACTION_COLUMNS, "value")), *notes),
        values,
    )
    return assemble(rows, None if items is None else read_items_csv(Path(items)), repeats=repeats)


def read_items_csv(path: Path) -> ItemRows:
    """Return the rows of `item,title,labels`; labels are trimmed, empty and repeated ones dropped."""
    table = read_table(path, ITEM_COLUMNS, quotes=True)
    return ItemRows(
        path,
        table.columns["item"].to_list(),
        table.columns["title"].str.strip_chars().to_list(),
        [split_labels(text) for text in table.columns["labels"].to_list()],
        table.lines.tolist(),
        _ignored(table, ITEM_COLUMNS),
    )


def split_labels(text: str) -> tuple[str, ...]:
    """Return the labels of one item in order, each once."""
    return tuple(dict.fromkeys(label.strip() for label in text.split("|") if label.strip()))


def _ignored(table: TextTable, used: tuple[str, ...]) -> tuple[Tally, ...]:
    return tuple(
        Tally(f"column {n!r} ignored; rows", len(table.lines)) for n in table.columns if n not in used
    )


def _values(table: TextTable, *, ratings: bool) -> tuple[NDArray[np.float64] | None, tuple[Tally, ...]]:
    """Return the values that are ratings, and a word on what they are. Raises DataError.

    A value that is no finite number is refused; an empty one is allowed.
    """
    if "value" not in table.columns:
        return None, ()
    texts = table.columns["value"].str.strip_chars()
    numbers = texts.cast(pl.Float64, strict=False)
    bad = ~numbers.is_finite().fill_null(value=False) & (texts != "")
    if bad.any():
        row = bad.arg_max() or 0
        raise DataError(
            f"value {texts[row][:40]!r} is not a finite number: give one or leave the field empty",
            path=table.path,
            line=int(table.lines[row]),
        )
    found = numbers.fill_null(np.nan).to_numpy().astype(np.float64)
    below = np.flatnonzero(found < 0)
    if ratings or len(below):
        why = "values read as ratings; rows below 0, which count against"
        return found, (Tally(why, len(below), int(table.lines[below[0]]) if len(below) else None),)
    if np.isnan(found).all():
        return None, ()
    return None, (
        Tally("values read as amounts, which say nothing (--ratings reads them); rows", len(found)),
    )
