"""`confidante profile welcome` and `profile attributes`: what a person says of themselves in a terminal."""

import json
import os
import pty
import select
import subprocess
import sys
import time

import pytest

from confidante.cli.app import run
from confidante.cli.profile.choosing import Choice
from confidante.device.device import Device
from confidante.device.storage.keys import InsecurePlaintextKey

KINDS = ("Space", "Food", "Music", "Crime", "Sea", "War")
WORDS = (
    *("Orbit", "Bread", "Chorus", "Heist", "Harbour", "Trench", "Star", "Broth"),
    *("Sonata", "Alibi", "Anchor", "Siege", "Comet", "Oven", "Encore"),
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A profile of fifteen films, of which nothing is known."""
    monkeypatch.delenv("CONFIDANTE_PASSPHRASE", raising=False)
    rows = [f"f{n},The {word},{KINDS[n % 6]}" for n, word in enumerate(WORDS)]
    (tmp_path / "items.csv").write_text("\n".join(["item,title,labels", *rows]) + "\n")
    profile = tmp_path / "profile"
    made = ["profile", "new", "-p", str(profile), "--unprotected", "--items", str(tmp_path / "items.csv")]
    assert run(made) == 0
    return profile


def opened(folder):
    return Device(folder, InsecurePlaintextKey(), create=False)


def test_without_a_terminal_the_titles_are_listed_and_nothing_is_asked(call, folder):
    code, out, _ = call("profile", "welcome", "-p", folder, "--slate", 6)
    assert code == 0
    lines = out.splitlines()
    assert {kind for kind in KINDS if any(f"({kind})" in line for line in lines)} == set(KINDS)
    assert "[f" in lines[0]
    assert "nothing was picked" in lines[-1]
    with opened(folder) as device:
        assert device.history.count == 0


def test_pages_show_others(call, folder):
    shown = []
    for page in (1, 2, 3):
        code, out, _ = call("profile", "welcome", "-p", folder, "--slate", 5, "--page", page, "--json")
        assert code == 0
        shown += [item["id"] for item in json.loads(out)["slate"]]
    assert sorted(shown) == sorted({f"f{n}" for n in range(15)})


def test_picks_are_noted_and_listed(call, folder):
    picked = [word for item in ("f0", "f6", "f12", "f0") for word in ("--pick", item)]
    code, out, _ = call("profile", "welcome", "-p", folder, *picked, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["picked"] == ["f0", "f6", "f12"]
    assert len(found["events"]) == 3
    code, out, _ = call("profile", "welcome", "-p", folder, "--pick", "f1")
    assert "noted on this device that you love The Bread" in out
    with opened(folder) as device:
        assert {event.item for event in device.onboarding.picks} == {"f0", "f6", "f12", "f1"}
        device.settings.pause()
    code, out, _ = call("profile", "welcome", "-p", folder, "--pick", "f2")
    assert "learning is off or paused" in out


def test_an_unknown_pick_is_an_error_and_keeps_nothing(call, folder):
    code, out, err = call("profile", "welcome", "-p", folder, "--pick", "f1", "--pick", "nothing")
    assert (code, out) == (2, "")
    assert "no item has the id or the title 'nothing'" in err
    with opened(folder) as device:
        assert device.history.count == 0


def answers(*lines):
    left = list(lines)
    return lambda _: left.pop(0)


def test_a_choice_by_numbers(folder, capsys):
    with opened(folder) as device:
        slate = device.onboarding.slate(4)
        others = device.onboarding.slate(4, after=[item.id for item in slate])
        choice = Choice(device, slate, 4, [])
        chosen = choice.ask(answers("1, 3 1", "99", "what", "o", "5", "-3", "/encore", "/zzz", "9", ""))
        assert chosen == (slate[0].id, others[0].id, "f14")
    said = capsys.readouterr().out
    assert "there is no number 99" in said
    assert "give numbers of the list" in said
    assert "no title has these words" in said
    assert f"not {slate[2].title}" in said


def test_others_end(folder, capsys):
    with opened(folder) as device:
        assert Choice(device, device.onboarding.slate(15), 15, []).ask(answers("o", "")) == ()
    assert "there are no others" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of POSIX")
def test_in_a_real_terminal_a_person_is_asked(folder):
    ours, theirs = pty.openpty()
    asked = subprocess.Popen(
        [sys.executable, "-m", "confidante.cli", "profile", "welcome", "-p", str(folder), "--slate", "5"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said, typed, end = b"", False, time.monotonic() + 60
    while time.monotonic() < end:
        if not select.select([ours], [], [], 1)[0]:
            continue
        try:
            more = os.read(ours, 4096)
        except OSError:  # the terminal was closed at the other end
            break
        said += more
        if not more:
            break
        if not typed and b"Enter: done" in said:
            os.write(ours, b"2 4\n\n")
            typed = True
    os.close(ours)
    assert asked.wait(30) == 0
    assert b"noted on this device that you love" in said
    with opened(folder) as device:
        assert len(device.onboarding.picks) == 2


def test_attributes_are_stated_shown_and_removed(call, folder):
    assert "nothing is stated" in call("profile", "attributes", "--profile", folder)[1]
    code, out, _ = call("profile", "attributes", "age=25-34", "region = north", "--profile", folder, "--json")
    assert (code, json.loads(out)) == (0, {"attributes": {"age": "25-34", "region": "north"}})
    code, out, _ = call("profile", "attributes", "--remove", "age", "--profile", folder)
    assert (code, out) == (0, "region = north\n")
    for wrong in (("age",), ("--remove", "age"), ("age=" + "x" * 200,)):
        code, out, err = call("profile", "attributes", *wrong, "--profile", folder)
        assert (code, out) == (2, "")
        assert len(err.splitlines()) == 1
