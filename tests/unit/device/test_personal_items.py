"""Items that only a person's own history made known are erased with it."""

import json
from pathlib import Path

import pytest

from confidante import Device, Item
from confidante.core.errors import DataError
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.storage.vault import Vault
from confidante.device.values import Retention

SECRET, OTHER, SHARED = "A Very Private Film", "Another Private Film", "Known To The Shop"


def _device(tmp_path: Path, clock: list[float] | None = None) -> Device:
    now = clock or [1_700_000_000.0]
    device = Device(tmp_path / "profile", InsecurePlaintextKey(), clock=lambda: now[0])
    device.items.add([Item("s1", SHARED, ("Drama",)), Item("s2", "On The Shelf", ("Comedy",))])
    rows = [("Title", "Date"), (SECRET, "1/2/24"), (SHARED, "1/3/24"), (OTHER, "1/25/24")]
    (tmp_path / "ViewingHistory.csv").write_text("".join(f'"{a}","{b}"\n' for a, b in rows))
    report = device.import_history(tmp_path / "ViewingHistory.csv", add_missing=True)
    assert (report.matched, report.added) == (3, 2)
    return device


def _titles(device: Device, out: Path) -> set[str]:
    device.export(out)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    return {line["title"] for line in lines if line.get("type") == "item"}


def test_forgetting_everything_forgets_them_and_keeps_the_catalogue(tmp_path: Path) -> None:
    with _device(tmp_path) as device:
        device.recommend(3)
        device.forget(everything=True)
        assert _titles(device, tmp_path / "out.jsonl") == {SHARED, "On The Shelf"}
        assert {s.item.title for s in device.recommend(10).suggestions} == {SHARED, "On The Shelf"}
        assert not device.items.find("private")


def test_forgetting_an_item_forgets_that_it_was_known(tmp_path: Path) -> None:
    with _device(tmp_path) as device:
        (secret,) = device.items.find(SECRET)
        device.forget(item=secret.id)
        assert _titles(device, tmp_path / "out.jsonl") == {SHARED, OTHER, "On The Shelf"}


def test_one_that_is_saved_stays_until_it_is_not_wanted_any_more(tmp_path: Path) -> None:
    with _device(tmp_path) as device:
        (secret,) = device.items.find(SECRET)
        device.taste.save(secret.id)
        device.forget(item=secret.id)
        assert [item.title for item in device.taste.saved] == [SECRET]


def test_one_that_the_catalogue_has_as_well_stays(tmp_path: Path) -> None:
    with _device(tmp_path) as device:
        (secret,) = device.items.find(SECRET)
        device.items.add([secret])
        device.forget(everything=True)
        assert SECRET in _titles(device, tmp_path / "out.jsonl")


def test_undo_brings_back_what_was_hidden_and_time_takes_the_rest(tmp_path: Path) -> None:
    clock = [1_700_000_000.0]
    with _device(tmp_path, clock) as device:
        before = device.recommend(5, repeats=True)
        device.undo(device.forget(everything=True, undo_seconds=60).undo or "")
        assert device.recommend(5, repeats=True) == before
        device.forget(everything=True, undo_seconds=60)
        clock[0] += 61
        assert device.recommend(5).personal
        assert _titles(device, tmp_path / "out.jsonl") == {SHARED, "On The Shelf"}


@pytest.mark.parametrize("title", [SECRET, OTHER])
def test_nothing_of_them_is_left_in_what_was_derived(tmp_path: Path, title: str) -> None:
    with _device(tmp_path) as device:
        device.recommend(3)
        device.forget(everything=True)
    with Device(tmp_path / "profile", InsecurePlaintextKey()) as device:
        assert device.items.count == 2
        assert title not in {s.item.title for s in device.recommend(10).suggestions}


def test_a_clock_alone_erases_what_is_too_old_to_be_kept(tmp_path: Path) -> None:
    clock = [1_800_000_000.0]
    with Device(tmp_path / "profile", InsecurePlaintextKey(), clock=lambda: clock[0]) as device:
        device.items.add([Item("s1", SHARED), Item("s2", OTHER)])
        device.record("s1")
        device.settings.retention = Retention(days=30)
        clock[0] += 29 * 86_400
        device.record("s2")
        clock[0] += 2 * 86_400
        assert [event.item for event in device.history.events()] == ["s2"]
        answer = device.recommend(1, repeats=True)
        assert {r.subject for r in answer.suggestions[0].reasons if r.event} == {OTHER}


def test_nobody_in_particular_is_shown_what_only_this_person_knows(tmp_path: Path) -> None:
    with _device(tmp_path) as device:
        device.settings.no_profiling = True
        answer = device.recommend(10)
        assert not answer.personal
        assert {s.item.title for s in answer.suggestions} == {SHARED, "On The Shelf"}


@pytest.mark.parametrize("keep_seen", [True, False])
def test_rows_that_are_too_old_to_be_kept_make_items_only_where_they_count_as_had(
    tmp_path: Path, keep_seen: bool
) -> None:
    with Device(tmp_path / "profile", InsecurePlaintextKey()) as device:
        device.settings.retention = Retention(events=3, keep_seen=keep_seen)
        rows = "".join(f'"Film number {day}","1/{day}/24"\n' for day in range(1, 29))
        (tmp_path / "ViewingHistory.csv").write_text("Title,Date\n" + rows)
        report = device.import_history(tmp_path / "ViewingHistory.csv", add_missing=True)
        made = 28 if keep_seen else 3
        assert (report.matched, report.added, device.items.count) == (3, made, made)
        assert (report.seen, device.history.seen.count) == (made - 3, made)
        assert {device.items.get(event.item).title for event in device.history.events()} == {
            f"Film number {day}" for day in (26, 27, 28)
        }


def test_a_backup_made_after_the_time_to_undo_holds_nothing_of_what_was_forgotten(tmp_path: Path) -> None:
    clock = [1_800_000_000.0]
    with Device(tmp_path / "profile", InsecurePlaintextKey(), clock=lambda: clock[0]) as device:
        device.items.add([Item("s1", SHARED)])
        device.record("s1")
        device.forget(item="s1", undo_seconds=60)
        clock[0] += 61
        device.backup(tmp_path / "copy")
    with Vault.open(tmp_path / "copy", InsecurePlaintextKey()) as copy:
        assert copy.rows("SELECT number FROM event") == []


def test_the_ledger_has_no_entry_of_an_impossible_number(tmp_path: Path) -> None:
    with Device(tmp_path / "profile", InsecurePlaintextKey()) as device, pytest.raises(DataError):
        device.ledger.departure(2**80)
