"""A history into the vault and out of it: what `transfer` reads and writes, joined with the vault."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from confidante.core.errors import DataError
from confidante.core.values import Item, Price
from confidante.device.catalog.serving import Serving
from confidante.device.importing import (
    ForeignEvent,
    ImportReport,
    TitleIndex,
    gather,
    read_export,
    write_export,
)
from confidante.device.importing.gathering import OLDER
from confidante.device.importing.repeats import Remembered, Repeats
from confidante.device.importing.report import SkippedRows
from confidante.device.privacy.participation_log import ParticipationLog
from confidante.device.storage import forgetting, history, items, kinds, marks, settings, wishes
from confidante.device.storage.vault import LATEST, Vault
from confidante.device.values import Retention
from confidante.formats.own import (
    DepartureRecord,
    EventRecord,
    ExportedConsent,
    ItemRecord,
    Record,
    SeenRecord,
    SettingRecord,
    SpentRecord,
    WishRecord,
)
from confidante.formats.timestamps import DateOrder
from confidante.packs.base import Pack
from confidante.packs.registry import pack_named
from confidante.packs.signals import OUT_OF, EventKind, plain_kind

OWN_FORMAT = "confidante"

Progress = Callable[[str, float], None]


def import_file(
    vault: Vault,
    serving: Serving,
    pack: Pack,
    path: Path,
    format: str | None,  # noqa: A002
    *,
    person: str | None,
    date_order: DateOrder | None,
    dry_run: bool,
    add_missing: bool | None,
    progress: Progress | None,
) -> ImportReport:
    """Take in a file and return the report; see `Device.import_history`.

    Rows are read and matched without the vault's lock, so that lists are made meanwhile. Of imports there is
    one at a time.
    """
    formats = pack.formats()
    kind = formats.detect(path) if format is None else format
    say = progress or (lambda _what, _part: None)
    say("reading", 0.0)
    if kind == OWN_FORMAT:
        with vault.lock:
            report = _take_back(vault, serving, path, dry_run=dry_run)
        say("reading", 1.0)
        return report
    stored = items.everything(vault)
    index = TitleIndex(zip(stored.keys.tolist(), stored.items, strict=True), pack)
    there = vault.rows("SELECT number, item, at, kind, value FROM event WHERE forgotten IS NULL")
    kept = settings.retention(vault)
    gathered = gather(
        formats.parse(path, kind, person=person, date_order=date_order),
        index,
        format=kind,
        path=path,
        more=formats.named(kind).more,
        repeats=Repeats(pack, (Remembered(*row) for row in there)),
        add_missing=add_missing,
        keep=kept,
        oldest=forgetting.kept_from(vault, kept),
        progress=lambda rows: say("reading", 1 - 1 / (1 + rows / 10_000)),
    )
    say("reading", 1.0)
    report = _with_overflow(gathered.report, len(there) + len(gathered.events) - kept.events, kept)
    if dry_run:
        return report
    with vault.lock, serving.as_before_if_it_fails(), vault.write():
        serving.add(gathered.items, personal=True)
        keys = items.keys_of(vault, [item.id for item in gathered.items])

        def key_of(key: int) -> int:
            return key if key >= 0 else keys[gathered.items[-1 - key].id]

        history.add_events(
            vault,
            [
                history.NewEvent(key_of(key), event.kind, event.at, event.value, _on_scale(event, pack))
                for key, event in gathered.events
            ],
        )
        history.rate(vault, gathered.rated)
        marks.put(vault, ((key_of(key), at) for key, at in gathered.seen))
        for key, _at in gathered.wishes:
            (item,) = items.items_of(vault, [key_of(key)])
            wishes.put(vault, "saved", item.id, 1)
        history.expire(vault, kept)
    return report


def _on_scale(event: ForeignEvent, pack: Pack) -> Mapping[str, str]:
    """Return an event's context, with the best value of its rating's scale where that is not the pack's."""
    says = pack.event(event.kind)
    if event.value is None or event.scale is None or not says.rated or event.scale == says.top:
        return event.context
    return {**event.context, OUT_OF: f"{event.scale:g}"}


