"""With every switch that sends off, nothing is ever sent.

Proven under a ban of sockets and other processes.
"""

import subprocess
import sys
from pathlib import Path

import pytest
import silence_walk
from silence_walk import ATTEMPTS, CAUGHT, WALKS


def run(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", silence_walk.__file__, name, str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("walk", WALKS)
def test_with_all_switches_off_nothing_is_sent(tmp_path: Path, walk: str) -> None:
    done = run(walk, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_the_ban_catches_whatever_would_send(tmp_path: Path, attempt: str) -> None:
    done = run(attempt, tmp_path)
    assert done.returncode == CAUGHT, done.stderr
    assert "not silent" in done.stderr


def test_the_walk_leaves_out_nothing_that_a_device_offers(tmp_path: Path) -> None:
    from confidante.device.device import Device
    from confidante.device.storage.keys import InsecurePlaintextKey

    whole = {"consents", "ledger"}  # they are walked by `parts`, member by member
    with Device(tmp_path / "profile", InsecurePlaintextKey()) as device:
        components = {name: getattr(device, name) for name in Device.__slots__ if not name.startswith("_")}
    offered = {name for name in dir(Device) if not name.startswith("_")} - components.keys() | whole
    for name in components.keys() - whole:
        offered |= {f"{name}.{one}" for one in dir(components[name]) if not one.startswith("_")}
    assert offered == set(silence_walk.device_calls(tmp_path))
