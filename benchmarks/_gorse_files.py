"""Gorse's bulk files: one JSON object a line, feedback and items.

feedback: FeedbackType, UserId, ItemId, Timestamp (ISO 8601). items: ItemId, Labels (text, lists and objects
of text; numbers, as in embeddings, are not labels and are counted), Categories, Comment (used as title).
Keys are compared without regard to case, as Gorse does; other keys are ignored.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from confidante.core.errors import DataError
from confidante.lab.data.dataset import Dataset, Interactions, ItemRows, Repeats, Tally, assemble
from confidante.lab.data.text import parse_times, read_utf8


def load_gorse(
    feedback: Path | str,
    items: Path | str | None = None,
    *,
    feedback_types: Collection[str] | None = None,
    repeats: Repeats = "first",
) -> Dataset:
    """Return the data set of a feedback file and, perhaps, an items file.

    feedback_types: only these count, the others are skipped and counted; None takes all. Raises DataError,
    naming file and line.
    """
    path = Path(feedback)
    columns: tuple[list[str], list[str], list[str]] = ([], [], [])
    lines: list[int] = []
    other: list[int] = []
    for line, row in _objects(path):
        kind, user, item, time = (
            _text(path, line, row, key) for key in ("FeedbackType", "UserId", "ItemId", "Timestamp")
        )
        if feedback_types is not None and kind not in feedback_types:
            other.append(line)
            continue
        lines.append(line)
        for column, value in zip(columns, (user, item, time), strict=True):
            column.append(value)
    if other and not lines:
        raise DataError(f"has no feedback of type {', '.join(sorted(feedback_types or ()))}", path=path)
    users, item_ids, times = (pl.Series(column, dtype=pl.String) for column in columns)
    rows = Interactions(
        path,
        users,
        item_ids,
        parse_times(times),
        np.asarray(lines, dtype=np.int64),
        (Tally("feedback of another type", len(other), other[0]),) if other else (),
    )
    return assemble(rows, None if items is None else read_gorse_items(Path(items)), repeats=repeats)


def read_gorse_items(path: Path) -> ItemRows:
    """Return the rows of a Gorse items file. Hidden items stay in the catalogue and are counted."""
    found = ItemRows(path, [], [], [], [])
    numeric: list[int] = []
    hidden: list[int] = []
    for line, row in _objects(path):
        found.ids.append(_text(path, line, row, "ItemId"))
        found.titles.append(str(row.get("comment") or "").strip())
        leaves = [leaf for key in ("categories", "labels") for leaf in _leaves(row.get(key))]
        texts = (leaf.strip() for leaf in leaves if isinstance(leaf, str))
        found.labels.append(tuple(dict.fromkeys(text for text in texts if text)))
        found.lines.append(line)
        if any(not isinstance(leaf, str) for leaf in leaves):
            numeric.append(line)
        if row.get("ishidden") is True:
            hidden.append(line)
    notes = tuple(
        Tally(what, len(rows), rows[0])
        for what, rows in (
            ("items with labels that are not text, which were left out", numeric),
            ("items marked hidden, kept", hidden),
        )
        if rows
    )
    return ItemRows(found.path, found.ids, found.titles, found.labels, found.lines, notes)


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line, object with lower-case keys) of a JSONL file; blank lines hold nothing."""
    decoder = msgspec.json.Decoder(dict[str, Any])
    for line, content in enumerate(read_utf8(path).split(b"\n"), 1):
        if content.strip():
            try:
                row = decoder.decode(content)
            except (msgspec.DecodeError, RecursionError) as error:
                raise DataError(f"is not a JSON object ({error})", path=path, line=line) from None
            yield line, {key.lower(): value for key, value in row.items()}


def _text(path: Path, line: int, row: dict[str, Any], key: str) -> str:
    value = row.get(key.lower())
    if not isinstance(value, str):
        raise DataError(f"{key} is missing or not text: give it as a JSON string", path=path, line=line)
    return value


def _leaves(value: object) -> Iterator[object]:
    """Yield what lists and objects hold in the end, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _leaves(part)
    elif value is not None:
        yield value
