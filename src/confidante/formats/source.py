"""Hostile until proven harmless: files, folders and zip files as members of bounded size, never on disk.

Names inside a zip are compared and shown, never used as paths.
"""

import gzip
import io
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, final

from confidante.core.errors import DataError
from confidante.formats.timestamps import DateOrder

MAX_BYTES = 512 << 20  # of one file, and of all members of a zip that are read, unpacked
MAX_MEMBERS = 20_000
MAX_RATIO = 200  # unpacked to packed; text packs to a tenth, a zip bomb to a thousandth
MAX_LINE = 1 << 20  # characters
HEAD = 1 << 16  # bytes that are enough to tell a format
_WITHDRAWN = re.compile(r"(^|/)((deleted|removed|orphaned|withdrawn|trash)[^/]*|private|__macosx)(/|$)")
_DEEPEST = 4  # folders within a folder
_SMALL = 1 << 20  # a member up to this size may pack however well
_MAX_DIRECTORY = 8 << 20  # bytes a zip says of its members
_BROKEN = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError)


@final
@dataclass(frozen=True, slots=True)
class Member:
    """One file of a source. name: as it is called there; path: what to say in errors; zipped: where it is.

    packed: whether the file itself is packed by gzip.
    """

    name: str
    path: str
    file: Path
    zipped: str | None = None
    packed: bool = False

    @property
    def base(self) -> str:
        """Its name without folders, in lower case."""
        return PurePosixPath(self.name).name.lower()

    @property
    def folder(self) -> str:
        """The folders that it is in, in lower case; an empty text at the top."""
        return "/".join(PurePosixPath(self.name).parts[:-1]).lower()

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Give its bytes; reading more than `MAX_BYTES` raises DataError, as does damage."""
        with ExitStack() as stack:
            try:
                if self.zipped is None:
                    raw: IO[bytes] = stack.enter_context(self.file.open("rb"))
                    if self.packed:
                        raw = stack.enter_context(io.BufferedReader(gzip.GzipFile(fileobj=raw)))
                else:
                    archive = stack.enter_context(zipfile.ZipFile(self.file))
                    raw = stack.enter_context(archive.open(self.zipped))
            except (KeyError, *_BROKEN) as error:
                raise _unreadable(self.path, error) from None
            yield io.BufferedReader(_Bounded(raw, self.path), HEAD)

    def head(self) -> bytes:
        """Return its first bytes."""
        with self.open() as file:
            return file.read(HEAD)

    def read(self) -> bytes:
        """Return all of it; at most `MAX_BYTES`."""
        with self.open() as file:
            return file.read()


@final
@dataclass(frozen=True, slots=True)
class Source:
    """What the person named: one file, a folder or a zip file.

    members: the files in it, by name. withdrawn: names of what the service lists as deleted, orphaned or
    private, by the folder it is in: no format ever sees it. date_order: what the person says comes first in
    dates like 3/4/21.
    """

    path: Path
    members: tuple[Member, ...]
    withdrawn: tuple[str, ...] = ()
    date_order: DateOrder | None = None

    def named(self, *patterns: str) -> tuple[Member, ...]:
        """Return the members whose base name matches one of the patterns (lower case, `*` for anything)."""
        return tuple(m for m in self.members if any(PurePosixPath(m.base).match(p) for p in patterns))

    def beside(self, *names: str) -> Member | None:
        """Return a member of one of these names, or the file of that name next to a single file."""
        found = self.named(*names)
        if found or not self.path.is_file() or len(self.members) != 1 or self.members[0].zipped is not None:
            return found[0] if found else None
        for name in names:
            other = self.path.with_name(name)
            if other.is_file():
                return Member(name, str(other), other)
        return None


def open_source(path: Path | str) -> Source:
    """Return what is there. Raises DataError when there is nothing, or it is a bomb, or no regular file."""
    path = Path(path)
    try:
        if path.is_dir():
            return _without_withdrawn(path, _folder_members(path))
        if not path.exists():
            raise DataError("there is no such file", path=path)
        if not path.is_file():
            raise DataError("is not a regular file: name another one", path=path)
        with path.open("rb") as file:
            begin = file.read(4)
        zipped = begin in (b"PK\x03\x04", b"PK\x05\x06")
        if path.stat().st_size > MAX_BYTES and not zipped:
            raise DataError(f"holds more than {MAX_BYTES >> 20} MB: split it", path=path)
        if begin.startswith(b"\x1f\x8b"):
            name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
            return Source(path, (Member(name, str(path), path, packed=True),))
        if not zipped:
            return Source(path, (Member(path.name, str(path), path),))
        return _without_withdrawn(path, _zip_members(path))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read ({error})", path=path) from None


def _without_withdrawn(path: Path, members: tuple[Member, ...]) -> Source:
    kept = tuple(member for member in members if not _WITHDRAWN.search(member.folder))
    gone = tuple(m.name for m in members if _WITHDRAWN.search(m.folder) and "__macosx" not in m.folder)
    return Source(path, kept, gone)


def _folder_members(path: Path) -> tuple[Member, ...]:
    """Return the files of a folder and of the folders in it, as an archive that was unpacked has them."""
    found: list[Path] = []
    for folder, inner, names in os.walk(path):
        deep = len(Path(folder).relative_to(path).parts)
        inner[:] = sorted(name for name in inner if deep < _DEEPEST and not name.startswith("."))
        found += [file for name in sorted(names) if (file := Path(folder, name)).is_file()]
        if len(found) > MAX_MEMBERS:
            raise DataError(f"has more than {MAX_MEMBERS:,} files: name one of them", path=path)
    found.sort(key=lambda file: len(file.parts))
    return tuple(Member(file.relative_to(path).as_posix(), str(file), file) for file in found)


def _zip_members(path: Path) -> tuple[Member, ...]:
    _check_directory(path)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except _BROKEN as error:
        raise DataError(f"is a damaged zip file ({error}): download it again", path=path) from None
    if len(infos) > MAX_MEMBERS:
        raise DataError(f"holds more than {MAX_MEMBERS:,} files: unpack it and name one", path=path)
    for info in infos:
        if info.file_size > max(_SMALL, MAX_RATIO * info.compress_size):
            raise DataError(
                f"contains a file compressed more than {MAX_RATIO}-fold: unpack it, and name the file",
                path=path,
            )
    names = [info.filename for info in infos]
    if len(set(names)) != len(names):
        raise DataError("contains two files of the same name: unpack it and name one", path=path)
    return tuple(Member(name, f"{path}: {name!r}", path, name) for name in names)


def _check_directory(path: Path) -> None:
    """Refuse a zip whose list of members alone would fill the memory, before it is read."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 16) - 22 - 76))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        raise DataError("is a damaged zip file (its end is missing): download it again", path=path)
    size = int.from_bytes(tail[end + 12 : end + 16], "little")
    if (
        end >= 76 and tail[end - 20 : end - 16] == b"PK\x06\x07"
    ):  # the zip64 end, 56 bytes, before its locator
        size = max(size % 0xFFFFFFFF, int.from_bytes(tail[end - 76 + 40 : end - 76 + 48], "little"))
    if size > _MAX_DIRECTORY:
        raise DataError("lists too many files: unpack it and name the one to import", path=path)


class _Bounded(io.RawIOBase):
    """Counts what is really read, whatever the headers claim."""

    def __init__(self, raw: IO[bytes], path: str) -> None:
        self._raw = raw
        self._path = path
        self._left = MAX_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._raw.read(len(buffer))
        except _BROKEN as error:
            raise _unreadable(self._path, error) from None
        self._left -= len(data)
        if self._left < 0:
            raise DataError(f"holds more than {MAX_BYTES >> 20} MB: split it", path=self._path)
        buffer[: len(data)] = data
        return len(data)


def _unreadable(path: str, error: Exception) -> DataError:
    return DataError(f"cannot be read ({error}): download it again", path=path)
