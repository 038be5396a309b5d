"""Frozen values that every room speaks: items, events, the catalogue, people's histories, sparse vectors."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from confidante.core import arguments
from confidante.core.errors import DataError

NO_CONTEXT: Mapping[str, str] = MappingProxyType({})

DEFAULT_PACK = "media"
"""The pack of a catalogue or profile that names none."""


_PRICE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?) ([A-Z]{3})")


@final
@dataclass(frozen=True, slots=True)
class Price:
    """An amount of money, exact, 0 or more. `str` gives "4.50 EUR"; currency: ISO 4217.

    A decimal, since a sum of prices in binary fractions is not what a till says.
    """

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        """Refuse what its own text would not give back."""
        if not isinstance(self.amount, Decimal) or _PRICE.fullmatch(str(self)) is None:
            raise DataError(
                f"{self.amount!r} {self.currency!r} is not a price: give a Decimal of 0 or more with at most "
                "6 decimals, and a currency of three capital letters, such as EUR"
            )

    def __str__(self) -> str:
        """Return it as a text that `read` takes."""
        return f"{self.amount:f} {self.currency}"

    @classmethod
    def read(cls, text: str) -> "Price":
        """Return the price that a text like "4.50 EUR" says. Raises DataError for any other text."""
        found = _PRICE.fullmatch(text)
        if found is None:
            raise DataError(f"{text[:40]!r} is not a price: give it like 4.50 EUR")
        return cls(Decimal(found[1]), found[2])


_TEXTS = ("id", "title", "description", "url", "image", "creator")


@final
@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be recommended. Public: nothing personal is in it.

    url: a page about it, http or https; shown as a link, and never fetched. image: its picture: the path of a
    file on the person's own disk, or a `data:` URL. creator: who made it. more: what a pack's schema says
    besides (`Pack.fields`), by name.
    """

    id: str
    title: str
    labels: tuple[str, ...] = ()
    description: str = ""
    url: str = ""
    image: str = ""
    creator: str = ""
    price: Price | None = None
    more: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Refuse fields of another type; a text where labels belong would be taken for its letters."""
        if type(self.labels) is not tuple:
            object.__setattr__(self, "labels", arguments.texts(self.labels, f"labels of item {self.id!r}"))
        for name in _TEXTS:
            if type(getattr(self, name)) is not str:
                object.__setattr__(self, name, arguments.text(getattr(self, name), f"{name} of an item"))
        for label in self.labels:
            if type(label) is not str:
                arguments.text(label, f"a label of item {self.id!r}")
        if not (self.price is None or isinstance(self.price, Price)) or not isinstance(self.more, Mapping):
            raise DataError(
                f"item {self.id!r} has a price or fields of another type: give a Price and a mapping"
            )


@final
@dataclass(frozen=True, slots=True)
class Event:
    """Something the person did. `number` is its name in this vault, never used twice.

    at: seconds since 1970, UTC. value: a rating, a price, minutes; None when there is none. context: short
    texts by name, such as {"place": "home"}.
    """

    number: int
    item: str
    kind: str
    at: float
    value: float | None = None
    context: Mapping[str, str] = field(default_factory=lambda: NO_CONTEXT)

    def __post_init__(self) -> None:
        """Refuse fields of another type."""
        if type(self.item) is not str or type(self.kind) is not str:
            arguments.text(self.item, "the item of an event")
            arguments.text(self.kind, "the kind of an event")
        if type(self.at) is not float:
            object.__setattr__(self, "at", arguments.number(self.at, "the time of an event"))
        if self.value is not None and type(self.value) is not float:
            object.__setattr__(self, "value", arguments.number(self.value, "the value of an event"))
        if self.context is not NO_CONTEXT:
            object.__setattr__(self, "context", arguments.pairs(self.context, "the context of an event"))


@final
@dataclass(frozen=True, slots=True)
class Catalogue:
    """What can be recommended. Public: the same on every device. Index in these tuples = item index.

    pack: name of the pack whose domain it is of. derived: what that pack reads of each item, as further
    labels that are never shown nor sent (`Pack.read`); nothing where nobody has read it.
    """

    ids: tuple[str, ...]
    titles: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    pack: str = DEFAULT_PACK
    derived: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        """Refuse lengths that differ and ids that repeat."""
        if not len(self.ids) == len(self.titles) == len(self.labels) == len(self.derived or self.ids):
            raise DataError(
                f"catalogue has {len(self.ids)} ids, {len(self.titles)} titles, {len(self.labels)} "
                "label rows: "
                "give each id one title and one (perhaps empty) tuple of labels"
            )
        if len(set(self.ids)) != len(self.ids):
            raise DataError("catalogue repeats an item id: give each item once")

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.ids)

    def select(self, rows: Sequence[int]) -> "Catalogue":
        """Return the given items, in the given order."""
        return Catalogue(
            tuple(self.ids[row] for row in rows),
            tuple(self.titles[row] for row in rows),
            tuple(self.labels[row] for row in rows),
            self.pack,
            tuple(self.derived[row] for row in rows) if self.derived else (),
        )


@final
@dataclass(frozen=True, slots=True, eq=False)
class Histories:
    """Events of one or many people, oldest first within a person (CSR layout).

    Person `p` has `items[indptr[p]:indptr[p + 1]]`. On a device there is one person; the lab batches many
    through the very same code.

    indptr: int64 [people + 1]; items: int32 [events], item indices; times: int64 [events], seconds. ratings:
    float64 [events], NaN where there is none; None without any, as on a device, which has weighed them.
    """

    indptr: NDArray[np.int64]
    items: NDArray[np.int32]
    times: NDArray[np.int64]
    ratings: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together."""
        if len(self.indptr) == 0 or self.indptr[0] != 0 or self.indptr[-1] != len(self.items):
            raise DataError("histories: indptr must start at 0 and end at the number of events")
        if len(self.items) != len(self.times):
            raise DataError(f"histories: {len(self.items)} items but {len(self.times)} times")
        if self.ratings is not None and len(self.ratings) != len(self.items):
            raise DataError(f"histories: {len(self.items)} items but {len(self.ratings)} ratings")
        if np.any(np.diff(self.indptr) < 0):
            raise DataError("histories: indptr must not decrease")

    @property
    def people(self) -> int:
        """Number of people."""
        return len(self.indptr) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Events per person, int64 [people]."""
        return np.diff(self.indptr)

    @property
    def person_of_event(self) -> NDArray[np.int64]:
        """Index of the person each event belongs to, int64 [events]."""
        return np.repeat(np.arange(self.people), self.lengths)

    @property
    def unordered(self) -> NDArray[np.bool_]:
        """Whether a person has several events, all of one time, bool [people].

        Nothing is then known of their order, and none is read out of how they are listed.
        """
        found = np.zeros(self.people, dtype=np.bool_)
        some = self.lengths > 1
        found[some] = self.times[self.indptr[:-1][some]] == self.times[self.indptr[1:][some] - 1]
        return found

    def slice(self, start: int, stop: int) -> "Histories":
        """Return people `start` to `stop - 1` (views, not copies)."""
        low, high = int(self.indptr[start]), int(self.indptr[stop])
        ratings = None if self.ratings is None else self.ratings[low:high]
        return Histories(
            self.indptr[start : stop + 1] - low, self.items[low:high], self.times[low:high], ratings
        )

    def where(self, keep: NDArray[np.bool_]) -> "Histories":
        """Return the same people with the marked events only."""
        indptr = np.concatenate(([0], np.cumsum(keep)))[self.indptr]
        return self._taken(indptr.astype(np.int64), np.flatnonzero(keep))

    def _taken(self, indptr: NDArray[np.int64], take: NDArray[np.int64]) -> "Histories":
        ratings = None if self.ratings is None else self.ratings[take]
        return Histories(indptr, self.items[take], self.times[take], ratings)

    def select(self, people: NDArray[np.integer]) -> "Histories":
        """Return the given people, in the given order."""
        lengths = self.lengths[people]
        indptr = np.concatenate(([0], np.cumsum(lengths)))
        take = np.arange(indptr[-1]) + np.repeat(self.indptr[people] - indptr[:-1], lengths)
        return self._taken(indptr, take)

    def last(self, n: int) -> "Histories":
        """Return only the newest `n` events of each person."""
        lengths = np.minimum(self.lengths, n)
        indptr = np.concatenate(([0], np.cumsum(lengths)))
        take = np.arange(indptr[-1]) + np.repeat(self.indptr[1:] - indptr[1:], lengths)
        return self._taken(indptr, take)


@final
@dataclass(frozen=True, slots=True, eq=False)
class SparseRows:
    """One sparse vector a device, for one or many devices (CSR). Indices may not repeat within a row.

    indptr: int64 [rows + 1]; indices: int64 [entries] in [0, length); values: float64 [entries].
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    values: NDArray[np.float64]
    length: int

    @property
    def rows(self) -> int:
        """Number of vectors."""
        return len(self.indptr) - 1

    @property
    def row_of_entry(self) -> NDArray[np.int64]:
        """Row each entry belongs to, int64 [entries]."""
        return np.repeat(np.arange(self.rows), np.diff(self.indptr))

    def dense(self, row: int) -> NDArray[np.float64]:
        """Return one row as float64 [length]."""
        out = np.zeros(self.length)
        part = slice(int(self.indptr[row]), int(self.indptr[row + 1]))
        out[self.indices[part]] = self.values[part]
        return out

    def select(self, rows: NDArray[np.integer]) -> "SparseRows":
        """Return the given rows, in the given order."""
        lengths = np.diff(self.indptr)[rows]
        indptr = np.concatenate(([0], np.cumsum(lengths)))
        take = np.arange(indptr[-1]) + np.repeat(self.indptr[rows] - indptr[:-1], lengths)
        return SparseRows(indptr, self.indices[take], self.values[take], self.length)
