"""Damage, full disks and forbidden folders: a clear error, and nothing lost that was there."""

import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from confidante.core.errors import VaultError
from confidante.core.values import Item
from confidante.device.storage import history, items
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.storage.vault import Vault


def filled(folder: Path) -> Vault:
    vault = Vault.open(folder, InsecurePlaintextKey(), create=True, clock=lambda: 1e9)
    items.put(vault, [Item(f"i{k}", f"title {k}") for k in range(300)])
    history.add_events(vault, [history.NewEvent(k + 1, "view", float(k)) for k in range(300)])
    vault.write_body("model", bytes(range(256)) * 200)
    return vault


def whole(vault: Vault) -> tuple[object, ...]:
    return items.everything(vault).items, history.events(vault, limit=1000), vault.read_body("model")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the operating system refuse (EFBIG) to make any file longer than this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """A real file system that really runs full. Needs the right to mount one."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
        try:
            mounted = subprocess.run(command, capture_output=True).returncode == 0
        except FileNotFoundError:
            mounted = False
        if not mounted:
            pytest.skip("mounting a small disk is not permitted here; the other full-disk tests ran")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def fill_up(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_a_damaged_page_is_an_error_or_harmless_and_never_other_data(tmp_path: Path) -> None:
    with filled(tmp_path / "vault") as vault:
        expected = whole(vault)
        path = vault.folder / f"vault-{vault.generation}.db"
    data = path.read_bytes()
    draw = random.Random(1)
    refused = 0
    flips = [*range(0, 120, 7), *(draw.randrange(len(data)) for _ in range(150))]
    damages = [data[:k] + bytes([data[k] ^ 1 << draw.randrange(8)]) + data[k + 1 :] for k in flips]
    pages = range(0, len(data), 4096)
    damages += [data[:k] + bytes(4096) + data[k + 4096 :] for k in pages]  # as after a power cut
    damages += [data[:k] + data[4096:8192] + data[k + 4096 :] for k in pages if k != 4096]
    for damage in damages:
        path.write_bytes(damage)
        try:
            with Vault.open(tmp_path / "vault", InsecurePlaintextKey()) as vault:
                assert whole(vault) == expected
        except VaultError as error:
            refused += 1
            assert "damaged" in str(error)  # noqa: PT017
        path.write_bytes(data)
        path.with_name(path.name + "-wal").unlink(missing_ok=True)
    assert refused > 150
    with Vault.open(tmp_path / "vault", InsecurePlaintextKey()) as vault:
        assert whole(vault) == expected


def test_a_truncated_or_missing_database_is_an_error_and_stays_as_it_is(tmp_path: Path) -> None:
    with filled(tmp_path) as vault:
        expected = whole(vault)
        path = tmp_path / f"vault-{vault.generation}.db"
    data = path.read_bytes()
    for length in (0, 1, 500, 4096, 5000, len(data) // 2):
        path.write_bytes(data[:length])
        with (
            pytest.raises(VaultError, match="damaged"),
            Vault.open(tmp_path, InsecurePlaintextKey(), create=True) as vault,
        ):
            whole(vault)
        assert path.stat().st_size == length
    path.write_bytes(bytes(len(data)))
    with pytest.raises(VaultError, match="damaged"):
        Vault.open(tmp_path, InsecurePlaintextKey(), create=True)
    assert not any(path.read_bytes())
    path.unlink()
    with pytest.raises(VaultError, match="is missing"):
        Vault.open(tmp_path, InsecurePlaintextKey(), create=True)
    path.write_bytes(data)
    with Vault.open(tmp_path, InsecurePlaintextKey()) as vault:
        assert whole(vault) == expected


def test_a_damaged_key_file_removes_nothing(tmp_path: Path) -> None:
    with filled(tmp_path) as vault:
        expected = whole(vault)
    key = (tmp_path / "vault.key").read_bytes()
    for damage in (key[:-1], key.replace(b'"generation":1', b'"generation":2'), b"", b"erase"):
        (tmp_path / "vault.key").write_bytes(damage)
        with pytest.raises(VaultError, match=r"vault\.key"):
            Vault.open(tmp_path, InsecurePlaintextKey(), create=True)
    (tmp_path / "vault.key").unlink()
    with pytest.raises(VaultError, match="has a database but no key for it"):
        Vault.open(tmp_path, InsecurePlaintextKey(), create=True)
    (tmp_path / "vault.key").write_bytes(key)
    with Vault.open(tmp_path, InsecurePlaintextKey()) as vault:
        assert whole(vault) == expected


def test_a_page_limit_refuses_a_write_and_keeps_the_rest(tmp_path: Path) -> None:
    with filled(tmp_path) as vault:
        expected = whole(vault)
        vault.rows("PRAGMA max_page_count = 1")  # as few as it has
        with pytest.raises(VaultError, match="no room"):
            vault.write_body("big", bytes(1_000_000))
        assert whole(vault) == expected
        vault.rows("PRAGMA max_page_count = 100000")
        vault.write_body("big", bytes(1_000_000))


def test_a_file_limit_of_the_system_refuses_writing_copying_and_rotating(tmp_path: Path) -> None:
    with filled(tmp_path / "vault") as vault:
        expected = whole(vault)
        generation = vault.generation
        with largest_file(30_000):
            with pytest.raises(VaultError, match="room"):
                vault.write_body("big", bytes(1_000_000))
            with pytest.raises(VaultError, match="room"):
                vault.rotate()
            with pytest.raises(VaultError, match="room"):
                vault.backup(tmp_path / "copy")
            assert vault.generation == generation
            assert whole(vault) == expected
        assert not list((tmp_path / "copy").iterdir())
        vault.rotate()
        assert whole(vault) == expected
    with Vault.open(tmp_path / "vault", InsecurePlaintextKey()) as vault:
        assert whole(vault) == expected


def test_what_is_forgotten_on_a_full_disk_is_gone_and_destroyed_later(tmp_path: Path) -> None:
    filled(tmp_path).close()
    with Vault.open(tmp_path, InsecurePlaintextKey()) as vault:
        with (
            largest_file(50_000),
            pytest.raises(VaultError, match="this is forgotten, but the disk may hold an old copy"),
        ):
            history.forget(vault, [7])
        assert 7 not in history.select(vault)
        assert vault.renewal_due
        generation = vault.generation
    with Vault.open(tmp_path, InsecurePlaintextKey()) as vault:
        assert vault.generation == generation + 1
        assert not vault.renewal_due
        assert 7 not in history.select(vault)


def test_a_disk_that_is_really_full_loses_nothing() -> None:
    with small_disk("3m") as disk:
        with filled(disk / "vault") as vault:
            expected = whole(vault)
            fill_up(disk / "ballast")
            for act in (
                lambda: vault.write_body("big", random.randbytes(500_000)),
                vault.rotate,
                lambda: vault.backup(disk / "copy"),
            ):
                with pytest.raises(VaultError, match="room"):
                    act()
            assert whole(vault) == expected
        with Vault.open(disk / "vault", InsecurePlaintextKey()) as vault:
            assert whole(vault) == expected
            vault.erase()
        assert not list((disk / "vault").iterdir())


def test_a_new_vault_on_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    with largest_file(5_000), pytest.raises(VaultError, match="room"):
        Vault.open(tmp_path, InsecurePlaintextKey(), create=True)
    assert [path.name for path in tmp_path.iterdir()] == ["vault.lock"]
    Vault.open(tmp_path, InsecurePlaintextKey(), create=True).close()


def test_a_read_only_folder_is_a_clear_error_and_stays_as_it_is() -> None:
    # A process of its own, because root may write anywhere until it is somebody else.
    code = """
import os, sys
from pathlib import Path
from confidante.core.errors import VaultError
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.storage.vault import Vault
if os.geteuid() == 0:
    os.setresuid(65534, 65534, 65534)
for create in (False, True):
    try:
        Vault.open(Path(sys.argv[1]), InsecurePlaintextKey(), create=create)
    except VaultError as error:
        print(error)
"""
    base = Path(tempfile.mkdtemp())
    try:
        base.chmod(0o755)
        folder = base / "vault"
        filled(folder).close()
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        for path in (*folder.iterdir(), folder):
            path.chmod(0o500 if path.is_dir() else 0o400)
            if os.geteuid() == 0:
                os.chown(path, 65534, 65534)
        ran = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True)
        assert ran.stderr == ""
        assert ran.stdout.count("check the disk, its room and your permissions") == 2
        folder.chmod(0o700)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    finally:
        base.joinpath("vault").chmod(0o700)
        shutil.rmtree(base)
