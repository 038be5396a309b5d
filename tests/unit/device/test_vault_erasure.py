"""What is erased is gone for good: no plaintext in any file, no key to any old copy, no trace of a vault."""

import base64
import shutil
import threading
from pathlib import Path

import pytest

from confidante.core.errors import VaultError
from confidante.core.values import Item
from confidante.device.storage import database, files, history, items, wishes
from confidante.device.storage.keys import InsecurePlaintextKey, Passphrase
from confidante.device.storage.vault import Vault
from confidante.device.values import Retention

SECRETS = ("Zyzzyva the film", "zyzzyva-kind", "zyzzyva-label", "zyzzyva-place", "zyzzyva-body")
FORMS = ("utf-8", "utf-16-le", "utf-16-be")


def cheap() -> Passphrase:
    return Passphrase("x", memory_kib=8, iterations=1)


def filled(folder: Path) -> Vault:
    vault = Vault.open(folder, cheap(), create=True, clock=lambda: 1e9)
    items.put(vault, [Item(f"i{k}", f"{SECRETS[0]} {k}", (SECRETS[2],)) for k in range(20)])
    for k in range(20):
        history.add_event(vault, k + 1, SECRETS[1], float(k), context={"place": SECRETS[3]})
    return vault


def seen_in(folder: Path) -> list[str]:
    """The secrets that any file of the folder shows now, in the encodings that SQLite has."""
    seen = []
    for path in folder.rglob("*"):
        try:
            data = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:  # gone since it was listed
            continue
        forms = ((text, text.encode(form)) for text in SECRETS for form in FORMS)
        seen += [f"{text} in {path.name}" for text, form in forms if form in data]
    return seen


def test_no_file_shows_any_plaintext_at_any_time(tmp_path: Path) -> None:
    looks, seen, done = [0], list[str](), threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.extend(seen_in(tmp_path))
            looks[0] += 1

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        with filled(tmp_path / "vault") as vault:
            assert vault.rows("PRAGMA temp_store") == [(2,)]  # memory
            assert any(path.name.endswith("-wal") for path in vault.folder.iterdir())
            vault.write_body("personal:profile", SECRETS[4].encode() * 20_000)
            assert not seen_in(tmp_path)
            wishes.put(vault, "taste", SECRETS[2], 2)
            history.forget(vault, [3], undo_seconds=5)
            history.forget(vault, [4])
            history.expire(vault, Retention(events=10))
            history.purge(vault, even_if_undoable=True)
            vault.backup(tmp_path / "copy")
            assert not seen_in(tmp_path)
    finally:
        done.set()
        watcher.join()
    assert not seen
    assert looks[0] > 3
    (tmp_path / "found").write_text(SECRETS[0])
    assert seen_in(tmp_path)  # and it would have been seen


@pytest.mark.parametrize("with_undo", [False, True])
def test_an_old_copy_cannot_be_opened_with_anything_that_remains(tmp_path: Path, with_undo: bool) -> None:
    folder, aside = tmp_path / "vault", tmp_path / "aside"
    aside.mkdir()
    with filled(folder) as vault:
        old = vault._keys
        for path in folder.glob("vault-*"):
            shutil.copy(path, aside)
        history.forget(vault, [5], undo_seconds=60 if with_undo else 0)
        if with_undo:
            history.purge(vault, even_if_undoable=True)
        assert vault.generation == old.generation + 1
        remaining = [vault._keys.database, vault._keys.wrapping]
        everything = b"".join(path.read_bytes() for path in folder.iterdir())
    assert not list(folder.glob(f"vault-{old.generation}.db*"))
    for form in (old.database, old.database.hex().encode(), base64.b64encode(old.database)):
        assert form not in everything
    copy = files.database(aside, old.generation)
    for key in remaining:
        with pytest.raises(VaultError, match="damaged"):
            database.connect(copy, key)
    connection = database.connect(copy, old.database)  # the copy is good: only its key is gone
    assert connection.execute("SELECT count(*) FROM event").fetchall() == [(20,)]
    connection.close()


