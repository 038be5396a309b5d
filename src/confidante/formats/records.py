"""What every parser of somebody else's file yields: events, rows it could not use, and what it assumed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, final

from confidante.core.errors import DataError
from confidante.core.values import NO_CONTEXT
from confidante.formats.source import Source

WISH = "wish"
"""The kind of what the person wants and has not had yet (a to-read shelf): no event, but saved."""


@final
@dataclass(frozen=True, slots=True)
class ForeignEvent:
    """One thing the person did elsewhere.

    at: seconds since 1970, UTC. value: a rating or minutes. creator: artist, author, channel. foreign_id: its
    name over there. line: 1-based line of the file, or number of the entry in a JSON list or a page.
    whole: what it is a part of, as an episode of a show. labels: what the file says of the kind of thing.
    scale: the best value that a rating can have over there, None where that is not known.
    more: fields of the pack that what the event names certainly has (the whole, where there is one).
    """

    title: str
    at: float
    kind: str
    value: float | None = None
    creator: str = ""
    foreign_id: str = ""
    line: int = 0
    context: Mapping[str, str] = field(default_factory=lambda: NO_CONTEXT)
    whole: str = ""
    labels: tuple[str, ...] = ()
    scale: float | None = None
    more: Mapping[str, Any] = field(default_factory=lambda: NO_CONTEXT, hash=False)


@final
@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that is no event, and why in a few words, the same words for the same reason."""

    reason: str
    line: int


@final
@dataclass(frozen=True, slots=True)
class Note:
    """Something the person should know of the whole file: what was assumed."""

    text: str


Row = ForeignEvent | Skipped | Note

_NAMED = 8  # people whom an error names


@final
@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file.

    what: what it is, for a person. detects: whether a source looks like it, told from names and first bytes.
    parse: source, and whose rows are wanted (None: there is only one person) -> rows. Raises DataError.
    more: fields of the pack that whatever such a file names has, unless a row says otherwise.
    """

    name: str
    what: str
    detects: Callable[[Source], bool]
    parse: Callable[[Source, str | None], Iterator[Row]]
    more: Mapping[str, Any] = field(default_factory=lambda: NO_CONTEXT, hash=False)


@final
@dataclass(frozen=True, slots=True)
class NotRead:
    """A kind of file that is known and that nobody reads yet.

    name: what it is. because: why not, and what the person can do. detects: as in `Format`.
    """

    name: str
    because: str
    detects: Callable[[Source], bool]


OTHERS = "another person's"


@final
class OnePerson:
    """Lets through one person's rows of a file that may hold several people's."""

    def __init__(self, wanted: str | None, path: str) -> None:
        """wanted: whose; None: there must be only one."""
        self._wanted = wanted
        self._path = path
        self._seen: str | None = None
        self._others: dict[str, None] = {}

    def has(self, person: str, line: int) -> bool:
        """Return whether a row is that person's. Raises DataError when it is not said whose are wanted."""
        if self._wanted is not None:
            if person == self._wanted:
                self._seen = person
            elif len(self._others) < _NAMED:
                self._others[person] = None
            return person == self._wanted
        if self._seen is None:
            self._seen = person
        if person != self._seen:
            raise DataError(
                f"has several people's histories ({self._seen[:60]!r}, {person[:60]!r}, perhaps more). Say "
                "whose to import: --person on the command line, person= in Python",
                path=self._path,
                line=line,
            )
        return True

    def check(self) -> None:
        """Raise DataError, at the end of the file, when none of it was the wanted person's."""
        if self._wanted is not None and self._seen is None and self._others:
            there = ", ".join(repr(name[:60]) for name in self._others)
            raise DataError(
                f"has nothing of {self._wanted[:60]!r}. It has rows of {there}: give one of these as person",
                path=self._path,
            )