def _with_overflow(report: ImportReport, overflow: int, kept: Retention) -> ImportReport:
    """Return the report, with a word on the oldest events, here and in the file, that make room."""
    if overflow <= 0:
        return report
    word = (
        f"The {overflow:,} oldest, of those in the file and those here before, are not kept: this keeps "
        f"the newest {kept.events:,} (change it under Settings, or by `confidante profile retention`, before "
        "importing)"
    )
    if kept.keep_seen:
        word += ". What they were of still counts as had"
    return replace(report, notes=(*report.notes, word))


def export_vault(vault: Vault, path: Path) -> int:
    """Write everything as JSON lines and return their number; see `Device.export`."""
    with vault.lock:
        return write_export(path, _records(vault), made=vault.now())


def _take_back(vault: Vault, serving: Serving, path: Path, *, dry_run: bool) -> ImportReport:
    """Take items, events, wishes and settings of an export, and what was spent of the privacy budget.

    Consents and departures belong to the vault that it was made of.
    """
    records = list(enumerate(read_export(path), 2))
    kept = settings.retention(vault)
    wanted: dict[str, ItemRecord] = {}
    events: list[tuple[float, int, EventRecord]] = []
    seen: dict[str, float] = {}
    says_seen = False
    for line, record in records:
        match record:
            case ItemRecord():
                wanted[record.id] = record
            case EventRecord():
                events.append((record.at, line, record))
            case SeenRecord(item, at):
                if not 0 <= at <= LATEST:
                    raise DataError(f"an item cannot have been had at the time {at}", path=path, line=line)
                seen[item] = at
            case SettingRecord("retention", value):
                kept = _retention(value, path, line)
                says_seen = isinstance(value, dict) and "keep_seen" in value
    if not (says_seen or seen):  # an export of before there were marks: its events say what was had
        pack = settings.pack(vault)
        seen = {event.item: event.at for _, _, event in sorted(events) if pack.event(event.kind).had}
    named = {*seen, *(event.item for _, _, event in events)}
    known = set(items.known_ids(vault, {*wanted, *named}))
    for item_id in named - known:
        wanted.setdefault(item_id, ItemRecord(item_id, item_id, personal=True))
    says = next((r for _, r in records if isinstance(r, SettingRecord) and r.name == "kinds"), None)
    declared = {} if says is None else _kinds(says.value, path)
    there = Counter(
        vault.rows(
            "SELECT item.id, kind, at, value, context FROM event JOIN item ON item.key = event.item"
            " WHERE forgotten IS NULL"
        )
    )
    new = []
    for entry in sorted(events, key=lambda entry: entry[:2]):
        event = entry[2]
        same = (event.item, event.kind, event.at, event.value, _context(event))
        if there[same]:
            there[same] -= 1
        else:
            new.append(entry)
    older = new[: max(0, len(new) - kept.events)]
    new = new[len(older) :]
    report = ImportReport(
        format=OWN_FORMAT,
        path=str(path),
        read=len(events),
        matched=len(new),
        added=len(wanted.keys() - known),
        wishes=0,
        unmatched=0,
        examples=(),
        skipped=(SkippedRows(OLDER, len(older), older[0][1]),) if older else (),
        duplicates=len(events) - len(new) - len(older),
        first=new[0][0] if new else None,
        last=new[-1][0] if new else None,
        seen=len(seen.keys() - {event.item for _, _, event in new}),
    )
    if dry_run:
        return report
    with serving.as_before_if_it_fails(), vault.write() as sql:
        for personal in (False, True):
            serving.add(
                (_item(record) for record in wanted.values() if record.personal is personal),
                personal=personal,
            )
        serving.remove([record.id for record in wanted.values() if record.removed])
        keys = items.keys_of(vault, named)
        history.add_events(
            vault,
            [
                history.NewEvent(keys[event.item], event.kind, event.at, event.value, event.context)
                for _, _, event in new
            ],
            mark=False,
        )
        marks.put(vault, ((keys[item], at) for item, at in seen.items()))
        for line, record in records:
            match record:
                case WishRecord(kind, subject, level, at):
                    if kind != "taste" and items.key_of(vault, subject) is None:
                        raise DataError("a wish names an item that does not exist", path=path, line=line)
                    if not 0 <= at <= LATEST:
                        raise DataError(f"a wish cannot have the time {at}", path=path, line=line)
                    wishes.put(vault, kind, subject, level)
                    sql("UPDATE wish SET at = ? WHERE kind = ? AND subject = ?", (at, kind, subject))
                case SpentRecord():
                    ParticipationLog(vault).carry_over(*msgspec.structs.astuple(record))
                case SettingRecord("no_profiling", value):
                    settings.set_no_profiling(vault, on=value is True)
                case SettingRecord("attributes", value):
                    settings.set_attributes(vault, settings.attributes(vault) | _stated(value, path, line))
        there_already = {plain_kind(kind) for kind in kinds.declared(vault)}
        for kind, said in declared.items():
            if plain_kind(kind) not in there_already:
                kinds.declare(vault, kind, said)
        if says is None:  # an export of before kinds were declared
            kinds.inherit(vault, {event.kind for _, _, event in new})
        settings.set_retention(vault, kept)
        history.expire(vault, kept)
    return report


