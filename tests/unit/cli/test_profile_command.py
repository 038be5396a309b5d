"""`confidante profile ...`: what a person does with a profile on the command line."""

import io
import json
import os
import shutil
import stat
from datetime import datetime

import pytest
from key_rings import key_ring

from confidante.cli.app import run
from confidante.device.device import Device
from confidante.device.federation.alarms import Caught, sound
from confidante.device.storage.keys import InsecurePlaintextKey, Keyring

ITEMS = """item,title,labels,description
a1,Star of the North,Space|Drama,A story of space.
a2,The Comet,Space,A story of space.
a3,The Lander,Space,A story of space.
b1,Bread,Food,A story of food.
b2,Broth and Oven,Food|Drama,A story of food.
e1,"=cmd()|<b>\x1b[31mred",Odd,
"""
HISTORY = "title,date\nStar of the North,2024-01-02\nThe Comet,2024-01-03\nUnknown Film,2024-01-04\n"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    """No passphrase in the environment, and no profile where this user's data usually is."""
    monkeypatch.delenv("CONFIDANTE_PASSPHRASE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def files(tmp_path):
    (tmp_path / "items.csv").write_text(ITEMS)
    (tmp_path / "seen.csv").write_text(HISTORY)
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A profile that knows a little, guarded by nothing."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "items.csv").write_text(ITEMS)
    (folder / "seen.csv").write_text(HISTORY)
    profile = str(folder / "profile")
    assert run(["profile", "new", "-p", profile, "--unprotected", "--items", str(folder / "items.csv")]) == 0
    assert run(["profile", "import", str(folder / "seen.csv"), "--profile", profile]) == 0
    return folder / "profile"


@pytest.fixture
def told(call, files, made):
    """Runs a command on a copy of that profile, with --json: the object it printed."""
    profile = shutil.copytree(made, files / "profile")

    def telling(*arguments, as_json=True):
        ending = ("--json",) if as_json else ()
        code, out, err = call("profile", *arguments, "--profile", profile, *ending)
        assert (code, "error" in err) == (0, False)
        return json.loads(out) if as_json else out

    telling.folder = profile
    return telling


def failing(call, *arguments):
    """The one line of an error that the caller can mend."""
    code, out, err = call(*arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("confidante: error: ")
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err
    return err


def test_a_new_profile_says_what_it_has_and_what_guards_it(call, files):
    code, out, _ = call("profile", "new", "-p", files / "p", "--unprotected", "--items", files / "items.csv")
    assert (code, out) == (0, "made a profile with 6 items, guarded by: beside\n")
    assert "there is a profile here already" in failing(
        call, "profile", "new", "-p", files / "p", "--unprotected"
    )


@pytest.mark.parametrize("way", ["file", "environment"])
def test_a_passphrase_comes_from_a_file_or_the_environment(call, files, monkeypatch, way):
    (files / "secret").write_text("correct horse\nnot this line\n")
    (files / "wrong").write_text("wrong horse\n")
    given = ("--passphrase-file", files / "secret") if way == "file" else ()
    if way == "environment":
        monkeypatch.setenv("CONFIDANTE_PASSPHRASE", "correct horse")
    out = call("profile", "new", "-p", files / "p", *given)[1]
    assert out.endswith("guarded by: passphrase\n")
    assert call("profile", "history", "--profile", files / "p", *given)[0] == 0
    wrong = failing(
        call, "profile", "history", "--profile", files / "p", "--passphrase-file", files / "wrong"
    )
    assert "passphrase" in wrong
    assert "horse" not in wrong
    monkeypatch.delenv("CONFIDANTE_PASSPHRASE", raising=False)
    assert "set CONFIDANTE_PASSPHRASE" in failing(call, "profile", "history", "--profile", files / "p")
    with Device(files / "p", "correct horse", create=False) as device:
        assert device.protection == "passphrase"


@pytest.mark.parametrize(
    "command",
    [
        ("recommend",),
        ("why", "a1"),
        ("history",),
        ("left",),
        ("dismiss", 1),
        ("switch",),
        ("forget", "--everything", "--yes"),
        ("export", "out.jsonl"),
        ("import", "seen.csv"),
        ("erase", "--yes"),
    ],
)
def test_where_no_profile_is_every_command_says_how_to_make_one(call, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    for where in ((), ("--profile", tmp_path / "nowhere")):
        said = failing(call, "profile", *command, *where)
        assert "there is no profile here: make one with `confidante profile new`" in said
    assert not list(tmp_path.iterdir())


def test_the_usual_place_is_taken_when_none_is_named(call, files):
    assert call("profile", "new", "--unprotected")[0] == 0
    assert (files / "data" / "confidante" / "vault.key").is_file()
    assert call("profile", "history")[0] == 0


def test_an_import_reports_and_a_dry_run_keeps_nothing(call, files, told):
    report = told("import", files / "seen.csv")
    assert (report["read"], report["matched"], report["duplicates"], report["unmatched"]) == (3, 0, 2, 1)
    assert report["examples"] == ["Unknown Film"]
    tried = told("import", files / "seen.csv", "--add-missing", "--dry-run")
    assert (tried["added"], len(told("history")["events"])) == (1, 2)
    assert "3 rows read" in told("import", files / "seen.csv", "--dry-run", as_json=False)
    assert "no such file" in failing(call, "profile", "import", files / "no.csv", "--profile", told.folder)


def test_an_import_of_several_people_names_the_option_that_chooses_one(call, files, told):
    rows = files / "family.csv"
    rows.write_text("title,date,profile\nNever heard of,2024-01-02,Mum\nUnknown Film,2024-01-03,Kid\n")
    code, _, said = call("profile", "import", rows, "--profile", told.folder)
    assert code == 2
    assert "'Mum', 'Kid'" in said
    assert "--person" in said
    report = told("import", rows, "--person", "Kid", "--dry-run")
    assert report["examples"] == ["Unknown Film"]
    assert [(row["reason"], row["rows"]) for row in report["skipped"]] == [("another person's", 1)]


def test_recommendations_come_with_reasons(told):
    found = told("recommend", "-n", 3)
    assert found["personal"] is True
    assert found["suggestions"][0]["id"] == "a3"
    for suggestion in found["suggestions"]:
        points = sum(reason["points"] for reason in suggestion["reasons"])
        assert points == pytest.approx(suggestion["score"])
    assert [s["id"] for s in told("recommend", "--label", "Food")["suggestions"]] in (
        ["b1", "b2"],
        ["b2", "b1"],
    )
    assert "a1" in [s["id"] for s in told("recommend", "--repeats")["suggestions"]]
    out = told("recommend", "-n", 2, as_json=False)
    assert "  1. The Lander  [a3]\n     you had " in out


def test_why_names_every_share_and_what_the_place_hangs_on(told):
    found = told("why", "a3")
    assert found["rank"] == 1
    assert {r["subject"] for r in found["reasons"] if r["kind"] == "event"} == {
        "Star of the North",
        "The Comet",
    }
    assert found["sentence"]
    out = told("why", "a3", as_json=False)
    assert out.startswith("The Lander: number 1 for you\n")
    assert " score\n" in out
    assert "You had it before." in told("why", "a1", as_json=False)


def test_the_history_is_listed_and_forgotten(call, told):
    events = told("history")["events"]
    assert [(e["item"], e["at"]) for e in events] == [
        ("a2", "2024-01-03T00:00:00Z"),
        ("a1", "2024-01-02T00:00:00Z"),
    ]
    assert [e["item"] for e in told("history", "--search", "north")["events"]] == ["a1"]
    assert "The Comet  [a2]" in told("history", "--limit", 1, as_json=False)
    assert told("forget", "--event", events[1]["event"]) == {"forgotten": 1, "seen": 1}
    assert told("forget", "--since", "2024-01-03", "--until", "2024-01-04") == {"forgotten": 1, "seen": 1}
    assert told("history") == {"events": []}
    assert told("forget", "--everything", "--yes", as_json=False) == "forgot 0 events\n"
    for wrong in ((), ("--event", 99), ("--item", "x"), ("--item", "a1", "--event", 1)):
        failing(call, "profile", "forget", *wrong, "--profile", told.folder)


@pytest.mark.parametrize("typed", ["", "n\n", "\n"])
def test_without_a_yes_nothing_is_forgotten_or_erased(call, told, monkeypatch, typed):
    for command in (("forget", "--everything", "--json"), ("erase",)):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        code, out, _ = call("profile", *command, "--profile", told.folder)
        assert (code, out.strip()) == (130, "")
    assert len(told("history")["events"]) == 2
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    out = call("profile", "forget", "--everything", "--json", "--profile", told.folder)[1]
    assert json.loads(out) == {"forgotten": 2, "seen": 2}


def test_switches_are_shown_and_turned(call, told):
    assert told("switch") == {"learn": True, **dict.fromkeys(("train", "cohort", "refine", "quality"), False)}
    assert told("switch", "train", "on")["train"] is True
    assert "train    on   sends something" in told("switch", as_json=False)
    assert told("switch", "learn", "off")["learn"] is False
    for wrong in (("train",), ("train", "maybe"), ("dance", "on")):
        failing(call, "profile", "switch", *wrong, "--profile", told.folder)
    assert "Learn here" in failing(
        call, "profile", "import", told.folder.parent / "seen.csv", "--profile", told.folder
    )


def test_what_left_is_nothing_until_something_leaves(told):
    found = told("left")
    assert (found["departures"], found["epsilon_spent"]) == ([], 0)
    assert "Nothing has ever left this device." in told("left", as_json=False)


def test_an_alarm_is_told_before_all_else_and_dismissed(call, told):
    evidence = {"hash shown now": "ab"}
    with Device(told.folder, InsecurePlaintextKey(), create=False) as device:
        sound(device._vault, "https://sums.example.org", Caught.LOG, "Another log was shown.", evidence)
    [alarm] = told("left")["alarms"]
    assert (alarm["number"], alarm["kind"], alarm["evidence"]) == (1, "log", evidence)
    shown = told("left", as_json=False)
    assert shown.index("ALARM 1") < shown.index("Nothing has ever left")
    assert told("dismiss", 1) == {"dismissed": 1}
    assert told("left")["alarms"] == []
    assert "no open alarm 1" in failing(call, "profile", "dismiss", 1, "--profile", told.folder)


def test_an_export_is_read_back_by_another_profile(call, files, told):
    out = files / "me.jsonl"
    said = told("export", out, as_json=False)
    assert said.endswith("the file is not encrypted\n")
    kinds = [json.loads(line).get("type") for line in out.read_text().splitlines()]
    assert (kinds.count("item"), kinds.count("event")) == (6, 2)
    assert call("profile", "new", "-p", files / "other", "--unprotected")[0] == 0
    code, imported, _ = call("profile", "import", out, "--profile", files / "other", "--json")
    assert (code, json.loads(imported)["matched"]) == (0, 2)
    failing(call, "profile", "export", files / "none" / "x.jsonl", "--profile", told.folder)


def test_erasing_leaves_no_profile(call, told):
    assert told("erase", "--yes", as_json=False) == "erased\n"
    failing(call, "profile", "history", "--profile", told.folder)
    assert not told.folder.exists() or not any(told.folder.iterdir())


def test_nothing_that_an_item_is_called_reaches_the_terminal_as_a_command(told):
    for command in (("recommend", "-n", 6), ("why", "e1")):
        out = told(*command, as_json=False)
        assert "\x1b" not in out
        assert "=cmd()|<b>\\x1b[31mred" in out
    shown = told("recommend", "-n", 6)["suggestions"]
    assert "=cmd()|<b>\x1b[31mred" in [suggestion["title"] for suggestion in shown]


@pytest.mark.parametrize("broken", ["model", "items"])
def test_what_cannot_be_read_makes_no_profile(call, files, broken):
    bad = files / "bad"
    bad.write_text("item,title\nx," + "y" * 20_000 + "\n")
    said = failing(call, "profile", "new", "-p", files / "p", "--unprotected", f"--{broken}", bad)
    assert "bad" in said or "model" in said or "title" in said
    assert not (files / "p").exists() or not any((files / "p").iterdir())
    assert call("profile", "new", "-p", files / "p", "--unprotected")[0] == 0


def test_a_profile_that_is_open_elsewhere_is_left_alone(call, told):
    with Device(told.folder, InsecurePlaintextKey(), create=False):
        assert "open" in failing(call, "profile", "history", "--profile", told.folder)


def test_files_that_cannot_be_read_are_named(call, files):
    missing = files / "none"
    assert str(missing) in failing(call, "profile", "new", "-p", files / "p", "--passphrase-file", missing)
    (files / "empty").write_text("\nsecond\n")
    assert "the first line is the passphrase" in failing(
        call, "profile", "new", "-p", files / "p", "--passphrase-file", files / "empty"
    )
    assert "cannot be read" in failing(
        call, "profile", "new", "-p", files / "p", "--unprotected", "--model", files / "none"
    )
    assert not (files / "p").exists()


@pytest.mark.skipif(os.name == "nt", reason="permissions are of POSIX")
def test_nobody_else_may_read_a_profile(told):
    assert not stat.S_IMODE(told.folder.stat().st_mode) & 0o077 or all(
        not stat.S_IMODE(path.stat().st_mode) & 0o077 for path in told.folder.iterdir()
    )


def test_numbers_out_of_range_are_refused(call, told):
    for wrong in (
        ("recommend", "-n", -1),
        ("recommend", "--diversity", 2),
        ("why", "nothing"),
        ("why", "a1", "-n", -1),
        ("history", "--limit", -1),
        ("left", "--limit", -1),
        ("forget", "--since", "yesterday"),
    ):
        failing(call, "profile", *wrong, "--profile", told.folder)


def test_the_demo_replaces_no_folder_that_no_demo_made(call, tmp_path):
    theirs = tmp_path / "theirs" / "profile"
    theirs.mkdir(parents=True)
    (theirs / "letter.txt").write_text("mine")
    assert "no demo created it" in failing(call, "demo", "--out", theirs.parent, "--engine", "aggregate")
    assert [path.name for path in theirs.iterdir()] == ["letter.txt"]


def test_an_item_is_named_by_id_or_title(call, told):
    at = ("--profile", told.folder)
    by_id = call("profile", "why", "a2", *at)[1]
    assert call("why", "the comet", *at)[1] == call("why", "Comet", *at)[1] == by_id
    assert "several items may be meant by 'the': " in failing(call, "why", "the", *at)
    assert "no item has the id or the title 'nothing'" in failing(call, "forget", "--item", "nothing", *at)


def test_the_short_commands_are_those_of_the_profile(call, told, monkeypatch):
    monkeypatch.setenv("CONFIDANTE_PROFILE", str(told.folder))
    for command in (("recommend", "-n", 2), ("history", "-n", 1, "--json"), ("left",), ("switch",)):
        assert call(*command) == call("profile", *command, "--profile", told.folder)


def test_what_to_forget_is_asked_in_words_of_the_command(call, told):
    said = failing(call, "forget", "--profile", told.folder)
    assert "one of --event, --item, --since with --until, or --everything" in said


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("profile", "new"), {"profile", "items", "protection"}),
        (("export", "me.jsonl"), {"lines", "file"}),
        (("profile", "erase", "--yes"), {"erased"}),
    ],
)
def test_every_command_of_a_profile_speaks_json(call, told, tmp_path, monkeypatch, command, said):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "other" if command[-1] == "new" else told.folder
    code, out, _ = call(
        *command, "--profile", folder, "--json", *(["--unprotected"] * (command[-1] == "new"))
    )
    assert code == 0
    assert set(json.loads(out)) == said


