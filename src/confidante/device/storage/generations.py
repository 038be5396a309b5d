"""Making, renewing, copying and destroying a vault. Each may be killed at any step.

Renewing is what erases for good: what remains is copied under a new key into a new file, and replacing the
key file destroys the old key. Whatever the disk still has of the old file, in free pages, in its log, in
blocks that were never overwritten, cannot be read any more.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import apsw

from confidante.core.errors import VaultError
from confidante.device.storage import database, files, keyfile
from confidante.device.storage.keyfile import Keys
from confidante.device.storage.keys import KeySource, new_keys

RUNNING_ROUND = "personal:round "
"""How the names of snapshots begin that hold a running round: forgotten with the history, never copied."""

USED_ONCE = ("waiting ", "tokens ")
"""How the names of settings begin that two copies of a device must not both use: they are never copied."""


def open_or_make(
    folder: Path, source: KeySource, migrations: Sequence[str], *, create: bool
) -> tuple[apsw.Connection, Keys]:
    """Open the vault of a locked folder, or make one where there is none; finish what was half done."""
    data = files.read_key_file(folder)
    if data == files.ERASED:
        _remove_everything(folder)
        data = None
    if data is not None:
        return _open(folder, keyfile.decode(data), source, migrations)
    if not create:
        raise VaultError(f"{folder}: the vault here was erased: make a new one")
    return _make(folder, source, migrations)


def renew(
    connection: apsw.Connection, folder: Path, keys: Keys, following: Keys
) -> tuple[apsw.Connection, Keys]:
    """Copy what remains into the next generation, of the keys `following`, and destroy the key of this one.

    Returns the connection and keys to go on with; the given connection is closed. When it raises VaultError,
    nothing has changed and the given connection goes on.
    """
    path = files.database(folder, following.generation)
    files.remove_generation(folder, following.generation)
    database.copy(connection, path, following.database)
    try:
        fresh = database.connect(path, following.database)
        try:
            files.prepare_key_file(folder, following.encode())
            confirmed = files.commit_key_file(folder)
        except BaseException:
            fresh.close()
            raise
    except BaseException:
        files.remove_generation(folder, following.generation)
        raise
    with database.refused(folder):
        connection.close()
    if confirmed:  # else a power cut may bring the old key back; the next opening removes what is not needed
        with suppress(VaultError):
            files.remove_generation(folder, keys.generation)
    return fresh, following


def back_up(connection: apsw.Connection, keys: Keys, target: Path) -> None:
    """Copy the vault, encrypted under a key of its own, into an empty or new folder.

    But for a round that it is in, what it waits for one with, and its tokens: two copies that went on with
    one round could betray each other, and a token that is shown twice says that both are the same device.
    """
    files.make_folder(target)
    with files.refused(target):
        if any(target.iterdir()):
            raise VaultError(f"{target}: is not empty: choose a new folder for the backup")
    copied = replace(keys.following(), generation=keys.generation)
    try:
        files.prepare_key_file(target, copied.encode())
        path = files.database(target, copied.generation)
        database.copy(connection, path, copied.database)
        _leave_out(path, copied.database)
    except VaultError:
        _remove_everything(target)
        raise
    files.commit_key_file(target)


def destroy(connection: apsw.Connection, folder: Path, keys: Keys, source: KeySource) -> None:
    """Destroy the keys first, then the files. From the first step on nothing can be read any more."""
    try:
        files.prepare_key_file(folder, files.ERASED)
        files.commit_key_file(folder)
    except VaultError:  # a full disk has no room for the mark, but lets go of the key
        files.remove_key_file(folder)
    try:
        source.destroy(keys.vault, keys.guard)
    finally:
        with suppress(VaultError), database.refused(folder):
            connection.close()
        _remove_everything(folder)


def _make(folder: Path, source: KeySource, migrations: Sequence[str]) -> tuple[apsw.Connection, Keys]:
    """Make a vault where there is none: it is there when its key file is."""
    if files.is_unfinished(folder):
        _remove_everything(folder)
    if files.generations(folder):
        raise VaultError(
            f"{folder}: has a database but no key for it: put its vault.key back, or choose another folder"
        )
    keys = new_keys(source)
    try:
        files.prepare_key_file(folder, keys.encode())
        connection = _empty(folder, keys, migrations)
    except VaultError:
        _remove_everything(folder)
        source.destroy(keys.vault, keys.guard)
        raise
    files.commit_key_file(folder)
    return connection, keys


def _open(
    folder: Path, read: keyfile.KeyFile, source: KeySource, migrations: Sequence[str]
) -> tuple[apsw.Connection, Keys]:
    """Open the generation that the key file names; then, and only then, remove all others."""
    keys = keyfile.unwrap(read, source.unlock(read.vault, read.guard))
    path = files.database(folder, keys.generation)
    if not path.exists():
        raise VaultError(f"{path}: is missing: restore a backup")
    connection = database.connect(path, keys.database)
    try:
        database.migrate(connection, path, migrations)
        for stray in files.generations(folder) - {keys.generation}:
            files.remove_generation(folder, stray)
        files.remove_half(folder)
    except BaseException:
        connection.close()
        raise
    return connection, keys


def _empty(folder: Path, keys: Keys, migrations: Sequence[str]) -> apsw.Connection:
    path = files.database(folder, keys.generation)
    files.make_private(path)
    connection = database.connect(path, keys.database, new=True)
    try:
        database.migrate(connection, path, migrations)
    except BaseException:
        connection.close()
        raise
    return connection


def _leave_out(path: Path, key: bytes) -> None:
    with database.refused(path):
        copy = database.connect(path, key)
        try:
            copy.execute(
                "DELETE FROM snapshot WHERE substr(name, 1, ?) = ?", (len(RUNNING_ROUND), RUNNING_ROUND)
            ).fetchall()
            for begin in USED_ONCE:
                copy.execute(
                    "DELETE FROM setting WHERE substr(name, 1, ?) = ?", (len(begin), begin)
                ).fetchall()
        finally:
            copy.close()


def _remove_everything(folder: Path) -> None:
    """Remove the databases, and last the key file, which may say that they are to go."""
    for generation in files.generations(folder):
        files.remove_generation(folder, generation)
    files.remove_half(folder)
    files.remove_key_file(folder)
