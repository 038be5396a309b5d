"""Bodies are kept whole under the hash of what they hold."""

import hashlib
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from confidante.coordinator.store.bodies import Bodies
from confidante.core.errors import StoreError

_ENDLESS = """
import sys
from confidante.coordinator.store.bodies import Bodies
bodies = Bodies(sys.argv[1])
for number in range(1_000_000):
    print(bodies.put(number.to_bytes(4, "big") * 20_000), flush=True)
"""


@pytest.fixture(params=["file", "memory"])
def bodies(request: pytest.FixtureRequest, tmp_path: Path) -> Bodies:
    return Bodies(f"file://{tmp_path}/bodies" if request.param == "file" else f"memory://{tmp_path}")


@pytest.mark.parametrize("data", [b"", b"hello", bytes(1_000_000)])
def test_what_is_put_can_be_got(bodies: Bodies, data: bytes) -> None:
    ref = bodies.put(data)
    assert ref == hashlib.sha256(data).hexdigest()
    assert bodies.put(data) == ref
    assert bodies.get(ref) == data


def test_what_is_deleted_is_gone_and_may_be_deleted_again(bodies: Bodies) -> None:
    ref = bodies.put(b"hello")
    bodies.delete(ref)
    bodies.delete(ref)
    with pytest.raises(StoreError, match="there is no body"):
        bodies.get(ref)


@pytest.mark.parametrize(
    "ref", ["", "..", "../../etc/passwd", "a" * 63, "A" * 64, "g" * 64, "/" * 64, "é" * 64]
)
def test_a_name_that_is_no_hash_leads_nowhere(bodies: Bodies, ref: str) -> None:
    for use in (bodies.get, bodies.delete):
        with pytest.raises(StoreError, match="not the name of a body"):
            use(ref)


def test_a_damaged_body_is_noticed_and_mended_by_putting_it_again(tmp_path: Path) -> None:
    bodies = Bodies(f"file://{tmp_path}")
    ref = bodies.put(b"hello")
    (tmp_path / ref).write_bytes(b"hullo")
    with pytest.raises(StoreError, match="damaged"):
        bodies.get(ref)
    bodies.put(b"hello")
    assert bodies.get(ref) == b"hello"


def test_many_may_put_the_same_body_at_once(bodies: Bodies) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(bodies.put, [b"x" * 100_000] * 16))) == 1
    assert bodies.get(bodies.put(b"x" * 100_000)) == b"x" * 100_000


def test_a_writer_killed_at_random_leaves_whole_bodies(tmp_path: Path) -> None:
    address = f"file://{tmp_path}/bodies"
    for seconds in (0.0, 0.05, 0.11):
        process = subprocess.Popen(
            [sys.executable, "-c", _ENDLESS, address], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        rest, _ = process.communicate()
        told = (first + rest[: rest.rfind("\n") + 1]).split()
        bodies = Bodies(address)
        for ref in {*told, *(path.name for path in (tmp_path / "bodies").iterdir() if path.suffix != ".tmp")}:
            assert len(bodies.get(ref)) == 80_000


def test_a_full_or_lost_folder_is_said(tmp_path: Path) -> None:
    bodies = Bodies(f"file://{tmp_path}/bodies")
    (tmp_path / "bodies").rmdir()
    with pytest.raises(StoreError, match="check that there is room") as raised:
        bodies.put(b"hello")
    assert raised.value.retry


@pytest.mark.parametrize("address", ["nothing://here", "file:///dev/null/bodies"])
def test_an_address_that_keeps_nothing_is_refused(address: str) -> None:
    with pytest.raises(StoreError, match="cannot keep bodies"):
        Bodies(address)


def test_only_their_owner_may_read_bodies(tmp_path: Path) -> None:
    folder = tmp_path / "bodies"
    Bodies(f"file://{folder}").put(b"hello")
    assert [stat.S_IMODE(one.stat().st_mode) for one in (folder, *folder.iterdir())] == [0o700, 0o600]


def test_what_is_old_and_not_needed_is_swept_away(bodies: Bodies) -> None:
    needed, orphan = bodies.put(b"needed"), bodies.put(b"orphan")
    assert bodies.sweep(time.time() - 60, set) == 0  # it may still be named
    assert bodies.sweep(time.time() + 60, lambda: {needed}) == 1
    assert bodies.get(needed) == b"needed"
    with pytest.raises(StoreError, match="there is no body"):
        bodies.get(orphan)


def test_halves_are_swept_and_what_is_not_ours_is_left(tmp_path: Path) -> None:
    bodies = Bodies(f"file://{tmp_path}")
    (tmp_path / f".{'0' * 32}.tmp").touch()
    (tmp_path / "README").touch()
    assert bodies.sweep(time.time() + 60, set) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["README"]