def test_a_profile_gets_a_passphrase_and_loses_it_knowingly(call, told, files, monkeypatch):
    (files / "new").write_text("correct horse\n")
    at = ("--profile", told.folder)
    given = ("--new-passphrase-file", files / "new")
    said = failing(call, "profile", "protect", *given, *at)
    assert "cannot be restored by anyone" in said
    assert "give --yes if you mean it" in said
    assert call("profile", "protect", *given, "--yes", "--json", *at)[1] == '{"protection": "passphrase"}\n'
    assert "needs its passphrase" in failing(call, "history", *at)
    monkeypatch.setenv("CONFIDANTE_PASSPHRASE", "correct horse")
    assert call("history", *at)[0] == 0
    said = failing(call, "profile", "protect", *given, "--unprotected", *at)
    assert "choose one of" in said
    assert call("profile", "protect", "--unprotected", "--yes", *at)[1] == "guarded by: beside\n"
    assert "give --new-passphrase-file" in failing(call, "profile", "protect", *at)


def test_an_older_copy_is_told_at_each_command_until_the_person_knows(call, tmp_path):
    folder = tmp_path / "profile"
    with key_ring():
        Device(folder, Keyring()).close()
        shutil.copytree(folder, tmp_path / "older")
        with Device(folder, Keyring()) as device:
            device.ledger.set_budget(1.0)
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "older", folder)
        asked = "switch", "--profile", folder
        code, _, err = call(*asked)
        assert code == 0
        assert "the limit of the budget may be" in err
        assert "`confidante profile restored`" in err
        code, out, _ = call("profile", "restored", "--profile", folder, "--json")
        found = json.loads(out)["found"]
        assert (code, found["changes"], found["readable"]) == (0, 1, True)
        assert datetime.fromisoformat(found["at"]).tzinfo is not None
        assert "the limit of the budget may be" in found["says"]
        assert call(*asked)[2] == ""
        code, out, _ = call("profile", "restored", "--profile", folder)
        assert "No older copy was found" in out
