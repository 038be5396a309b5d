"""A history into the vault and out of it: what `transfer` reads and writes, joined with the vault."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from confidante.device import settings
from confidante.device.serving import Serving
from confidante.device.transfer import (
    ImportReport,
    TitleIndex,
    detect,
    gather,
    parse,
    read_export,
    write_export,
)
from confidante.device.transfer.export import (
    ConsentRecord,
    DepartureRecord,
    EventRecord,
    ItemRecord,
    Record,
    SettingRecord,
    WishRecord,
)
from confidante.device.values import Item, Retention
from confidante.device.vault import history, items, wishes
from confidante.device.vault.store import Vault

OWN_FORMAT = "confidante"

Progress = Callable[[str, float], None]


def import_file(
    vault: Vault,
    serving: Serving,
    path: Path,
    format: str | None,  # noqa: A002
    *,
    dry_run: bool,
    add_missing: bool | None,
    progress: Progress | None,
) -> ImportReport:
    """Take in a file and return the report; see `Device.import_history`."""
    kind = detect(path) if format is None else format
    say = progress or (lambda _what, _part: None)
    say("reading", 0.0)
    stored = items.everything(vault)
    index = TitleIndex(
        (key, item.id, item.title, item.labels)
        for key, item in zip(stored.keys.tolist(), stored.items, strict=True)
    )
    there = set(vault.rows("SELECT item, at FROM event WHERE forgotten IS NULL"))
    kept = settings.retention(vault)
    gathered = gather(
        parse(path, kind),
        index,
        format=kind,
        path=path,
        known=lambda key, at: (key, at) in there,
        add_missing=True if kind == OWN_FORMAT else add_missing,
        keep=kept.events,
        progress=lambda rows: say("reading", 1 - 1 / (1 + rows / 10_000)),
    )
    say("reading", 1.0)
    if dry_run:
        return gathered.report
    with vault.write():
        if kind == OWN_FORMAT:
            _take_back(vault, serving, path)
        serving.add(gathered.items)
        keys = items.keys_of(vault, [item.id for item in gathered.items])

        def key_of(key: int) -> int:
            return key if key >= 0 else keys[gathered.items[-1 - key].id]

        history.add_events(
            vault,
            [
                history.NewEvent(key_of(key), event.kind, event.at, event.value, event.context)
                for key, event in gathered.events
            ],
        )
        for key, _at in gathered.wishes:
            (item,) = items.items_of(vault, [key_of(key)])
            wishes.put(vault, "saved", item.id, 1)
        history.expire(vault, kept)
    return gathered.report


def export_vault(vault: Vault, path: Path) -> int:
    """Write everything as JSON lines and return their number; see `Device.export`."""
    with vault.lock:
        return write_export(path, _records(vault), made=vault.now())


def _take_back(vault: Vault, serving: Serving, path: Path) -> None:
    """Take items, wishes and settings of an export; consents and departures belong to its vault."""
    records = list(read_export(path))
    wanted = [record for record in records if isinstance(record, ItemRecord)]
    serving.add(Item(r.id, r.title, r.labels, r.description) for r in wanted)
    serving.remove([record.id for record in wanted if record.removed])
    for record in records:
        if isinstance(record, WishRecord):
            wishes.put(vault, record.kind, record.subject, record.level)
        elif isinstance(record, SettingRecord):
            if record.name == "retention" and isinstance(record.value, dict):
                settings.set_retention(vault, Retention(**record.value))
            elif record.name == "no_profiling":
                settings.set_no_profiling(vault, on=record.value is True)


def _records(vault: Vault) -> Iterator[Record]:
    kept = settings.retention(vault)
    yield SettingRecord("retention", {"events": kept.events, "days": kept.days})
    yield SettingRecord("no_profiling", settings.no_profiling(vault))
    stored = items.everything(vault)
    for item, removed in zip(stored.items, stored.removed.tolist(), strict=True):
        yield ItemRecord(item.id, item.title, item.labels, item.description, removed)
    for item, kind, at, value, context in vault.rows(
        "SELECT item.id, kind, at, value, context FROM event JOIN item ON item.key = event.item "
        "WHERE forgotten IS NULL ORDER BY at, number"
    ):
        yield EventRecord(item, kind, at, value, json.loads(context))
    for kind, subject, level, at in vault.rows("SELECT kind, subject, level, at FROM wish ORDER BY at, kind"):
        yield WishRecord(kind, subject, level, at)
    for row in vault.rows(
        "SELECT number, purpose, granted, at, record, previous, hash FROM consent ORDER BY number"
    ):
        number, purpose, granted, at, record, previous, digest = row
        yield ConsentRecord(number, purpose, bool(granted), at, record, previous, digest)
    for row in vault.rows(
        "SELECT number, at, purpose, task, destination, size, digest, content, visible, round, epsilon, "
        "delta, state, sent_at, receipt, previous, hash FROM departure ORDER BY number"
    ):
        yield DepartureRecord(*row)