def _item(record: ItemRecord) -> Item:
    price = Price.read(record.price) if record.price else None
    return Item(
        record.id,
        record.title,
        record.labels,
        record.description,
        record.url,
        record.image,
        record.creator,
        price,
        record.more,
    )


def _retention(value: object, path: Path, line: int) -> Retention:
    try:
        return msgspec.convert(value, Retention)
    except msgspec.ValidationError as error:
        raise DataError(f"is not a valid retention ({error})", path=path, line=line) from None


def _kinds(value: object, path: Path) -> Mapping[str, EventKind]:
    try:
        return kinds.read(value)
    except msgspec.ValidationError as error:
        raise DataError(f"says of the kinds of events what cannot be ({error})", path=path) from None


def _stated(value: object, path: Path, line: int) -> dict[str, str]:
    try:
        return msgspec.convert(value, dict[str, str])
    except msgspec.ValidationError as error:
        raise DataError(f"is not a valid statement of a person ({error})", path=path, line=line) from None


def _context(event: EventRecord) -> str:
    return msgspec.json.encode(event.context).decode()


def _records(vault: Vault) -> Iterator[Record]:
    kept = settings.retention(vault)
    yield SettingRecord("retention", {"events": kept.events, "days": kept.days, "keep_seen": kept.keep_seen})
    said = kinds.besides(pack_named(settings.pack(vault).name), vault)
    yield SettingRecord("kinds", msgspec.to_builtins(said))
    yield SettingRecord("no_profiling", settings.no_profiling(vault))
    if stated := settings.attributes(vault):
        yield SettingRecord("attributes", dict(stated))
    stored = items.everything(vault)
    for item, removed, personal in zip(
        stored.items, stored.removed.tolist(), stored.personal.tolist(), strict=True
    ):
        yield ItemRecord(
            item.id,
            item.title,
            item.labels,
            item.description,
            removed,
            personal,
            item.url,
            item.image,
            item.creator,
            "" if item.price is None else str(item.price),
            dict(item.more),
        )
    for item, kind, at, value, context in vault.rows(
        "SELECT item.id, kind, at, value, context FROM event JOIN item ON item.key = event.item "
        "WHERE forgotten IS NULL ORDER BY at, number"
    ):
        yield EventRecord(item, kind, at, value, json.loads(context))
    for item, at in vault.rows(
        "SELECT item.id, at FROM seen JOIN item ON item.key = seen.item ORDER BY at, seen.item"
    ):
        yield SeenRecord(item, at)
    for kind, subject, level, at in vault.rows("SELECT kind, subject, level, at FROM wish ORDER BY at, kind"):
        yield WishRecord(kind, subject, level, at)
    for row in vault.rows(
        "SELECT number, purpose, granted, at, record, previous, hash FROM consent ORDER BY number"
    ):
        number, purpose, granted, at, record, previous, digest = row
        yield ExportedConsent(number, purpose, bool(granted), at, record, previous, digest)
    for row in vault.rows(
        "SELECT number, at, purpose, task, destination, size, digest, content, visible, round, epsilon, "
        "delta, state, sent_at, receipt, previous, hash FROM departure ORDER BY number"
    ):
        yield DepartureRecord(*row)
    for row in vault.rows(
        "SELECT id, task, plan, at, epsilon, delta FROM round WHERE state = 'spent' ORDER BY at, id"
    ):
        yield SpentRecord(*row)
