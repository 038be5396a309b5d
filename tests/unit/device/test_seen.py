"""What was had stays out of suggestions whatever is still remembered, until the person forgets it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from device_world import Clock

from confidante import Device, InsecurePlaintextKey, Item, Retention
from confidante.core.errors import DataError, VaultError
from confidante.device.privacy.consent import PERSON
from confidante.device.storage import history, marks
from confidante.device.storage.schema import MIGRATIONS
from confidante.device.storage.vault import Vault
from confidante.device.values import Purpose

DAY = 86_400.0
FILMS = [Item(f"m{k}", f"Film number {k}", ("Odd" if k % 2 else "Even",)) for k in range(40)]


def opened(folder: Path, clock: Callable[[], float] | None = None) -> Device:
    device = Device(folder, InsecurePlaintextKey(), clock=clock or Clock())
    if device.items.count == 0:
        device.items.add(FILMS)
    return device


@pytest.fixture
def device(tmp_path: Path):
    with opened(tmp_path / "me") as one:
        yield one


def suggested(device: Device, **how: object) -> set[str]:
    return {one.item.id for one in device.recommend(1000, **how).suggestions}  # type: ignore[arg-type]


def had(device: Device) -> set[str]:
    return {one.item.id for one in device.history.seen.list(1000)}


def only_seen(device: Device, *ids: str) -> None:
    """Have items known as had, with no event of them left."""
    for number, item in enumerate(ids):
        device.record(item, at=1e9 + number)
    device.record("m39", at=1.1e9)
    device.settings.retention = Retention(events=1)
    assert [event.item for event in device.history.events()] == ["m39"]


def test_what_was_had_stays_out_when_it_is_not_remembered_any_more(device: Device) -> None:
    only_seen(device, "m1", "m2")
    assert not suggested(device) & {"m1", "m2", "m39"}
    assert suggested(device, repeats=True) >= {"m1", "m2", "m39"}
    assert device.explain("m1").note == "You had it before."
    assert had(device) == {"m1", "m2", "m39"}
    assert device.history.seen.count == 3


def test_only_kinds_that_mean_so_count_as_had(device: Device) -> None:
    for place, kind in enumerate(("view", "Dis-Like", "seen", "SKIP", "rating")):
        device.record(f"m{place}", kind)
    for place, kind in enumerate(("wishlist", "impression", "queued", "paused"), 10):
        device.record(f"m{place}", kind)
    assert had(device) == {"m0", "m1", "m2", "m3", "m4"}
    assert suggested(device) >= {"m10", "m11", "m12", "m13"}


def test_an_item_had_twice_is_one_with_the_later_time(device: Device) -> None:
    for at in (1e9, 3e9, 2e9):
        device.record("m1", at=at)
    assert [(one.item.id, one.at) for one in device.history.seen.list()] == [("m1", 3e9)]
    assert device.history.seen.count == 1


@pytest.mark.parametrize("undo_seconds", [0.0, 60.0])
@pytest.mark.parametrize("what", ["event", "item", "range", "everything"])
def test_forgetting_takes_it_away_and_undo_brings_it_back(
    tmp_path: Path, what: str, undo_seconds: float
) -> None:
    clock = Clock()
    with opened(tmp_path / "me", clock) as device:
        number = device.record("m1", at=1e9).number  # type: ignore[union-attr]
        device.record("m2", at=2e9)
        chosen = {
            "event": {"event": number},
            "item": {"item": "m1"},
            "range": {"since": 0.5e9, "until": 1.5e9},
            "everything": {"everything": True},
        }[what]
        forgotten = device.forget(**chosen, undo_seconds=undo_seconds)  # type: ignore[arg-type]
        assert forgotten.seen == (2 if what == "everything" else 1)
        assert "m1" not in had(device)
        assert "m1" in suggested(device)
        if not undo_seconds:
            assert device._vault.rows("SELECT count(*) FROM seen_forgotten") == [(0,)]
            return
        device.undo(forgotten.undo or "")
        assert had(device) == {"m1", "m2"}
        assert "m1" not in suggested(device)
        device.forget(**chosen, undo_seconds=undo_seconds)  # type: ignore[arg-type]
        clock.now += 61
        assert "m1" not in had(device)
        assert device._vault.rows("SELECT count(*) FROM seen_forgotten") == [(0,)]


@pytest.mark.parametrize("undo_seconds", [0.0, 60.0])
def test_items_and_days_are_forgotten_too_where_no_event_is_left(tmp_path: Path, undo_seconds: float) -> None:
    with opened(tmp_path / "me") as device:
        only_seen(device, "m1", "m2", "m3")
        first = device.forget(item="m1", undo_seconds=undo_seconds)
        second = device.forget(since=1e9, until=1e9 + 2, undo_seconds=undo_seconds)
        assert [(one.events, one.seen) for one in (first, second)] == [(0, 1), (0, 1)]
        assert had(device) == {"m3", "m39"}
        if undo_seconds:
            assert device.undo(first.undo or "") == 0
            device.undo(second.undo or "")
            assert had(device) == {"m1", "m2", "m3", "m39"}


def test_it_stays_while_another_event_means_so_and_tells_nothing_of_the_forgotten_one(device: Device) -> None:
    first, second = (device.record("m1", at=at).number for at in (1e9, 2e9))  # type: ignore[union-attr]
    wish = device.record("m1", "wishlist", at=3e9).number  # type: ignore[union-attr]
    forgotten = device.forget(event=second, undo_seconds=60)
    assert forgotten.seen == 0
    assert [one.at for one in device.history.seen.list()] == [1e9]
    device.undo(forgotten.undo or "")
    assert [one.at for one in device.history.seen.list()] == [2e9]
    device.forget(event=wish)
    assert had(device) == {"m1"}
    device.forget(events=[first, second])
    assert had(device) == set()


def test_of_two_forgettings_of_one_item_each_can_be_undone_alone(device: Device) -> None:
    numbers = [device.record("m1", at=at).number for at in (1e9, 2e9)]  # type: ignore[union-attr]
    one, two = (device.forget(event=number, undo_seconds=60).undo or "" for number in numbers)
    assert had(device) == set()
    device.undo(one)
    assert [one.at for one in device.history.seen.list()] == [1e9]
    device.forget(event=numbers[0])
    device.undo(two)
    assert [one.at for one in device.history.seen.list()] == [2e9]


def test_what_is_had_again_while_it_is_forgotten_is_had(device: Device) -> None:
    device.record("m1", at=1e9)
    forgotten = device.forget(item="m1", undo_seconds=60)
    device.record("m1", at=2e9)
    device.history.purge()
    assert [one.at for one in device.history.seen.list()] == [2e9]
    with pytest.raises(DataError):
        device.undo(forgotten.undo or "")


def test_marking_keeps_out_and_unmarking_lets_in_and_neither_is_an_event(device: Device) -> None:
    before = device.recommend(3).suggestions
    assert device.history.seen.mark(["m5", "m6"], at=1e9) == 2
    assert device.history.seen.mark(["m6", "m7"]) == 1
    assert device.history.count == 0
    assert not suggested(device) & {"m5", "m6", "m7"}
    forgotten = device.history.seen.unmark(["m5", "m6", "m8"], undo_seconds=60)
    assert (forgotten.events, forgotten.seen) == (0, 2)
    assert had(device) == {"m7"}
    device.undo(forgotten.undo or "")
    assert had(device) == {"m5", "m6", "m7"}
    device.history.seen.unmark(["m5", "m6", "m7"])
    assert device.history.seen.unmark(["m5"], undo_seconds=60).undo is None
    assert device.recommend(3).suggestions == before
    assert device._vault.rows("SELECT count(*) FROM forgetting") == [(0,)]


def test_unmarking_leaves_what_is_remembered_and_it_counts_as_before(device: Device) -> None:
    for item in ("m1", "m3"):
        device.record(item)
    device.history.seen.unmark(["m1"])
    assert [event.item for event in device.history.events()] == ["m3", "m1"]
    answer = device.recommend(40)
    (again,) = [one for one in answer.suggestions if one.item.id == "m1"]
    assert {reason.item for reason in again.reasons} >= {"m3"}


def test_nothing_is_marked_while_learning_is_paused_or_off(device: Device) -> None:
    device.settings.pause()
    assert device.history.seen.mark(["m1"]) == 0
    device.settings.resume()
    device.consents.switch(Purpose.LEARN, False, how=PERSON)
    assert device.history.seen.mark(["m1"]) == 0
    assert device.history.seen.count == 0


def test_it_is_listed_newest_first_page_by_page_and_searched(device: Device) -> None:
    for place in range(10):
        device.record(f"m{place}", at=1e9 + place)
    seen = device.history.seen
    assert [one.item.id for one in seen.list(3)] == ["m9", "m8", "m7"]
    assert [one.item.id for one in seen.list(2, after="m7")] == ["m6", "m5"]
    assert [one.item.id for one in seen.list(search="NUMBER 4")] == ["m4"]
    assert seen.list(0) == ()
    assert seen.among(["m3", "m30", "unknown"]) == {"m3"}
    for wrong in ({"limit": -1}, {"after": "m30"}, {"after": "unknown"}):
        with pytest.raises(DataError):
            seen.list(**wrong)  # type: ignore[arg-type]
    with pytest.raises(DataError):
        seen.mark(["unknown"])
    with pytest.raises(DataError):
        seen.mark(["m1"], at=-1.0)


def test_it_goes_with_retention_only_where_the_person_wants_it(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path / "me", clock) as device:
        for place in range(5):
            device.record(f"m{place}", at=clock.now - (9 - place) * DAY)
        device.settings.retention = Retention(events=3)
        assert had(device) == {"m0", "m1", "m2", "m3", "m4"}
        device.settings.retention = Retention(events=3, keep_seen=False)
        assert had(device) == {"m2", "m3", "m4"}
        assert suggested(device) >= {"m0", "m1"}
        device.record("m5", at=clock.now)
        assert had(device) == {"m3", "m4", "m5"}
        device.settings.retention = Retention(days=7, keep_seen=False)
        device.history.seen.mark(["m8"], at=clock.now)
        clock.now += 3 * DAY
        assert had(device) == {"m5", "m8"}
        clock.now += 6 * DAY
        assert had(device) == set()
    with opened(tmp_path / "me", clock) as again:
        assert again.settings.retention == Retention(days=7, keep_seen=False)
    with pytest.raises(DataError), opened(tmp_path / "me", clock) as again:
        again.settings.retention = Retention(keep_seen=1)  # type: ignore[arg-type]


def test_a_profile_without_profiling_shows_what_was_had_to_nobody_in_particular(device: Device) -> None:
    everyone = suggested(device)
    device.record("m1")
    device.settings.no_profiling = True
    assert suggested(device) == everyone


def test_who_has_had_something_is_not_asked_to_begin(device: Device) -> None:
    assert device.onboarding.due
    device.history.seen.mark(["m1"])
    assert not device.onboarding.due


def test_what_if_leaves_out_what_was_had_without_the_events_too(device: Device) -> None:
    only_seen(device, "m1")
    (event,) = device.history.events()
    found = device.recommender.what_if(without=[event.number], n=100).suggestions
    assert not {one.item.id for one in found} & {"m1", "m39"}


@pytest.mark.parametrize("forget_seconds", [0.0, 60.0])
def test_a_vault_of_before_has_all_its_events_marked(tmp_path: Path, forget_seconds: float) -> None:
    old = MIGRATIONS[:2]
    key = InsecurePlaintextKey()
    with Vault.open(tmp_path / "me", key, create=True, migrations=old) as vault, vault.write() as sql:
        for film in FILMS:
            sql(
                "INSERT INTO item (id, title, labels, description) VALUES (?, ?, '[]', '')",
                (film.id, film.title),
            )
        sql("INSERT INTO forgetting (token, until) VALUES ('t', 4e9)")
        for item, at, forgotten in ((1, 1e9, None), (1, 2e9, None), (2, 3e9, 1), (3, 1e9, None)):
            sql(
                "INSERT INTO event (item, kind, at, context, forgotten) VALUES (?, 'view', ?, '{}', ?)",
                (item, at, forgotten),
            )
    with Vault.open(tmp_path / "me", InsecurePlaintextKey(), clock=Clock()) as vault:
        assert marks.listed(vault, 10) == [(1, 2e9), (3, 1e9)]
        history.undo(vault, "t")
        assert marks.listed(vault, 10) == [(2, 3e9), (1, 2e9), (3, 1e9)]
        history.forget(vault, [1, 2], undo_seconds=forget_seconds)
        assert marks.keys(vault).tolist() == [2, 3]


@pytest.mark.parametrize("how", ["unmark", "forget", "purge", "expire"])
def test_the_key_to_what_was_had_is_destroyed_with_it(tmp_path: Path, how: str) -> None:
    with opened(tmp_path / "me") as device:
        only_seen(device, "m1")
        device._vault.settle()
        (before,) = (tmp_path / "me").glob("*.db")
        old, generation = before.read_bytes(), device._vault.generation
        match how:
            case "unmark":
                device.history.seen.unmark(["m1"])
            case "forget":
                device.forget(item="m1")
            case "purge":
                device.forget(item="m1", undo_seconds=60)
                device.history.purge()
            case _:
                device.settings.retention = Retention(events=1, keep_seen=False)
        assert had(device) == {"m39"}
        assert device._vault.generation == generation + 1
    (after,) = (tmp_path / "me").glob("*.db")
    after.write_bytes(old)
    with pytest.raises(VaultError, match="damaged"):
        opened(tmp_path / "me")


def watched(folder: Path, rows: int, of: int, *, start: int = 1_500_000_000) -> Path:
    """A list of `rows` things watched of `of` titles, a minute apart, the oldest first."""
    path = folder / "watched.csv"
    lines = (f"s{k % of},Watched title {k % of},{start + 60 * k}" for k in range(rows))
    path.write_text("item,title,time\n" + "\n".join(lines) + "\n")
    return path


def test_none_of_a_watched_list_of_1200_is_suggested_of_1500(tmp_path: Path) -> None:
    with Device(tmp_path / "me", InsecurePlaintextKey()) as device:
        device.items.add(Item(f"s{k}", f"Watched title {k}", (f"genre {k % 20}",)) for k in range(1500))
        report = device.import_history(watched(tmp_path, 1200, 1200))
        assert (report.matched, report.seen, device.history.count) == (500, 700, 500)
        assert "700 items with no event that is kept still count as had, and are not suggested" in (
            report.lines()
        )
        assert device.history.seen.count == 1200
        first = [one.item.id for one in device.recommend(100).suggestions]
        assert len(first) == 100
        assert not set(first) & {f"s{k}" for k in range(1200)}
        assert len(suggested(device, repeats=True)) == 1000
        again = device.import_history(tmp_path / "watched.csv")
        assert (again.matched, again.duplicates, again.seen, device.history.count) == (0, 500, 700, 500)
        assert device.history.seen.count == 1200


def test_a_file_of_100_000_rows_loses_nothing_that_was_had(tmp_path: Path) -> None:
    rows, titles = 100_000, 3000
    with Device(tmp_path / "me", InsecurePlaintextKey()) as device:
        path = watched(tmp_path, rows, titles)
        looked = device.import_history(path, dry_run=True, add_missing=True)
        assert device.history.seen.count == 0
        report = device.import_history(path, add_missing=True)
        assert report == looked
        assert (report.read, report.matched, report.seen) == (rows, 500, titles - 500)
        assert device.history.seen.count == titles
        assert device.recommend(10).suggestions == ()


def test_days_of_retention_count_in_the_report_and_what_is_older_was_had_all_the_same(tmp_path: Path) -> None:
    clock = Clock(1_500_000_000 + 60 * 100)
    with Device(tmp_path / "me", InsecurePlaintextKey(), clock=clock) as device:
        device.settings.retention = Retention(events=80, days=50 / 1440)
        report = device.import_history(watched(tmp_path, 100, 100))
        assert (report.matched, report.seen, device.history.count) == (50, 50, 50)
        assert [(row.rows, row.line) for row in report.skipped] == [(50, 2)]
        assert device.history.seen.count == 100


def test_an_import_that_fails_marks_nothing(tmp_path: Path, device: Device) -> None:
    path = tmp_path / "broken.jsonl"
    device.export(path)
    with path.open("a") as file:
        file.write('{"type":"seen","item":"m1","at":1e9}\n{"type":"seen","item":"m2","at":-1}\n')
    with pytest.raises(DataError, match="line"):
        device.import_history(path)
    assert device.history.seen.count == 0


def test_an_export_carries_it_and_brings_it_back_as_it_was(tmp_path: Path, device: Device) -> None:
    only_seen(device, "m1", "m2")
    device.record("m3", "wishlist")
    device.history.seen.mark(["m4"], at=1.25e9 + 1 / 3)
    device.history.seen.unmark(["m39", "m2"])
    path = tmp_path / "me.jsonl"
    device.export(path)
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [record["item"] for record in records if record.get("type") == "seen"] == ["m1", "m4"]
    with Device(tmp_path / "new", InsecurePlaintextKey(), clock=Clock()) as new:
        report = new.import_history(path)
        assert new.history.seen.list() == device.history.seen.list()
        assert new.history.count == device.history.count
        assert report.seen == 2
        assert new.settings.retention == device.settings.retention
        new.import_history(path)
        assert new.history.seen.count == 2


def test_an_export_of_before_marks_what_its_events_mean_was_had(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    records = [
        {"confidante": "export", "version": 1, "made": 1e9},
        {"type": "setting", "name": "retention", "value": {"events": 1, "days": None}},
        *({"type": "item", "id": f"m{k}", "title": f"Film {k}"} for k in range(4)),
        {"type": "event", "item": "m0", "kind": "view", "at": 1e9},
        {"type": "event", "item": "m1", "kind": "view", "at": 1.1e9},
        {"type": "event", "item": "m2", "kind": "wishlist", "at": 1.2e9},
    ]
    path.write_text("\n".join(map(json.dumps, records)) + "\n")
    with Device(tmp_path / "new", InsecurePlaintextKey(), clock=Clock()) as device:
        device.import_history(path)
        assert [(one.item.id, one.at) for one in device.history.seen.list()] == [("m1", 1.1e9), ("m0", 1e9)]
        assert device.settings.retention == Retention(events=1)
