"""A device that is killed around a note in its key ring raises no false alarm."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import anchor_killed


def kills(folder: Path, *options: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, anchor_killed.__file__, str(folder), *options],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_kill_before_or_after_any_note_is_no_older_copy(tmp_path: Path) -> None:
    told = kills(tmp_path)
    assert [one for one in told if one["found"]] == []
    assert sum(one["killed"] for one in told) >= 16


def test_a_note_before_its_transaction_would_be_found(tmp_path: Path) -> None:
    assert any(one["found"] for one in kills(tmp_path, "--broken"))
