"""Folders that plaintext passes through: an import on its way in, an export on its way out, the page's link.

Each is deleted when it was used. What a killed process left behind is swept away by the next server and by an
erasure: a folder in use is locked, and the system drops the lock of whoever died.
"""

import html
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108  # a file system in memory, where there is one
_PREFIX = "confidante-"
_SETTLED_SECONDS = 1.0  # between being made and being locked, a folder looks left behind


@contextmanager
def private_folder(fallback: Path) -> Iterator[Path]:
    """Lend a folder that only this user may open, and delete it with all that is in it.

    What passes through it is not encrypted, so it is in memory where the system has such a place; else it is
    in `fallback`, the profile's own folder, for as long as one import or export takes.
    """
    with _lent(_MEMORY if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) else fallback) as folder:
        yield folder


@contextmanager
def opening_file(profile: Path, link: str) -> Iterator[Path]:
    """Lend a page that leads a browser of this user, and nobody else, to the address `link`.

    It is in the profile's own folder: browsers that run in a sandbox see no memory of other programs.
    """
    address = html.escape(link)
    text = (
        '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
        f'<title>Confidante</title><meta http-equiv="refresh" content="0; url={address}">'
        f'<a href="{address}">Open the page</a>'
    )
    with _lent(profile) as folder:
        path = folder / "open.html"
        write_private(path, text.encode())
        yield path


@contextmanager
def _lent(place: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=place) as name:
        folder = Path(name)
        held = _lock(folder)
        try:
            yield folder
        finally:
            if held is not None:
                os.close(held)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only this user may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


def sweep(profile: Path) -> None:
    """Delete what killed processes of this user left in memory and in `profile`. Folders in use stay."""
    for place in (_MEMORY, profile):
        with suppress(OSError):  # there is no such place, or it is erased
            for folder in list(place.glob(f"{_PREFIX}*")):
                _sweep_one(folder)


def _sweep_one(folder: Path) -> None:
    with suppress(OSError):  # somebody else's, or gone meanwhile
        held = _lock(folder)
        if held is None:
            return
        try:
            about = os.fstat(held)
            if about.st_uid == os.getuid() and time.time() - about.st_mtime > _SETTLED_SECONDS:
                shutil.rmtree(folder)
        finally:
            os.close(held)


if sys.platform == "win32":

    def _lock(_: Path) -> int | None:
        return (
            None  # there is no memory to pass through either, and the profile's folder goes with an erasure
        )

else:
    import fcntl

    def _lock(folder: Path) -> int | None:
        """Return a descriptor that holds a folder's lock; None when it cannot. No link is followed."""
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another holds it, or this file system has no locks
            os.close(held)
            return None
        return held
