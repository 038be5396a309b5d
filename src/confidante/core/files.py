"""Files that are written whole or not at all, and are known to be writable before any work."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from confidante.core.errors import DataError

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def written_whole(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Give an empty file beside `path` to write to; it takes the name `path` when the block ends well.

    private: only its owner may read it, from its first byte on (mode 0600). Raises DataError, before the
    block is entered, when `path` cannot be written.
    """
    target, half = _begin(path, 0o600 if private else 0o666)
    try:
        yield half
        half.replace(target)
    except OSError as error:
        raise _refused(path, error) from None
    finally:
        half.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Raise DataError when `written_whole` would, and leave nothing behind."""
    _begin(path, 0o600)[1].unlink()


def same_place(one: Path, other: Path) -> bool:
    """Whether two paths lead to the same place, be there a file or not."""
    return _resolved(one) == _resolved(other)


def _begin(path: Path, mode: int) -> tuple[Path, Path]:
    """Return where `path` leads, and a new empty file beside it, of that mode less what the umask takes."""
    target = _resolved(path)
    half = target.with_name(f".{target.name[:50]}.{secrets.token_hex(8)}.tmp")
    try:
        there = _mode(target)
        if there is not None and S_ISDIR(there):
            raise DataError("is a directory: name a file", path=path)
        if there is not None and not S_ISREG(there):
            raise DataError("is not a regular file: name another one", path=path)
        os.close(os.open(half, _NEW, mode))
    except FileNotFoundError:
        raise DataError("its folder does not exist: make it first", path=path) from None
    except OSError as error:
        raise _refused(path, error) from None
    return target, half


def _mode(path: Path) -> int | None:
    """Return what is there, None for nothing. Unlike Path.exists, never None for what cannot be."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _resolved(path: Path) -> Path:
    """Return where a path leads; one that goes in circles stays as it is (Path.resolve may raise)."""
    return Path(os.path.realpath(path))


def _refused(path: Path, error: OSError) -> DataError:
    return DataError(f"cannot be written ({error.strerror}): name another file", path=path)
