"""A list of items to recommend from: CSV `item,title,labels,description`, the last two may be missing."""

from pathlib import Path

from confidante.core.errors import DataError
from confidante.core.values import Item
from confidante.formats.records import Skipped
from confidante.formats.source import open_source
from confidante.formats.tables import csv_rows


def read_items(path: Path) -> tuple[Item, ...]:
    """Return the items of a CSV file, labels separated by `|`. Raises DataError, naming the line."""
    source = open_source(path)
    if len(source.members) != 1:
        raise DataError("name one CSV file with the columns item,title,labels", path=path)
    found: list[Item] = []
    for row in csv_rows(source.members[0]):
        if isinstance(row, Skipped):
            raise DataError(row.reason, path=path, line=row.line)
        line, fields = row
        if not fields.get("item"):
            raise DataError(
                "has no column `item`, or it is empty: give item,title,labels", path=path, line=line
            )
        labels = tuple(label.strip() for label in fields.get("labels", "").split("|") if label.strip())
        found.append(
            Item(fields["item"], fields.get("title") or fields["item"], labels, fields.get("description", ""))
        )
    return tuple(found)
