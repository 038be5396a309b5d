"""A vault and an export that version 0.1 wrote: today's code opens both, and nothing in them is lost."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paths import TESTS

from confidante import Device

OLD = TESTS / "fixtures" / "vault-0.1"
PASSPHRASE = "correct horse"
MADE = 1_780_000_000.0


def clock() -> float:
    return MADE


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """What 0.1 itself answered when it wrote them."""
    found: dict[str, Any] = json.loads((OLD / "expected.json").read_text("utf-8"))
    return found


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    """The old vault, opened by today's code."""
    shutil.copytree(OLD / "profile", tmp_path / "profile")
    with Device(tmp_path / "profile", PASSPHRASE, create=False, clock=clock) as opened:
        yield opened


def history_of(device: Device) -> list[list[Any]]:
    return [[e.number, e.item, e.kind, e.at, e.value, dict(e.context)] for e in device.history.events()]


def test_what_was_remembered_said_and_stated_is_there(device: Device, expected: dict[str, Any]) -> None:
    assert history_of(device) == expected["history"]
    assert [[kind, item.id] for kind, item in device.taste.refused] == expected["wishes"]
    assert [item.id for item in device.taste.saved] == expected["saved"]
    assert dict(device.settings.attributes) == expected["attributes"]
    tastes = [(taste.label, taste.level) for taste in device.taste.list()]
    assert tastes == [(label, level) for label, _, level in expected["tastes"]]


def test_the_list_is_that_of_then_but_for_ratings_and_what_dislikes_made_older(
    device: Device, expected: dict[str, Any]
) -> None:
    found = [[one.item.id, one.score] for one in device.recommend(5).suggestions]
    assert [item for item, _ in found] == [item for item, _ in expected["recommend"]]
    scores = [score for _, score in expected["recommend"]]
    assert [score for _, score in found] == pytest.approx(scores, rel=0.05)
    said = {reason.item: reason.said for one in device.recommend(5).suggestions for reason in one.reasons}
    assert said["m7"].startswith("you rated it 2 of 5")


def test_consents_and_ledger_still_hold_together(device: Device, expected: dict[str, Any]) -> None:
    device.consents.verify()
    device.ledger.verify()
    assert [record.hash.hex() for record in device.consents.records()] == expected["consents"]
    assert [entry.hash.hex() for entry in device.ledger.departures()] == expected["ledger"]


def test_what_was_forgotten_stays_so_and_can_be_undone_in_time(
    device: Device, expected: dict[str, Any]
) -> None:
    numbers = [event.number for event in device.history.events()]
    assert 3 not in numbers
    assert 5 not in numbers
    assert device.undo(expected["undo"]) == 1
    assert 5 in [event.number for event in device.history.events()]


def test_the_export_is_read(tmp_path: Path, expected: dict[str, Any]) -> None:
    with Device(tmp_path / "new", PASSPHRASE, clock=clock) as device:
        device.import_history(OLD / "export.jsonl")
        again = [row[1:] for row in history_of(device)]
        assert again == [row[1:] for row in expected["history"]]
        assert [item.id for item in device.taste.saved] == expected["saved"]
