"""A rehearsal from the command line: real processes, and what came of them in words and in JSON."""

import json
from pathlib import Path

import pytest

from confidante.cli.app import run


def test_three_made_up_devices_learn_the_simulators_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    assert run(["lab", "rehearse", "--devices", "3", "--no-noise", "--out", str(kept), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["same_as_simulated"] is True
    assert [one["task"] for one in said["sums"]] == ["popularity 1", "feature pairs 1", "item pairs 1"]
    assert {one["devices"] for one in said["sums"]} == {3}
    assert (kept / "population.db").exists()
    assert run(["lab", "rehearse", "--devices", "3", "--out", str(kept)]) == 2
    assert "name a new folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--devices", "2"], "give 3 to 500"),
        (["--items", "items.csv"], "goes with TRAIN.csv"),
        (["--no-noise", "--epsilon", "2"], "exclude each other"),
        (["nothing.csv"], "nothing.csv"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused_in_one_line(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["lab", "rehearse", *words]) == 2
    error = capsys.readouterr().err
    assert why in error
    assert error.count("\n") == 1
