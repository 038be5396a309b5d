"""Files that are written whole or not at all, and are known to be writable before any work."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from confidante.core.errors import DataError


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give an empty file beside `path` to write to; it takes the name `path` when the block ends well.

    Raises DataError, before the block is entered, when `path` cannot be written.
    """
    target, half = _begin(path)
    try:
        yield half
        half.replace(target)
    except OSError as error:
        raise _refused(path, error) from None
    finally:
        half.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Raise DataError when `written_whole` would, and leave nothing behind."""
    _begin(path)[1].unlink()


def same_place(one: Path, other: Path) -> bool:
    """Whether two paths lead to the same place, be there a file or not."""
    return _resolved(one) == _resolved(other)


def _begin(path: Path) -> tuple[Path, Path]:
    """Return where `path` leads, and a new empty file beside it."""
    target = _resolved(path)
    half = target.with_name(f".{target.name[:50]}.{os.getpid()}.tmp")
    try:
        mode = _mode(target)
        if mode is not None and S_ISDIR(mode):
            raise DataError("is a directory: name a file", path=path)
        if mode is not None and not S_ISREG(mode):
            raise DataError("is no regular file: name another", path=path)
        half.touch()
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
