"""The files of a vault: which there are, that one process has them, and how the key file is replaced.

vault.key            wraps the key of the one generation that counts; replacing it is the commit point
vault.key.new        half-written; without a vault.key beside it, a vault that was never finished
vault-<number>.db    the encrypted database of one generation, with -wal or -journal while in use
vault.lock           always empty; locked while the vault is open
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IWGRP, S_IWOTH
from typing import final

import apsw

from confidante.core.errors import VaultError

ERASED = b"erased\n"
"""What the key file holds from the moment of erasing until the last file is gone."""

_KEY, _HALF, _LOCK = "vault.key", "vault.key.new", "vault.lock"
_DATABASE = re.compile(r"vault-([0-9]{1,18})\.db(-wal|-shm|-journal)?")
_LARGEST_KEY_FILE = 8192
_NOT_A_LINK: int = getattr(os, "O_NOFOLLOW", 0)
_HELD: set[tuple[int, int, int]] = set()  # process, device and number of each lock file that is held here
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOT_A_LINK


@contextmanager
def refused(folder: Path) -> Iterator[None]:
    """Turn what the operating system refuses into a VaultError that says what to do."""
    try:
        yield
    except OSError as error:
        raise VaultError(
            f"{folder}: cannot be used ({error.strerror}): check the disk, its room and your permissions"
        ) from None


def database(folder: Path, generation: int) -> Path:
    """Return the path of a generation's database."""
    return folder / f"vault-{generation}.db"


def generations(folder: Path) -> set[int]:
    """Return the generations of which any file is there."""
    with refused(folder):
        return {int(found[1]) for path in folder.iterdir() if (found := _DATABASE.fullmatch(path.name))}


def remove_generation(folder: Path, generation: int) -> None:
    """Remove a generation's files, the database last: without it the others mean nothing."""
    path = database(folder, generation)
    with refused(folder):
        for end in ("-journal", "-shm", "-wal", ""):
            path.with_name(path.name + end).unlink(missing_ok=True)


def make_private(path: Path) -> None:
    """Make an empty file that only its owner may read."""
    with refused(path.parent):
        os.close(os.open(path, _NEW, 0o600))


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner may enter; an empty one becomes such."""
    with refused(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_owner(folder)
        if not any(folder.iterdir()):
            folder.chmod(0o700)
    check_folder(folder)


def check_folder(folder: Path) -> None:
    """Raise VaultError where somebody else could put files in place of ours. Windows is not asked."""
    if os.name == "nt":
        return
    with refused(folder):
        _check_owner(folder)
        if folder.stat().st_mode & (S_IWGRP | S_IWOTH):
            raise VaultError(
                f"{folder}: others can write to it: run chmod go-w on it, or choose another folder"
            )


def _check_owner(folder: Path) -> None:
    if os.name != "nt" and folder.stat().st_uid not in (0, os.geteuid()):
        raise VaultError(f"{folder}: belongs to somebody else: become its owner, or choose another folder")


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of files, is on disk. Windows keeps no such list to wait for."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_key_file(folder: Path) -> bytes | None:
    """Return the bytes of the key file, None when there is none. An absurdly long one is refused unread."""
    with refused(folder):
        try:
            with (folder / _KEY).open("rb") as file:
                data = file.read(_LARGEST_KEY_FILE + 1)
        except FileNotFoundError:
            return None
    if len(data) > _LARGEST_KEY_FILE:
        raise VaultError(f"{folder / _KEY}: is not a key file: restore it from a backup")
    return data


def prepare_key_file(folder: Path, data: bytes) -> None:
    """Write the next key file beside the present one, to be put in place by `commit_key_file`."""
    half = folder / _HALF
    with refused(folder):
        half.unlink(missing_ok=True)
        with os.fdopen(os.open(half, _NEW, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync(folder)


def commit_key_file(folder: Path) -> bool:
    """Put the prepared key file in place of the present one, in one step, and wipe that.

    Returns whether the disk has confirmed it. VaultError when nothing was changed.
    """
    with refused(folder), _wiped(folder / _KEY):
        (folder / _HALF).replace(folder / _KEY)
    try:
        sync(folder)
    except OSError:
        return False
    return True


def remove_key_file(folder: Path) -> None:
    """Wipe and remove the key file, which needs no room on the disk."""
    with refused(folder):
        with _wiped(folder / _KEY):
            (folder / _KEY).unlink(missing_ok=True)
        (folder / _HALF).unlink(missing_ok=True)
        sync(folder)


def is_unfinished(folder: Path) -> bool:
    """Whether a vault was being made here and never was."""
    return (folder / _HALF).exists() and not (folder / _KEY).exists()


def remove_half(folder: Path) -> None:
    """Remove a half-written key file."""
    with refused(folder):
        (folder / _HALF).unlink(missing_ok=True)


@contextmanager
def _wiped(path: Path) -> Iterator[None]:
    """Overwrite what `path` was, once the block has taken its name away.

    Some disks write elsewhere instead; that the file is gone is what counts, so refusals are ignored.
    """
    if os.name == "nt" or not path.exists():  # Windows cannot replace an open file
        yield
        return
    handle = os.open(path, os.O_RDWR)
    try:
        yield
        with suppress(OSError):
            os.pwrite(handle, bytes(os.fstat(handle).st_size), 0)
            os.fsync(handle)
    finally:
        os.close(handle)


@final
class FolderLock:
    """One process at a time. SQLite's own lock on an empty file: the same on every system."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        path = folder / _LOCK
        with refused(folder):
            if path.is_symlink():
                raise VaultError(f"{path}: is a link: remove it, and try again")
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | _NOT_A_LINK, 0o600))
        self._connection = apsw.Connection(str(path), apsw.SQLITE_OPEN_READWRITE)
        try:
            self._connection.execute("PRAGMA journal_mode = MEMORY").fetchall()
            self._connection.execute("BEGIN EXCLUSIVE")
        except (apsw.BusyError, apsw.LockedError):
            self._connection.close()
            where = "this process" if self._held_as() in _HELD else "another process"
            raise VaultError(f"{folder}: is open in {where}: close it there first") from None
        except apsw.Error as error:
            self._connection.close()
            raise VaultError(f"{path}: cannot be locked ({error}): remove it, and try again") from None
        if not path.exists():  # erased by who had it between our opening and locking it
            self._connection.close()
            raise VaultError(f"{folder}: is open in another process: close it there first")
        self._mark = self._held_as()
        _HELD.add(self._mark)

    def _held_as(self) -> tuple[int, int, int]:
        found = (self._folder / _LOCK).stat()
        return os.getpid(), found.st_dev, found.st_ino

    def release(self) -> None:
        """Let the next one in."""
        _HELD.discard(self._mark)
        self._connection.close()

    def remove(self) -> None:
        """Remove the file as well. Where an open file cannot be removed, the empty file stays."""
        with suppress(OSError):
            (self._folder / _LOCK).unlink(missing_ok=True)
        self.release()
