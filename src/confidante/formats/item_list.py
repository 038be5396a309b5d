"""A list of items to recommend from: CSV with the column `item`, and what else there is of each.

Columns: `title`, `labels` (between `|`), `description`, `url`, `image`, `creator`, `price`
(such as 4.50 EUR).
"""

from pathlib import Path

from confidante.core.errors import DataError
from confidante.core.values import Item, Price
from confidante.formats.records import Note, Skipped
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
        if isinstance(row, Note):
            continue
        line, fields = row
        if not fields.get("item"):
            raise DataError(
                "has no column `item`, or it is empty: give item,title,labels", path=path, line=line
            )
        labels = tuple(label.strip() for label in fields.get("labels", "").split("|") if label.strip())
        try:
            price = Price.read(fields["price"]) if fields.get("price") else None
        except DataError as error:
            raise DataError(str(error), path=path, line=line) from None
        text = fields.get
        found.append(
            Item(
                fields["item"],
                text("title") or fields["item"],
                labels,
                text("description", ""),
                text("url", ""),
                text("image", ""),
                text("creator", ""),
                price,
            )
        )
    return tuple(found)
