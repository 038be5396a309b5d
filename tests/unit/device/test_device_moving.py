"""What is exported comes back, once; what is hostile changes nothing; titles are data everywhere."""

import json
import threading
import zipfile

import pytest
from device_world import START, everything, films, ids, open_device, scores, watch

from confidante.core.errors import ConfidanteError, ConsentError, DataError
from confidante.core.values import Item
from confidante.device.device import Device
from confidante.device.privacy.consent import PERSON
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.values import Purpose, Retention

NASTY = (
    '=HYPERLINK("http://x")',
    "<script>alert(1)</script>",
    "+1",
    "'; DROP TABLE item; --",
    "\x1b[2J",
    "a\nb",
)
HEAD = {"confidante": "export", "version": 1, "made": START}


class Ticking:
    """A second passes at each look."""

    def __init__(self):
        self.now = START

    def __call__(self):
        self.now += 1
        return self.now


@pytest.fixture
def full(tmp_path):
    """A device of which everything that can be said was said."""
    with open_device(tmp_path / "full", clock=Ticking()) as device:
        device.items.add(Item(f"nasty{place}", title) for place, title in enumerate(NASTY))
        device.items.add([Item("twin", films()[0].title, ("Other",), "The same title, another film.")])
        device.settings.retention = Retention(700, 4000.0)
        watch(device, ["m1", "m0", "m0", "twin", "nasty0", "nasty4"])
        for kind in ("view", "rated", "view"):  # at the same moment
            device.record("m5", kind, at=START - 50, value=2.5, context={"place": "home"})
        for item in ("m9", "nasty1", "m3"):
            device.taste.save(item)
        device.taste.less("m30")
        device.taste.never("m31")
        device.taste.edit("Food", level=-2)
        device.taste.edit("Sea", removed=True)
        device.items.remove(["m12"])
        device.settings.attributes = {"age": "25-34", NASTY[0][:60]: NASTY[1][:100]}
        device.consents.switch(Purpose.TRAIN, True, how=PERSON)
        yield device


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def told(path):
    """An export without its heading and what belongs to its vault."""
    return [row for row in lines(path)[1:] if row["type"] not in ("consent", "departure")]


def tell(path, *records, head=HEAD):
    path.write_text("\n".join(json.dumps(row) for row in (head, *records)) + "\n")
    return path


def fingerprint(device, tmp_path):
    """Everything that could have changed."""
    device.export(tmp_path / "now.jsonl")
    return (
        lines(tmp_path / "now.jsonl")[1:],
        everything(device),
        device.taste.list(),
        device.taste.saved,
        device.items.count,
        device.settings.retention,
        device.settings.no_profiling,
        device.settings.attributes,
    )


def test_a_fresh_device_gives_back_the_export_that_it_was_given(full, tmp_path):
    count = full.export(tmp_path / "first.jsonl")
    assert len(lines(tmp_path / "first.jsonl")) == count + 1
    with Device(tmp_path / "fresh", InsecurePlaintextKey(), clock=Ticking()) as fresh:
        report = fresh.import_history(tmp_path / "first.jsonl")
        assert (report.read, report.matched, report.duplicates) == (9, 9, 0)
        assert report.added == 67
        fresh.export(tmp_path / "second.jsonl")
        assert told(tmp_path / "second.jsonl") == told(tmp_path / "first.jsonl")
        assert fresh.settings.retention == Retention(700, 4000.0)
        assert fresh.taste.saved == full.taste.saved
        assert fresh.settings.attributes == full.settings.attributes != {}
        assert fresh.taste.refused == full.taste.refused
        fresh.consents.verify()
        assert not fresh.consents.allowed(Purpose.TRAIN)
        again = fresh.import_history(tmp_path / "first.jsonl")
        assert (again.matched, again.added, again.duplicates) == (0, 0, 9)
        fresh.export(tmp_path / "third.jsonl")
        assert told(tmp_path / "third.jsonl") == told(tmp_path / "first.jsonl")


def test_with_the_same_model_an_export_answers_the_same(full, tmp_path):
    full.export(tmp_path / "out.jsonl")
    with open_device(tmp_path / "other") as other:
        other.import_history(tmp_path / "out.jsonl")
        assert scores(everything(other)).keys() == scores(everything(full)).keys()
        assert "m12" not in ids(everything(other))


