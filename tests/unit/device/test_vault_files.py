"""Files of a person are private from their first byte, and nobody else's link is followed to write them."""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from stat import S_IMODE

import pytest

from confidante.core.errors import DataError, VaultError
from confidante.core.files import check_writable, written_whole
from confidante.device.storage import files
from confidante.device.storage.keys import InsecurePlaintextKey, KeySource, Passphrase
from confidante.device.storage.vault import Vault
from confidante.formats.own import export_csv, write_export

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("there", [False, True])
def test_an_export_is_for_its_owner_only(tmp_path: Path, there: bool) -> None:
    for name, write in (("a.jsonl", lambda path: write_export(path, [], made=1.0)), ("b.csv", to_csv)):
        path = tmp_path / name
        if there:
            path.write_text("older, for all to read")
        write(path)
        assert mode(path) == 0o600


def to_csv(path: Path) -> int:
    return export_csv([], path)


def test_a_private_file_is_private_while_it_is_written_and_others_are_as_usual(tmp_path: Path) -> None:
    for private, expected in ((True, 0o600), (False, 0o644)):
        with written_whole(tmp_path / "out", private=private) as half:
            assert mode(half) == expected
        assert mode(tmp_path / "out") == expected


def test_a_link_in_place_of_the_half_written_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("kept")
    monkeypatch.setattr(secrets, "token_hex", lambda size: "00" * size)  # as if it could be guessed
    (tmp_path / f".out.{'00' * 8}.tmp").symlink_to(theirs)
    for begin in (
        lambda: written_whole(tmp_path / "out").__enter__(),
        lambda: check_writable(tmp_path / "out"),
    ):
        with pytest.raises(DataError, match="cannot be written"):
            begin()
    assert theirs.read_text() == "kept"


def test_two_writers_of_one_file_have_a_half_of_their_own(tmp_path: Path) -> None:
    with written_whole(tmp_path / "out") as one, written_whole(tmp_path / "out") as other:
        assert one != other
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_link_in_place_of_the_next_key_file_is_not_followed(tmp_path: Path) -> None:
    theirs, folder = tmp_path / "theirs", tmp_path / "vault"
    theirs.write_text("kept")
    folder.mkdir()
    (folder / "vault.key.new").symlink_to(theirs)
    files.prepare_key_file(folder, b"next")
    assert theirs.read_text() == "kept"
    assert files.commit_key_file(folder)
    assert (folder / "vault.key").read_bytes() == b"next"
    assert mode(folder / "vault.key") == 0o600


def test_a_key_file_is_private_even_where_one_for_all_lay_half_written(tmp_path: Path) -> None:
    (tmp_path / "vault.key.new").write_text("older, for all to read")
    files.prepare_key_file(tmp_path, b"next")
    assert mode(tmp_path / "vault.key.new") == 0o600


def test_a_link_in_place_of_the_lock_is_refused(tmp_path: Path) -> None:
    theirs, folder = tmp_path / "theirs", tmp_path / "vault"
    Vault.open(folder, InsecurePlaintextKey(), create=True).close()
    (folder / "vault.lock").unlink(missing_ok=True)
    (folder / "vault.lock").symlink_to(theirs)
    with pytest.raises(VaultError, match="is a link: remove it"):
        Vault.open(folder, InsecurePlaintextKey())
    assert not theirs.exists()


@pytest.mark.parametrize("open_to", [0o720, 0o702])
def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path, open_to: int) -> None:
    folder = tmp_path / "vault"
    Vault.open(folder, InsecurePlaintextKey(), create=True).close()
    folder.chmod(open_to)
    for create in (True, False):
        with pytest.raises(VaultError, match="others can write to it: run chmod go-w"):
            Vault.open(folder, InsecurePlaintextKey(), create=create)
    folder.chmod(0o755)
    Vault.open(folder, InsecurePlaintextKey()).close()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("made", [False, True])
def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "vault"
    folder.mkdir(mode=0o755)
    if made:
        Vault.open(folder, InsecurePlaintextKey(), create=True).close()
    before = mode(folder)
    os.chown(folder, 12345, -1)
    for create in (True, False)[: 1 + made]:
        with pytest.raises(VaultError, match="belongs to somebody else"):
            Vault.open(folder, InsecurePlaintextKey(), create=create)
    assert mode(folder) == before


SECRET = b"a film that nobody is to know of"


def assert_unreadable(folder: Path) -> None:
    for path in folder.iterdir():
        written = path.read_bytes()
        assert not written.startswith(b"SQLite format 3"), path
        assert SECRET not in written, path
        assert b"CREATE TABLE" not in written, path


@pytest.mark.parametrize("key", [InsecurePlaintextKey(), Passphrase("x", memory_kib=8, iterations=1)])
def test_no_file_of_a_vault_is_ever_plain_text(tmp_path: Path, key: KeySource) -> None:
    folder, copy = tmp_path / "vault", tmp_path / "copy"
    with Vault.open(folder, key, create=True) as vault:
        vault.set_setting("a", SECRET)
        vault.write_body("b", SECRET)
        assert_unreadable(folder)
        vault.backup(copy)
        vault.rotate()
        vault.set_setting("a", SECRET)
        assert_unreadable(folder)
        assert len(list(folder.iterdir())) == 4  # key, database, its log, lock
    assert_unreadable(folder)
    assert_unreadable(copy)


def test_a_vault_that_was_written_in_plain_text_is_refused_and_left_alone(tmp_path: Path) -> None:
    with Vault.open(tmp_path, InsecurePlaintextKey(), create=True) as vault:
        path = files.database(tmp_path, vault.generation)
    path.unlink()
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("CREATE TABLE t (x)")
        plain.execute("PRAGMA user_version = 1")
    before = path.read_bytes()
    with pytest.raises(VaultError, match="is not encrypted"):
        Vault.open(tmp_path, InsecurePlaintextKey())
    assert path.read_bytes() == before
