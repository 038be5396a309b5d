"""What every loader returns, and the one way from rows of text to histories and a catalogue."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import Catalogue, Histories

Repeats = Literal["first", "all"]
"""What to do when a person meets an item again: keep the earliest meeting, or every one (repurchase data)."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

MAX_ID_BYTES = 512
MAX_TEXT = 10_000  # characters of a title, and of an item's labels together
MAX_TIME = 253_402_300_799  # the last second of the year 9999; beyond it a stamp is not in seconds


@final
@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows something happened to, and the 1-based line of the first one (None: no lines)."""

    what: str
    count: int
    first_line: int | None = None

    def __str__(self) -> str:
        """Return one readable line."""
        where = "" if self.first_line is None else f" (first: line {self.first_line})"
        return f"{self.what}: {self.count:,}{where}"


@final
@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of each row of the interactions: `read == kept + sum(s.count for s in skipped)`.

    notes: rows that were kept but about which something had to be decided (sorted, no features, ...).
    """

    source: str
    read: int
    kept: int
    skipped: tuple[Tally, ...] = ()
    notes: tuple[Tally, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what became of the rows, ready for JSON."""
        return {
            "rows_read": self.read,
            "rows_kept": self.kept,
            "skipped": [asdict(tally) for tally in self.skipped],
            "notes": [asdict(tally) for tally in self.notes],
        }

    def lines(self) -> Iterator[str]:
        """Yield the report as readable lines."""
        yield f"{self.source}: {self.read:,} rows read, {self.kept:,} kept"
        yield from (f"  skipped, {tally}" for tally in self.skipped)
        yield from (f"  {tally}" for tally in self.notes)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """People's histories over one catalogue.

    user_ids: [people], in order of first appearance in the source; items the same, after those of the
    items file. report: what was read, skipped and why.
    """

    histories: Histories
    catalogue: Catalogue
    user_ids: tuple[str, ...]
    report: LoadReport

    def __post_init__(self) -> None:
        """Refuse parts that do not fit together."""
        if len(self.user_ids) != self.histories.people:
            raise DataError(f"{len(self.user_ids)} user ids for {self.histories.people} histories")


@final
@dataclass(frozen=True, slots=True, eq=False)
class Interactions:
    """Rows as a format's reader found them, in file order; checked by `assemble`.

    users, items: text [rows]; times: float64 [rows], seconds, NaN where the text is no time;
    lines: int64 [rows], 1-based, or None for formats without lines. ratings: float64 [rows], NaN for none.
    """

    path: Path
    users: pl.Series
    items: pl.Series
    times: NDArray[np.float64]
    lines: NDArray[np.int64] | None
    skipped: tuple[Tally, ...] = ()
    notes: tuple[Tally, ...] = ()
    ratings: NDArray[np.float64] | None = None

    def line(self, row: int) -> int | None:
        """Return the line of a row."""
        return None if self.lines is None else int(self.lines[row])

    def tally(self, what: str, rows: NDArray[np.integer]) -> tuple[Tally, ...]:
        """Return a tally of the given rows (of which the first names the line), or nothing for none."""
        return (Tally(what, len(rows), self.line(int(rows.min()))),) if len(rows) else ()


@final
@dataclass(frozen=True, slots=True)
class ItemRows:
    """Rows of an items file, checked by `checked_catalogue`. An empty title becomes the id."""

    path: Path
    ids: list[str]
    titles: list[str]
    labels: list[tuple[str, ...]]
    lines: list[int]
    notes: tuple[Tally, ...] = field(default=())


def first_bad_id(ids: pl.Series) -> int | None:
    """Return the row of the first id that is empty, too long, padded or has control characters."""
    bad = (
        ids.str.contains(r"^\s|\s$|[\x00-\x1f\x7f]")
        | (ids.str.len_bytes() == 0)
        | (ids.str.len_bytes() > MAX_ID_BYTES)
    )
    return bad.arg_max() if bad.any() else None


def explain_bad_id(column: str, value: str) -> str:
    """Return the sentence for an id that `first_bad_id` found."""
    if not value:
        return f"{column} is empty: give every row one"
    if len(value.encode()) > MAX_ID_BYTES:
        return f"{column} has {len(value):,} characters: at most {MAX_ID_BYTES} bytes are an id"
    return f"{column} {value[:40]!r} has blanks around it or control characters: remove them"


def assemble(rows: Interactions, items: ItemRows | None, *, repeats: Repeats) -> Dataset:
    """Check rows, index users and items, sort each person's events by time (equal times keep file order).

    Times with fractions are ordered first and then cut down to whole seconds. Exact duplicates
    (user, item, time) are skipped and counted; with `repeats="first"` later meetings are as well.
    Raises DataError for ids or times that cannot be used, and when no row is left.
    """
    if repeats not in ("first", "all"):
        raise DataError(f"repeats is {repeats!r}: say 'first' or 'all'")
    if not len(rows.times):
        raise DataError("there are no interactions: give at least one row", path=rows.path)
    _check(rows)
    catalogue = _empty_catalogue() if items is None else checked_catalogue(items)
    user, user_ids = _index(rows.users, ())
    item, item_ids = _index(rows.items, catalogue.ids)
    notes = rows.notes + (() if items is None else items.notes)
    if items is not None:
        notes += rows.tally(
            "items not in the items file, kept without features; rows", np.flatnonzero(item >= len(catalogue))
        )
    order, out_of_order = _time_order(user, rows.times)
    notes += rows.tally("rows earlier than the person's row before them, sorted", out_of_order)
    order, skipped = _without_repeats(rows, order, user, item, len(item_ids), repeats)
    new = item_ids[len(catalogue) :]
    catalogue = Catalogue(catalogue.ids + new, catalogue.titles + new, catalogue.labels + ((),) * len(new))
    counts = np.bincount(user[order], minlength=len(user_ids))
    histories = Histories(
        np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        item[order].astype(np.int32),
        np.floor(rows.times[order]).astype(np.int64),
        None if rows.ratings is None else rows.ratings[order],
    )
    skipped = rows.skipped + skipped
    read = len(order) + sum(tally.count for tally in skipped)
    return Dataset(
        histories, catalogue, user_ids, LoadReport(str(rows.path), read, len(order), skipped, notes)
    )


def checked_catalogue(items: ItemRows) -> Catalogue:
    """Return the catalogue of an items file. Raises DataError with the line for a bad or repeated id."""
    row = first_bad_id(pl.Series(items.ids, dtype=pl.String))
    if row is not None:
        raise DataError(explain_bad_id("item", items.ids[row]), path=items.path, line=items.lines[row])
    for title, labels, line in zip(items.titles, items.labels, items.lines, strict=True):
        for text in (title, "|".join(labels)):
            if len(text) > MAX_TEXT or _CONTROL.search(text):
                raise DataError(
                    f"title or labels {text[:40]!r} have control characters or over {MAX_TEXT:,} characters: "
                    "clean or shorten them",
                    path=items.path,
                    line=line,
                )
    seen: dict[str, int] = {}
    for name, line in zip(items.ids, items.lines, strict=True):
        if name in seen:
            raise DataError(
                f"item {name!r} was already given in line {seen[name]}: keep one of the two",
                path=items.path,
                line=line,
            )
        seen[name] = line
    titles = tuple(title or name for title, name in zip(items.titles, items.ids, strict=True))
    return Catalogue(tuple(items.ids), titles, tuple(items.labels))


def _empty_catalogue() -> Catalogue:
    return Catalogue((), (), ())


def _check(rows: Interactions) -> None:
    """Raise DataError for the first row whose ids or time cannot be used."""
    found: list[tuple[int, str]] = []
    for column, values in (("user", rows.users), ("item", rows.items)):
        row = None if first_bad_id(values.unique()) is None else first_bad_id(values)
        if row is not None:
            found.append((row, explain_bad_id(column, values[row])))
    bad = np.flatnonzero(~(np.abs(rows.times) <= MAX_TIME))
    if len(bad):
        time = rows.times[bad[0]]
        found.append(
            (
                int(bad[0]),
                (
                    "timestamp is not a time: give seconds since 1970 or ISO 8601 like 2024-05-01T12:00:00Z"
                    if not np.isfinite(time)
                    else f"timestamp {time:.15g} is beyond the year 9999: give seconds, not milliseconds"
                ),
            )
        )
    if found:
        row, problem = min(found)
        raise DataError(problem, path=rows.path, line=rows.line(row))


def _index(values: pl.Series, known: tuple[str, ...]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the index of each value, known ids first and the others in order of first appearance."""
    ids = pl.concat([pl.Series(known, dtype=pl.String), values]).unique(maintain_order=True)
    table = pl.DataFrame({"id": ids}).with_row_index("index")
    index = pl.DataFrame({"id": values}).join(table, on="id", how="left", maintain_order="left")["index"]
    return index.to_numpy().astype(np.int64), tuple(ids.to_list())


def _time_order(
    user: NDArray[np.int64], times: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows by (user, time, file order), and the rows that stood after a later one of their user."""
    order = _sorting_rows(user)
    late = (np.diff(times[order]) < 0) & (np.diff(user[order]) == 0)
    if late.any():
        by_time = _sorting_rows(times)
        return by_time[_sorting_rows(user[by_time])], order[1:][late]
    return order, order[:0]


def _sorting_rows(keys: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows in a stable sorted order (polars sorts on all cores)."""
    table = pl.DataFrame({"key": keys}).select(pl.arg_sort_by("key", maintain_order=True))
    return table.to_series().to_numpy().astype(np.int64)


def _without_repeats(
    rows: Interactions,
    order: NDArray[np.int64],
    user: NDArray[np.int64],
    item: NDArray[np.int64],
    n_items: int,
    repeats: Repeats,
) -> tuple[NDArray[np.int64], tuple[Tally, ...]]:
    """Return `order` less exact duplicates (and less later meetings, if asked), and what was left out."""
    pair = user[order] * n_items + item[order]
    if not (np.diff(np.sort(pair)) == 0).any():
        return order, ()
    met = ~pl.Series(pair).is_first_distinct().to_numpy()
    often = np.flatnonzero(pl.Series(pair).is_duplicated().to_numpy())
    keys = pl.DataFrame({"pair": pair[often], "time": rows.times[order[often]]})
    same = np.zeros(len(order), dtype=bool)
    same[often] = ~keys.select(pl.struct("pair", "time").is_first_distinct()).to_series().to_numpy()
    skipped = rows.tally("repeats the user, item and timestamp of another row", order[same])
    if repeats == "first":
        skipped += rows.tally("the person met the item before", order[met & ~same])
        same = met
    return order[~same], skipped