def test_more_events_than_the_usual_come_back_when_the_export_says_so(tmp_path):
    events = [{"type": "event", "item": "a", "kind": "view", "at": START + second} for second in range(600)]
    item = {"type": "item", "id": "a", "title": "A"}
    keep = {"type": "setting", "name": "retention", "value": {"events": 550, "days": None}}
    with Device(tmp_path / "p", InsecurePlaintextKey()) as device:
        report = device.import_history(tell(tmp_path / "out.jsonl", item, *events, keep))
        assert device.history.count == report.matched == 550
        assert [(one.rows, one.line) for one in report.skipped] == [(50, 3)]
        assert device.history.events(limit=1)[0].at == START + 599


def test_a_dry_run_says_the_same_and_changes_nothing(full, tmp_path):
    full.export(tmp_path / "out.jsonl")
    (tmp_path / "rows.csv").write_text("title,date\nThe Orbit,2024-01-02\nNever heard of,2024-01-03\n")
    with open_device(tmp_path / "other") as other:
        before = fingerprint(other, tmp_path)
        for name, kept in (("out.jsonl", 9), ("rows.csv", 2)):
            tried = other.import_history(tmp_path / name, dry_run=True, add_missing=True)
            assert tried.matched == kept
            assert fingerprint(other, tmp_path) == before
        other.consents.switch(Purpose.LEARN, False, how=PERSON)
        other.import_history(tmp_path / "out.jsonl", dry_run=True)
        other.consents.switch(Purpose.LEARN, True, how=PERSON)
        assert other.import_history(tmp_path / "out.jsonl").matched == 9
        assert fingerprint(other, tmp_path) != before


