"""Large bodies, kept by the hash of what they hold: on a disk, or wherever fsspec reaches."""

import hashlib
import os
import re
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import final

import fsspec  # type: ignore[import-untyped]

from confidante.core.errors import StoreError

_HASH_LETTERS = 64
_OURS = re.compile(r"[0-9a-f]{64}|\.[0-9a-f]{32}\.tmp")


@final
class Bodies:
    """A folder of bodies, each under its sha256. May be shared by any number of threads and processes."""

    def __init__(self, url: str) -> None:
        """Use file://<folder> (made when missing), memory://<name>, or another address that fsspec knows.

        Raises StoreError.
        """
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
            self._on_disk = type(self._files).protocol in ("file", ("file", "local"))
            if self._on_disk:  # what one device said is nobody else's on this machine
                Path(self._root).mkdir(mode=0o700, parents=True, exist_ok=True)
            else:
                self._files.makedirs(self._root, exist_ok=True)
        except (ImportError, OSError, ValueError) as error:
            told = error.strerror if isinstance(error, OSError) else type(error).__name__
            raise StoreError(f"{shown(url)} cannot keep bodies ({told}): give file://<folder>") from None

    def put(self, data: bytes) -> str:
        """Keep `data` and return its name. It is on disk, whole, when this returns. Raises StoreError."""
        ref = self.write(data)
        self.settle()
        return ref

    def write(self, data: bytes) -> str:
        """Do what `put` does, but for the name: only after the next `settle` will a power cut leave that."""
        ref = hashlib.sha256(data).hexdigest()
        with _said():
            if self._on_disk:
                _write(Path(self._path(ref)), data)
            else:
                self._files.pipe_file(self._path(ref), data)
        return ref

    def settle(self) -> None:
        """Make the names of all bodies that were written so far survive a power cut. Raises StoreError."""
        if self._on_disk:
            with _said():
                _sync(self._root)

    def get(self, ref: str) -> bytes:
        """Return what is kept under `ref`. Raises StoreError when it is missing or damaged."""
        try:
            data: bytes = self._files.cat_file(self._path(ref))
        except FileNotFoundError:
            raise StoreError(f"there is no body {ref}: it was deleted, or the folder is another") from None
        except OSError as error:
            raise StoreError(f"body {ref} cannot be read ({error})", retry=True) from None
        if hashlib.sha256(data).hexdigest() != ref:
            raise StoreError(f"body {ref} is damaged: restore a backup")
        return data

    def delete(self, ref: str) -> None:
        """Forget what is kept under `ref`, if anything is. Raises StoreError."""
        try:
            self._files.rm_file(self._path(ref))
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"body {ref} cannot be deleted ({error})", retry=True) from None

    def sweep(self, before: float, needed: Callable[[], Collection[str]]) -> int:
        """Delete what was written before then (seconds since 1970) and is not needed; return how much it was.

        needed: asked after the look at what there is, so that it knows of all that was written before.
        Does nothing where it is not known when something was written. Raises StoreError.
        """
        try:
            old = [path for path, at in self._written() if at < before]
            if not old:
                return 0
            kept = needed()
            gone = [path for path in old if Path(path).name not in kept]
            for path in gone:
                with suppress(FileNotFoundError):  # another process was first
                    self._files.rm_file(path)
        except NotImplementedError:
            return 0
        except OSError as error:
            raise StoreError(f"bodies cannot be looked through ({error})", retry=True) from None
        return len(gone)

    def _written(self) -> Iterator[tuple[str, float]]:
        """Give the path of each body, or half of one, and when it was written."""
        if not self._on_disk:
            for path in self._files.ls(self._root, detail=False):
                yield path, self._files.modified(path).timestamp()
            return
        with os.scandir(self._root) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if _OURS.fullmatch(entry.name):
                        yield entry.path, entry.stat().st_mtime

    def _path(self, ref: str) -> str:
        if len(ref) != _HASH_LETTERS or not set(ref) <= set("0123456789abcdef"):
            raise StoreError(f"{ref[:_HASH_LETTERS]!r} is not the name of a body: give 64 hexadecimal digits")
        return f"{self._root}/{ref}"


def shown(url: str) -> str:
    """Return an address as it may be printed: without what may be a password."""
    scheme, found, _ = url.partition("://")
    return url if scheme == "file" else f"{scheme}://..." if found else "this address"


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"a body cannot be stored ({error}): check that there is room on the disk", retry=True
        ) from None


def _write(path: Path, data: bytes) -> None:
    """Write a file whose name leads to all of it or to nothing, also after a power cut.

    Also when there is one already: that may be damaged, or not yet survive.
    """
    half = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with open(half, "xb", buffering=0, opener=_private) as file:
            left = memoryview(data)
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        half.replace(path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync(folder: str) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