def test_expiry_destroys_the_old_key_when_the_vault_closes(tmp_path: Path) -> None:
    with filled(tmp_path) as vault:
        assert history.expire(vault, Retention(events=10)) == 10
        assert vault.generation == 1
    with Vault.open(tmp_path, cheap()) as vault:
        assert vault.generation == 2
        assert history.count(vault) == 10
    with Vault.open(tmp_path, cheap()) as vault:
        assert vault.generation == 2  # once is enough


def test_erasing_leaves_an_empty_folder_and_a_closed_vault(tmp_path: Path) -> None:
    vault = filled(tmp_path)
    vault.erase()
    assert vault.closed
    assert not list(tmp_path.iterdir())
    with Vault.open(tmp_path, cheap(), create=True) as vault:
        assert history.count(vault) == 0


def test_an_erasing_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    filled(tmp_path).close()
    files.prepare_key_file(tmp_path, files.ERASED)
    files.commit_key_file(tmp_path)  # and here the power went
    with pytest.raises(VaultError, match="was erased"):
        Vault.open(tmp_path, cheap())
    assert [path.name for path in tmp_path.iterdir()] == ["vault.lock"]
    Vault.open(tmp_path, cheap(), create=True).close()


def test_a_rotation_that_was_cut_short_is_undone_before_and_kept_after_the_key(tmp_path: Path) -> None:
    with filled(tmp_path) as vault:
        keys = vault._keys
        following = keys.following()
    first, second = (files.database(tmp_path, generation) for generation in (1, 2))
    connection = database.connect(first, keys.database)
    database.copy(connection, second, following.database)
    connection.close()
    kept = first.read_bytes(), second.read_bytes()
    files.prepare_key_file(tmp_path, following.encode())
    with Vault.open(tmp_path, cheap()) as vault:  # cut short before the key file was replaced
        assert (vault.generation, history.count(vault)) == (1, 20)
        assert not second.exists()
    first.write_bytes(kept[0])
    second.write_bytes(kept[1])
    files.prepare_key_file(tmp_path, following.encode())
    files.commit_key_file(tmp_path)
    with Vault.open(tmp_path, cheap()) as vault:  # and right after
        assert (vault.generation, history.count(vault)) == (2, 20)
        assert not first.exists()


def test_a_making_that_was_cut_short_starts_over(tmp_path: Path) -> None:
    filled(tmp_path / "other").close()
    files.prepare_key_file(tmp_path, b"half")
    shutil.copy(tmp_path / "other" / "vault-1.db", tmp_path)
    with Vault.open(tmp_path, cheap(), create=True) as vault:
        assert history.count(vault) == 0


def test_a_backup_opens_with_the_same_passphrase_and_holds_the_same(tmp_path: Path) -> None:
    with filled(tmp_path / "vault") as vault:
        vault.backup(tmp_path / "copy")
        expected = history.events(vault)
        with Vault.open(tmp_path / "copy", cheap()) as copy:
            assert history.events(copy) == expected
            assert copy._keys.database != vault._keys.database
        with pytest.raises(VaultError, match="wrong passphrase"):
            Vault.open(tmp_path / "copy", Passphrase("y"))
        for taken in (tmp_path / "vault", tmp_path / "copy"):
            with pytest.raises(VaultError, match="is not empty"):
                vault.backup(taken)
        assert history.events(vault) == expected


def test_forgetting_takes_what_was_derived_along(tmp_path: Path) -> None:
    with Vault.open(tmp_path, InsecurePlaintextKey(), create=True) as vault:
        items.put(vault, [Item("a", "A")])
        for undo_seconds in (0, 60):
            event = history.add_event(vault, 1, "view", 5.0)
            vault.write_body("personal:profile", b"derived")
            vault.write_body("personality", b"not derived")
            with vault.write() as sql:
                sql("INSERT INTO outbox (round, made, body) VALUES (x'00', 1, x'01')")
            history.forget(vault, [event.number], undo_seconds=undo_seconds)
            assert vault.read_body("personal:profile") is None
            assert vault.read_body("personality") == b"not derived"
            assert vault.rows("SELECT count(*) FROM outbox") == [(0,)]