def test_one_persons_rows_are_taken_of_a_file_of_several(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("title,date,user\nThe Orbit (1960),2024-01-02,Mum\nThe Orbit (1960),2024-01-03,Kid\n")
    with open_device(tmp_path / "p") as device:
        with pytest.raises(DataError, match="several people"):
            device.import_history(path)
        assert device.import_history(path, person="Kid").matched == 1
        assert [event.at for event in device.history.events()] == [1704240000.0]


def test_other_peoples_formats_are_matched_by_title_and_taken_once(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("title,date\nThe Orbit (1960),2024-01-02\nNever heard of,2024-01-03\n")
    with open_device(tmp_path / "p") as device:
        report = device.import_history(path)
        assert (report.matched, report.unmatched, report.examples) == (1, 1, ("Never heard of",))
        assert [event.item for event in device.history.events()] == ["m0"]
        assert device.import_history(path).duplicates == 1
        assert device.import_history(path, add_missing=True).added == 1
        assert device.history.count == 2
        assert "Never heard of" in {device.items.get(e.item).title for e in device.history.events()}
        device.recommend(5)


ITEM = {"type": "item", "id": "new", "title": "New", "labels": ["Space"]}
EVENT = {"type": "event", "item": "new", "kind": "view", "at": START}
HOSTILE = {
    "kind": [{**EVENT, "kind": "x" * 1000}],
    "no time": [{**EVENT, "at": 1e300}],
    "before time": [{**EVENT, "at": -1}],
    "context": [{**EVENT, "context": {str(i): "x" for i in range(99)}}],
    "control": [{**ITEM, "id": "a\x00b"}],
    "long title": [{**ITEM, "id": "long", "title": "x" * 10_000_001}],
    "labels": [{**ITEM, "labels": [str(i) for i in range(1000)]}],
    "wish kind": [{"type": "wish", "kind": "love", "subject": "m0", "level": 1, "at": START}],
    "wish level": [{"type": "wish", "kind": "taste", "subject": "Space", "level": 99, "at": START}],
    "wish subject": [{"type": "wish", "kind": "saved", "subject": "nobody", "level": 1, "at": START}],
    "wish time": [{"type": "wish", "kind": "saved", "subject": "m0", "level": 1, "at": -1e300}],
    "retention null": [{"type": "setting", "name": "retention", "value": {"events": None}}],
    "retention type": [{"type": "setting", "name": "retention", "value": {"events": "5"}}],
    "retention half": [{"type": "setting", "name": "retention", "value": {"events": 2.5}}],
    "retention none": [{"type": "setting", "name": "retention", "value": {"events": 0}}],
    "retention list": [{"type": "setting", "name": "retention", "value": []}],
    "stated list": [{"type": "setting", "name": "attributes", "value": ["age"]}],
    "stated number": [{"type": "setting", "name": "attributes", "value": {"age": 30}}],
    "stated long": [{"type": "setting", "name": "attributes", "value": {"age": "x" * 1000}}],
    "stated many": [{"type": "setting", "name": "attributes", "value": {str(i): "x" for i in range(99)}}],
    "type": [{"type": "spell"}],
    "strange": [{**ITEM, "evil": 1}],
}


@pytest.mark.parametrize("problem", HOSTILE)
def test_a_hostile_export_is_refused_and_leaves_the_device_as_it_was(tmp_path, problem):
    fair = {"type": "wish", "kind": "less", "subject": "m0", "level": 1, "at": START}
    gone = {**ITEM, "id": "m1", "removed": True}
    path = tell(tmp_path / "hostile.jsonl", ITEM, fair, gone, EVENT, *HOSTILE[problem])
    with open_device(tmp_path / "p") as device:
        watch(device, ["m1", "m0", "m5"])
        device.taste.save("m9")
        before = fingerprint(device, tmp_path)
        with pytest.raises(DataError):
            device.import_history(path)
        assert fingerprint(device, tmp_path) == before
        device.items.add([Item("other", "Another Comet", ("Space",))])  # takes the keys that were given back
        assert "New" not in {s.item.title for s in everything(device).suggestions}
    with open_device(tmp_path / "p", fresh=False) as again:
        assert [item.id for item in again.taste.saved] == ["m9"]
        assert again.recommend(3).personal


@pytest.mark.parametrize("name", ["bomb.zip", "deep.json", "bytes.csv", "half.jsonl", "none.csv", "folder"])
def test_other_hostile_files_are_refused_and_leave_the_device_as_it_was(tmp_path, name):
    path = tmp_path / name
    match name:
        case "bomb.zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
                packed.writestr("watch-history.json", b"[" + b" " * 40_000_000)
        case "deep.json":
            path.write_text("[" * 1_000_000)
        case "bytes.csv":
            path.write_bytes(bytes(range(256)) * 50)
        case "half.jsonl":
            path.write_text(json.dumps(HEAD) + "\n" + json.dumps(ITEM)[:20])
        case "folder":
            path.mkdir()
    with open_device(tmp_path / "p") as device:
        watch(device, ["m1", "m0"])
        before = fingerprint(device, tmp_path)
        with pytest.raises(ConfidanteError):
            device.import_history(path)
        assert fingerprint(device, tmp_path) == before


def test_formulas_and_markup_in_titles_are_only_text(full, tmp_path):
    for place, title in enumerate(NASTY):
        assert full.items.get(f"nasty{place}").title == title
    assert [item.id for item in full.items.find("<script>")] == ["nasty1"]
    assert [event.item for event in full.history.events(search="=HYPER")] == ["nasty0"]
    titles = {suggestion.item.title for suggestion in everything(full).suggestions}
    assert set(NASTY) - titles == {NASTY[0], NASTY[4]}  # those that were watched
    full.export(tmp_path / "out.jsonl")
    assert {row["title"] for row in lines(tmp_path / "out.jsonl") if row.get("type") == "item"} >= set(NASTY)


def test_an_export_that_cannot_be_written_says_so(full, tmp_path):
    with pytest.raises(DataError):
        full.export(tmp_path / "nowhere" / "out.jsonl")
    assert not (tmp_path / "nowhere").exists()


def test_what_is_forgotten_is_in_no_export(full, tmp_path):
    full.forget(item="nasty0", undo_seconds=60)
    full.forget(item="m5")
    full.export(tmp_path / "out.jsonl")
    assert {row["item"] for row in told(tmp_path / "out.jsonl") if row["type"] == "event"} == {
        "m0", "m1", "twin", "nasty4",
    }  # fmt: skip


def test_nothing_is_imported_with_learning_switched_off(full, tmp_path):
    full.export(tmp_path / "out.jsonl")
    with open_device(tmp_path / "other") as other:
        other.consents.switch(Purpose.LEARN, False, how=PERSON)
        before = fingerprint(other, tmp_path)
        with pytest.raises(ConsentError, match="Learn here"):
            other.import_history(tmp_path / "out.jsonl")
        assert fingerprint(other, tmp_path) == before


def test_a_backup_opens_with_the_same_key_and_answers_the_same(full, tmp_path):
    full.backup(tmp_path / "backup")
    with Device(tmp_path / "backup", InsecurePlaintextKey(), create=False, clock=Ticking()) as backup:
        assert scores(everything(backup)) == scores(everything(full))
        assert backup.history.count == full.history.count


def test_lists_are_made_while_a_long_file_is_read(tmp_path):
    rows = "".join(f"t{place},Title {place},view,{START - place}\n" for place in range(3000))
    (tmp_path / "long.csv").write_text("item,title,kind,time\n" + rows)
    answered = []
    with open_device(tmp_path / "profile") as device:

        def meanwhile(_what, part):
            if 0 < part < 1 and not answered:
                other = threading.Thread(target=lambda: answered.append(device.recommend(3)))
                other.start()
                other.join(60)
                assert answered, "the import holds the device"

        device.import_history(tmp_path / "long.csv", add_missing=True, progress=meanwhile)
    assert answered
