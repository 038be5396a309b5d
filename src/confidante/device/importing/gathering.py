"""From rows of a file to what a vault should take in: events, new items, wishes, and a report of it all."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from heapq import heappush, heapreplace
from pathlib import Path
from typing import Any, final

from confidante.core.values import NO_CONTEXT, Item
from confidante.device.importing.matching import MatchedBy, TitleIndex
from confidante.device.importing.repeats import Repeats
from confidante.device.importing.report import EXAMPLES, ImportReport, SkippedRows
from confidante.device.values import Retention
from confidante.formats.records import ForeignEvent, Note, Row, Skipped
from confidante.packs.signals import Signal

OLDER = "older than the newest events that are kept"
PRIVATE = "private, or withdrawn"
NEW_ITEM = "new item"

Progress = Callable[[int], None]


@final
@dataclass(frozen=True, slots=True)
class Gathered:
    """What an import brings.

    events: (key of the item, event), oldest first; a key below 0 is that of a new item: `items[-1 - key]`.
    wishes: (key, seconds since 1970), one an item. seen: the same of what was had, by events that are too old
    to be kept. items: new ones, to be added first. rated: the numbers of events of before that had no rating,
    with the kind and rating that they have now.
    """

    events: tuple[tuple[int, ForeignEvent], ...]
    wishes: tuple[tuple[int, float], ...]
    seen: tuple[tuple[int, float], ...]
    items: tuple[Item, ...]
    rated: Mapping[int, tuple[str, float]]
    report: ImportReport


@final
@dataclass(slots=True)
class _State:
    index: TitleIndex
    add_missing: bool
    format: str
    more: Mapping[str, Any]
    items: list[Item] = field(default_factory=list)
    skipped: dict[str, SkippedRows] = field(default_factory=dict)
    examples: dict[str, None] = field(default_factory=dict)
    by: Counter[str] = field(default_factory=Counter)
    placed: dict[tuple[object, ...], tuple[int | None, str]] = field(
        default_factory=dict
    )  # rows are much alike
    undeclared: Counter[str] = field(default_factory=Counter)
    unmatched: int = 0

    def skip(self, reason: str, line: int) -> None:
        before = self.skipped.get(reason, SkippedRows(reason, 0, line))
        self.skipped[reason] = SkippedRows(reason, before.rows + 1, before.line)

    def place(self, event: ForeignEvent) -> int | None:
        """Return the key of the item of an event, adding the item when that is wanted."""
        called = (
            event.title,
            event.creator,
            event.foreign_id,
            event.whole,
            event.labels,
            *event.more.items(),
        )
        if called not in self.placed:
            self.placed[called] = self._placed(event)
        key, how = self.placed[called]
        if key is None:
            self.unmatched += 1
            if len(self.examples) < EXAMPLES:
                self.examples[event.title] = None
            return None
        self.by[how] += 1
        if how == NEW_ITEM:
            self.placed[called] = key, MatchedBy.ID.value
        return key

    def _placed(self, event: ForeignEvent) -> tuple[int | None, str]:
        """Return the key of an item and how it was found."""
        if self.more and not event.more:
            event = replace(event, more=self.more)
        item = new_item(event, self.format)
        earlier = self.index.key_of(item.id)
        if earlier is not None:
            return earlier, MatchedBy.ID.value
        found = self.index.find(event, imported_as=f"{self.format}:")
        if found is not None:
            return found[0], self.index.words(found[1])
        if not self.add_missing:
            return None, ""
        key = -1 - len(self.items)
        self.items.append(item)
        self.index.add(key, item)
        return key, NEW_ITEM


def gather(
    rows: Iterable[Row],
    index: TitleIndex,
    *,
    format: str,  # noqa: A002
    path: Path | str,
    more: Mapping[str, Any] = NO_CONTEXT,
    repeats: Repeats | None = None,
    add_missing: bool | None = None,
    keep: Retention | None = None,
    oldest: float = -math.inf,
    progress: Progress | None = None,
) -> Gathered:
    """Return what rows bring to a library. Rows are read once; `index` learns the new items.

    more: fields of the pack that whatever the file names has. repeats: tells what is there already.
    add_missing: whether titles that the library lacks become new items; None: only when the library is empty.
    keep: how many of the newest events are kept, and whether items of others still
    count as had; None: all are kept. oldest: events before that time are not kept, in seconds since 1970.
    progress: called with the rows read, every thousand.
    Raises DataError when the file turns out to be unusable: then nothing is to be taken in.
    """
    state = _State(index, len(index) == 0 if add_missing is None else add_missing, format, more)
    kept: list[tuple[float, int, int, ForeignEvent]] = []
    wishes: dict[int, float] = {}
    repeats = repeats or Repeats(index.pack)
    seen: dict[int, float] = {}
    most = math.inf if keep is None else keep.events
    notes: list[str] = []
    read = duplicates = wished = 0
    for row in rows:
        if isinstance(row, Note):
            notes.append(row.text)
            continue
        read += 1
        if progress is not None and read % 1000 == 0:
            progress(read)
        if isinstance(row, Skipped):
            state.skip(row.reason, row.line)
            continue
        says = index.pack.event(row.kind)
        if says.signal is Signal.PRIVATE:
            state.skip(PRIVATE, row.line)
            continue
        key = state.place(row)
        if key is None:
            continue
        if says.signal is Signal.WISH:
            wished += 1
            wishes[key] = max(row.at, wishes.get(key, row.at))
        elif repeats.again(key, row):
            duplicates += 1
        else:
            if keep is not None and keep.keep_seen and says.had:
                seen[key] = max(row.at, seen.get(key, row.at))
            if index.pack.declared(row.kind) is None:
                state.undeclared[row.kind] += 1
            entry = (row.at, read, key, row)
            if row.at < oldest or (len(kept) == most and entry < kept[0]):
                state.skip(OLDER, row.line)
            elif len(kept) < most:
                heappush(kept, entry)
            else:
                state.skip(OLDER, heapreplace(kept, entry)[3].line)
    kept.sort()
    for _, _, key, row in kept:  # these are marked as they are remembered
        if index.pack.event(row.kind).had:
            seen.pop(key, None)
    told = repeats.in_other_words([(key, row) for _, _, key, row in kept])
    duplicates += len(told)
    kept = [entry for place, entry in enumerate(kept) if place not in told]
    named = sorted(
        {key for key in (*(key for _, _, key, _ in kept), *wishes, *seen) if key < 0}, reverse=True
    )
    again = {
        key: -1 - place for place, key in enumerate(named)
    }  # items of rows that leave nothing stay unknown
    report = ImportReport(
        format=format,
        path=str(path),
        read=read,
        matched=len(kept) + wished,
        added=len(named),
        wishes=wished,
        unmatched=state.unmatched,
        examples=tuple(state.examples),
        skipped=tuple(sorted(state.skipped.values(), key=lambda row: -row.rows)),
        duplicates=duplicates,
        rated=len(repeats.rated),
        first=kept[0][0] if kept else None,
        last=kept[-1][0] if kept else None,
        notes=tuple(notes),
        matched_by=tuple(state.by.most_common()),
        seen=len(seen),
        undeclared=tuple(state.undeclared.most_common()),
    )
    events = tuple((again.get(key, key), event) for _, _, key, event in kept)
    wanted = tuple((again.get(key, key), at) for key, at in wishes.items())
    had = tuple((again.get(key, key), at) for key, at in seen.items())
    return Gathered(events, wanted, had, tuple(state.items[-1 - key] for key in named), repeats.rated, report)


def new_item(event: ForeignEvent, format: str) -> Item:  # noqa: A002
    """Return the item that an event of an unknown title makes: the whole that it is part of, else itself.

    Its id is "format:" and the id over there, or, without one, a digest of title and creator.
    """
    title, creator = (event.whole, "") if event.whole else (event.title, event.creator)
    labels = tuple(dict.fromkeys((*([creator] if creator else []), *event.labels)))
    if format == "confidante":
        name = event.foreign_id
    elif event.foreign_id and not event.whole:
        name = f"{format}:{event.foreign_id}"
    else:
        digest = hashlib.blake2b(f"{title}\0{creator}".encode(), digest_size=8)
        name = f"{format}:{digest.hexdigest()}"
    return Item(name, title, labels, creator=creator, more=event.more)
