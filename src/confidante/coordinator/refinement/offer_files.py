"""The files of all that is offered, read when they changed, and not in the middle of being written."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, final

from confidante.coordinator.config.refinement import OfferedItems, RefinementTerms, parse_offer
from confidante.core.errors import DataError

_MOST_BYTES = (512 << 20, 4 << 30)
"""Of the items, and of vectors of the operator's own."""


@final
class OfferFiles:
    """What the files said when they were read last. For one thread.

    offer: None before they could be read; changed: the items' file, seconds since 1970; times: how often they
    were read; problem: why nothing newer was, empty when all is well.
    """

    def __init__(self, terms: RefinementTerms) -> None:
        self._paths = (terms.items,) if terms.vectors is None else (terms.items, terms.vectors)
        self._stamp: tuple[int, ...] = ()
        self._seen: tuple[int, ...] = ()
        self.offer: OfferedItems | None = None
        self.changed = 0.0
        self.times = 0
        self.problem = ""

    def look(self) -> None:
        """Read the files if they changed, and were at the look before as they are now.

        Where that goes wrong, what was read before stays.
        """
        stamp, path = tuple[int, ...](), self._paths[0]
        try:
            with ExitStack() as stack:
                files = list[BinaryIO]()
                for path in self._paths:
                    files.append(stack.enter_context(path.open("rb")))
                stamp = _stamp(files)
                if stamp == self._stamp:
                    return
                if stamp != self._seen:  # somebody may be writing
                    self._seen = stamp
                    return
                read = [
                    _read(path, file, most)
                    for path, file, most in zip(self._paths, files, _MOST_BYTES, strict=False)
                ]
                if _stamp(files) != stamp:
                    self._seen = ()
                    return
                changed = os.fstat(files[0].fileno()).st_mtime
            self.offer, self.problem = parse_offer(*read[0], *read[1:]), ""
            self.changed, self._stamp, self.times = changed, stamp, self.times + 1
        except OSError as error:
            self._stamp = self._seen = ()
            self.problem = f"{path}: cannot be read ({error.strerror}); what was read before goes on"
        except DataError as error:
            self._stamp = stamp
            self.problem = f"{error}; what was read before goes on"


def _stamp(files: list[BinaryIO]) -> tuple[int, ...]:
    found = [os.fstat(file.fileno()) for file in files]
    return tuple(n for one in found for n in (one.st_mtime_ns, one.st_size, one.st_ino))


def _read(path: Path, file: BinaryIO, most: int) -> tuple[Path, bytes]:
    size = os.fstat(file.fileno()).st_size
    if size > most:
        raise DataError(f"has {size:,} bytes: at most {most:,} are read", path=path)
    return path, file.read(size)
