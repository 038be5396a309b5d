"""A vault reads what it wrote: transactions, settings, bodies, clock, migrations, one process at a time."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from confidante.core.errors import VaultError
from confidante.device.storage.keys import InsecurePlaintextKey, Passphrase
from confidante.device.storage.schema import MIGRATIONS
from confidante.device.storage.vault import LATEST, Vault


def opened(folder: Path, **options: object) -> Vault:
    return Vault.open(folder, InsecurePlaintextKey(), create=True, **options)  # type: ignore[arg-type]


def test_what_was_written_is_there_after_opening_again(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        vault.set_setting("a", b"1")
        vault.write_body("model", b"body")
    with opened(tmp_path) as vault:
        assert vault.setting("a") == b"1"
        assert vault.read_body("model") == b"body"
        vault.set_setting("a", None)
        vault.write_body("model", None)
        assert vault.setting("a") is None
        assert vault.read_body("model") is None


def write_and_fail(vault: Vault, name: str, within: bool = False) -> None:
    with vault.write():
        if within:
            with vault.write():
                vault.set_setting(name, b"1")
        else:
            vault.set_setting(name, b"1")
        raise ZeroDivisionError


@pytest.mark.parametrize("within", [False, True])
def test_a_block_that_raises_writes_nothing(tmp_path: Path, within: bool) -> None:
    with opened(tmp_path) as vault:
        with pytest.raises(ZeroDivisionError):
            write_and_fail(vault, "a", within)
        assert vault.setting("a") is None
        vault.set_setting("a", b"2")  # and the next one works


def test_an_inner_block_that_raises_undoes_only_itself(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        with vault.write():
            vault.set_setting("outer", b"1")
            with pytest.raises(ZeroDivisionError):
                write_and_fail(vault, "inner")
            vault.set_setting("later", b"1")
        assert (vault.setting("outer"), vault.setting("inner"), vault.setting("later")) == (b"1", None, b"1")


def test_a_body_that_is_not_what_was_written_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        vault.write_body("model", b"body")
        with vault.write() as sql:
            sql("UPDATE snapshot SET body = ?", (b"bodY",))
        with pytest.raises(VaultError, match="'model' is damaged"):
            vault.read_body("model")


def test_the_clock_never_runs_backwards_not_even_over_a_restart(tmp_path: Path) -> None:
    times = [1000.0, 900.0, float("nan"), 1001.0, float("inf"), -5.0]
    told = iter(times)
    with opened(tmp_path, clock=lambda: next(told)) as vault:
        assert [vault.now() for _ in times[1:]] == [1000, 1000, 1001, 1001, 1001]  # opening asked once
        vault.set_setting("a", b"")
    with opened(tmp_path, clock=lambda: 10.0) as vault:
        assert vault.now() == 1016  # the clock went from -5 to 10 meanwhile
    with opened(tmp_path, clock=lambda: 1e30) as vault:
        assert vault.now() == LATEST


def test_a_second_process_is_turned_away(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from confidante.device.storage.vault import Vault;"
        "from confidante.device.storage.keys import InsecurePlaintextKey\n"
        "Vault.open(Path(sys.argv[1]), InsecurePlaintextKey()).close()"
    )
    with opened(tmp_path) as vault:
        vault.set_setting("a", b"1")
        ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
        assert "is open in another process" in ran.stderr
        with pytest.raises(VaultError, match="is open in this process"):
            opened(tmp_path)  # nor a second time in this one
        vault.rotate()
        assert vault.setting("a") == b"1"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == 0


def test_where_there_is_no_vault_none_is_opened_and_nothing_left(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(VaultError, match="there is no vault here"):
            Vault.open(folder, InsecurePlaintextKey())
    assert not list(tmp_path.iterdir())


def test_a_closed_vault_says_so(tmp_path: Path) -> None:
    vault = opened(tmp_path)
    vault.close()
    vault.close()
    assert vault.closed
    with pytest.raises(VaultError, match="is closed"):
        vault.rows("SELECT 1")
    with pytest.raises(VaultError, match="is closed"), vault.write():
        pass


def test_only_the_owner_may_read_any_file(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with opened(folder) as vault:
        vault.set_setting("a", b"1")
        vault.rotate()
        vault.set_setting("a", b"2")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
        assert len(list(folder.iterdir())) == 4  # key, database, its log, lock


def test_migrations_run_once_each_and_keep_what_was_there(tmp_path: Path) -> None:
    with opened(tmp_path, migrations=MIGRATIONS) as vault:
        vault.set_setting("a", b"1")
    second = "ALTER TABLE setting ADD COLUMN note TEXT NOT NULL DEFAULT 'new'; CREATE TABLE more (x);"
    third = "INSERT INTO more VALUES (3)"
    for _ in range(2):
        with opened(tmp_path, migrations=(*MIGRATIONS, second, third)) as vault:
            assert vault.rows("SELECT value, note FROM setting WHERE name = 'a'") == [(b"1", "new")]
            assert vault.rows("SELECT x FROM more") == [(3,)]
            vault.rotate()  # the version goes along


def test_a_migration_that_fails_half_way_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        vault.set_setting("a", b"1")
    broken = "CREATE TABLE more (x); INSERT INTO nowhere VALUES (1)"
    with pytest.raises(Exception, match="nowhere"):
        opened(tmp_path, migrations=(*MIGRATIONS, broken))
    with opened(tmp_path) as vault:
        assert vault.setting("a") == b"1"
        assert not vault.rows("SELECT 1 FROM sqlite_schema WHERE name = 'more'")


def test_a_vault_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    opened(tmp_path, migrations=(*MIGRATIONS, "CREATE TABLE more (x)")).close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(VaultError, match="newer version"):
        opened(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_threads_take_turns(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        vault.set_setting("count", b"0")

        def count() -> None:
            for _ in range(50):
                with vault.write():
                    vault.set_setting("count", str(int(vault.setting("count") or b"") + 1).encode())

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert vault.setting("count") == b"200"


def test_a_transaction_is_no_place_to_rotate_copy_or_close(tmp_path: Path) -> None:
    with opened(tmp_path) as vault, vault.write():
        for act in (vault.rotate, vault.close, lambda: vault.backup(tmp_path / "copy")):
            with pytest.raises(RuntimeError, match="inside a transaction"):
                act()


def test_a_wrong_passphrase_changes_nothing(tmp_path: Path) -> None:
    Vault.open(tmp_path, Passphrase("x", memory_kib=8, iterations=1), create=True).close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(VaultError, match="wrong passphrase"):
        Vault.open(tmp_path, Passphrase("y"), create=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def without_its_log(vault: Vault, aside: Path) -> Path:
    """What somebody leaves of an open vault who drops its write-ahead log."""
    aside.mkdir()
    for name in ("vault.key", f"vault-{vault.generation}.db"):
        shutil.copy(vault.folder / name, aside)
    return aside


def kept_without_the_log(vault: Vault, aside: Path, name: str) -> bytes | None:
    with Vault.open(without_its_log(vault, aside), InsecurePlaintextKey()) as cut:
        return cut.setting(name)


def settle_and_fail(vault: Vault) -> None:
    with vault.write():
        vault.settle()
        raise ZeroDivisionError


def test_what_was_settled_is_there_without_the_log_and_what_was_not_is_lost(tmp_path: Path) -> None:
    with opened(tmp_path / "vault") as vault:
        vault.settle()
        vault.set_setting("a", b"1")
        assert kept_without_the_log(vault, tmp_path / "lost", "a") is None
        vault.settle()
        assert kept_without_the_log(vault, tmp_path / "kept", "a") == b"1"


def test_settling_inside_a_transaction_waits_until_all_of_it_is_committed(tmp_path: Path) -> None:
    with opened(tmp_path / "vault") as vault:
        vault.settle()
        with vault.write():
            with vault.write():
                vault.set_setting("a", b"1")
                vault.settle()
            vault.set_setting("b", b"2")
        assert kept_without_the_log(vault, tmp_path / "kept", "b") == b"2"
        with pytest.raises(ZeroDivisionError):
            settle_and_fail(vault)
        vault.set_setting("c", b"3")
        assert kept_without_the_log(vault, tmp_path / "lost", "c") is None
