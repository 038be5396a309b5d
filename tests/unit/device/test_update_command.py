"""`confidante profile update`: a coordinator's newest model, and what is said when there is none."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from device_world import KNOWN, snapshot
from publog_world import POPULATION, Door, Log, door, log

from confidante.cli.app import run
from confidante.device.device import Device
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.values import Purpose

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    with Device(tmp_path / "mine", InsecurePlaintextKey()) as device:
        device.consents.switch(Purpose.QUALITY, True, how="person")
    return tmp_path / "mine"


@pytest.fixture
def place() -> Iterator[Door]:
    with door() as made:
        yield made


@pytest.fixture
def shown(tmp_path: Path, place: Door) -> Iterator[Log]:
    with log(tmp_path / "coordinator") as made:
        place.app, made.now = made.app, time.time()
        yield made


def update(capsys: Capture, *words: object) -> tuple[int, str]:
    """Return the code, and all that was said."""
    capsys.readouterr()
    code = run(["profile", "update", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out + said.err


def test_the_newest_model_is_installed_with_any_switch_that_sends(
    profile: Path, place: Door, shown: Log, capsys: Capture
) -> None:
    shown.add("round", catalogue=bytes(32))
    code, said = update(capsys, "-p", profile, place.url, POPULATION)
    assert (code, said) == (
        0,
        "No model of films is published yet: it comes when its first training is over.\n",
    )
    shown.publish(snapshot())
    code, said = update(capsys, "-p", profile, place.url, POPULATION)
    assert (code, said) == (
        0,
        f"Installed the newest model of films; {KNOWN} items can be recommended now.\n",
    )
    code, said = update(capsys, "-p", profile, place.url, POPULATION)
    assert (code, said) == (0, "There is no newer model than the one that is installed.\n")
    code, said = update(capsys, "-p", profile, place.url, POPULATION, "--json")
    assert json.loads(said) == {"installed": False, "has_model": True, "items": KNOWN}


def test_the_usual_profile_is_meant_when_none_is_named(
    tmp_path: Path, place: Door, shown: Log, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with Device(tmp_path / "confidante", InsecurePlaintextKey()) as device:
        device.consents.switch(Purpose.TRAIN, True, how="person")
    shown.publish(snapshot())
    code, said = update(capsys, place.url, POPULATION, "--json")
    assert code == 0
    assert json.loads(said)["installed"] is True


def test_what_cannot_be_had_is_told_with_what_to_do(
    profile: Path, place: Door, shown: Log, capsys: Capture
) -> None:
    shown.publish(snapshot())
    with socket.create_server(("127.0.0.1", 0)) as other:
        nobody = f"http://127.0.0.1:{other.getsockname()[1]}"
    for words, told in (
        (
            ("-p", profile, place.url, "film"),
            "does not name a population 'film' (it names films): check the name",
        ),
        (("-p", profile, nobody, POPULATION, "--patience", 1), f"{nobody} could not be reached"),
        (("-p", profile, nobody, POPULATION, "--patience", 1), "check the address and the network"),
        (
            ("-p", profile, "127.0.0.1:8470", POPULATION),
            "'127.0.0.1:8470' is not a complete address: give one like https://",
        ),
        (("-p", profile, "localhost:8470", POPULATION), "'localhost:8470' is not a complete address"),
        (("-p", profile, "sums.example.org", POPULATION), "or http://127.0.0.1:8470 for this device"),
        (
            ("-p", profile, "http://sums.example.org", POPULATION),
            "other machines are contacted by https only",
        ),
        ((place.url,), "Missing argument 'population'"),
        ((profile, place.url, POPULATION), "a profile is named by --profile FOLDER"),
    ):
        code, said = update(capsys, *words)
        assert code == 2, said
        assert told in " ".join(said.replace("\u2502", "").split()), said


def test_without_a_switch_nothing_is_asked(tmp_path: Path, place: Door, shown: Log, capsys: Capture) -> None:
    Device(tmp_path / "off", InsecurePlaintextKey()).close()
    code, said = update(capsys, "-p", tmp_path / "off", place.url, POPULATION)
    assert code == 2
    assert "switch it on first" in said
    assert place.asked == []
