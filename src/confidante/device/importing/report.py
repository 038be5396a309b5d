"""What became of a file that was imported, for the person to read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import final

EXAMPLES = 20


@final
@dataclass(frozen=True, slots=True)
class SkippedRows:
    """How many rows were skipped for a reason; line: the first of them."""

    reason: str
    rows: int
    line: int


@final
@dataclass(frozen=True, slots=True)
class ImportReport:
    """Every row that was read is counted once: read = matched + unmatched + duplicates + skipped.

    matched: events of items that the library has, or was given: `added` of these items are new. wishes: rows
    among the matched that say what is wanted; they are saved, not remembered as events. unmatched: rows whose
    title the library lacks; `examples` names up to 20 such titles. duplicates: events that are already there,
    also where another export told them; rated: those of them that had no rating and have one now.
    first, last: seconds since 1970 of the matched, None when there is none. notes: what was assumed. seen:
    items that count as had although no event of them is remembered, since all were too old.
    undeclared: kinds of event that nobody declared, and events of each among the matched: kept, they say only
    that an item was had.
    """

    format: str
    path: str
    read: int
    matched: int
    added: int
    wishes: int
    unmatched: int
    examples: tuple[str, ...]
    skipped: tuple[SkippedRows, ...]
    duplicates: int
    first: float | None
    last: float | None
    notes: tuple[str, ...] = ()
    matched_by: tuple[tuple[str, int], ...] = ()
    seen: int = 0
    rated: int = 0
    undeclared: tuple[tuple[str, int], ...] = ()

    def lines(self) -> tuple[str, ...]:
        """Return the report as sentences."""
        return tuple(self._lines())

    def unknown_kinds(self) -> Iterator[str]:
        """Give a sentence for each kind of event that nobody declared."""
        for kind, events in self.undeclared[:EXAMPLES]:
            yield (
                f"{events:,} are of the kind “{kind}”, which is not known: their items count as had, and "
                "nothing is learnt from them until you declare what it says (`confidante profile declare`)"
            )
        if len(self.undeclared) > EXAMPLES:
            yield f"{len(self.undeclared) - EXAMPLES:,} further kinds are not known either"

    def _lines(self) -> Iterator[str]:
        yield f"{self.path}: {self.read:,} rows read as {self.format}"
        how = ", ".join(f"{count:,} by {name}" for name, count in self.matched_by)
        yield f"{self.matched:,} belong to items of the library" + (f" ({how})" if how else "")
        if self.first is not None and self.last is not None:
            yield f"They happened from {_day(self.first)} to {_day(self.last)}"
        if self.added:
            yield f"{self.added:,} items were new and added to the library"
        if self.wishes:
            yield f"{self.wishes:,} are wanted for later and were saved"
        if self.duplicates:
            rated = f", of which {self.rated:,} had no rating and have one now" if self.rated else ""
            yield f"{self.duplicates:,} were there already{rated}"
        if self.unmatched:
            titles = "; ".join(title[:80] for title in self.examples)
            yield f"{self.unmatched:,} have no item in the library, such as: {titles}"
        for row in self.skipped:
            yield f"{row.rows:,} skipped: {row.reason} (first in line {row.line})"
        if self.seen:
            yield f"{self.seen:,} items with no event that is kept still count as had, and are not suggested"
        yield from self.unknown_kinds()
        yield from self.notes


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
