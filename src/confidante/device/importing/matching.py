"""Which item of the library a foreign title means.

Tried in turn: the id, every name that the pack reads of the title, with its creator before or after it, and
the whole that it is a part of. Names are compared as `core.spelling` has them, and a moved article
("Matrix, The") is put back. Of the items of a name, those are left out that are certainly another: of another
edition, another medium, another creator, with other accents. Where several are left, the likeliest is taken
if there is only one: a wrong match is worse than none.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar, final

from confidante.core.spelling import marks_agree, spelled
from confidante.core.values import Item
from confidante.formats.records import ForeignEvent
from confidante.packs.base import Pack

_ARTICLE_WORDS = (
    "the a an l' la le les li lo las los un une uno una unos unas il gli i o os as um uma el der die das ein "
    "eine het de een den det et en ett az egy"
)
_ARTICLES = frozenset(_ARTICLE_WORDS.split())  # as libraries move them behind a comma
_LONGEST = 300  # letters of a title that are compared
_CREATOR_FIRST = re.compile(r"\s+[-\u2013\u2014]\s+")

_INITIALS = re.compile(r"\b\w(?: \w\b)+")

_Name = TypeVar("_Name")
_Rank = tuple[bool, bool, bool, bool, int]


class MatchedBy(StrEnum):
    """How an item was found."""

    ID = "id"
    TITLE = "title"
    SPELLING = "title spelled another way"
    WHOLE = "part of"  # a phrase of the pack's


def plain_name(name: str) -> str:
    """Return a name as it is compared. "Matrix, The" and "the matrix" both give "matrix"."""
    return spelled(_in_order(name)).removeprefix("the ")


@final
@dataclass(frozen=True, slots=True)
class _Read:
    """What the pack reads of an item.

    known: its makers as they are compared; of an item of the library, its labels as well.
    """

    item: Item
    names: tuple[str, ...]
    edition: str
    media: frozenset[str]
    makers: tuple[str, ...]
    known: frozenset[str]


@final
class TitleIndex:
    """The library's items by what they are called. Building it takes about ten microseconds an item."""

    def __init__(self, items: Iterable[tuple[int, Item]], pack: Pack) -> None:
        """items: the key of each, and the item. pack: says what titles are made of."""
        self.pack = pack
        self._by_id: dict[str, int] = {}
        self._by_name: dict[str, int | list[int]] = {}
        self._items: dict[int, Item] = {}
        self._reads: dict[tuple[int, frozenset[str]], _Read] = {}  # of items that were candidates
        self._said: set[str] = set()  # every label and creator
        self._makers: set[str] = set()  # those of `_said` as makers are compared, but for those in `_unread`
        self._unread: list[str] = []
        for key, item in items:
            self.add(key, item)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._by_id)

    def add(self, key: int, item: Item) -> None:
        """Add an item, so that later rows find it."""
        self._by_id[item.id] = key
        self._items[key] = item
        for said in (*item.labels, item.creator):
            if said not in self._said:
                self._said.add(said)
                self._unread.append(said)
        names, _ = self._called(item.title)
        for name in names:
            if plain := plain_name(name):
                _put(self._by_name, plain, key)

    def key_of(self, name: str) -> int | None:
        """Return the key of the item with that id, or None."""
        return self._by_id.get(name)

    def words(self, how: MatchedBy) -> str:
        """Return how an item was found, in words of the pack."""
        return self.pack.words(how) if how is MatchedBy.WHOLE else how.value

    def find(self, event: ForeignEvent, *, imported_as: str = "\0") -> tuple[int, MatchedBy] | None:
        """Return the key of the item that an event means and how it was found, or None.

        imported_as: how the ids of items begin that an earlier import of this format made; their creators are
        known, so another's work of the same title is not theirs.
        """
        part = self._read(Item("", event.title, event.labels, creator=event.creator, more=event.more))
        known = self._by_id.get(event.foreign_id) if event.foreign_id else None
        if known is not None and (event.foreign_id == event.title or self._same(part, known)):
            return known, MatchedBy.ID
        for name, wanted in self._readings(part):
            key = self._likeliest(name, wanted, imported_as)
            if key is not None:
                same = self._items[key].title == event.title
                return key, MatchedBy.TITLE if same else MatchedBy.SPELLING
        if event.whole:
            whole = self._read(Item("", event.whole, event.labels, more=event.more))
            for name in whole.names:
                key = self._likeliest(name, whole, imported_as)
                if key is not None:
                    return key, MatchedBy.WHOLE
        return None

    def _called(self, title: str) -> tuple[tuple[str, ...], str]:
        return self.pack.called(title[:_LONGEST].strip())

    def _read(self, wanted: Item) -> _Read:
        names, edition = self._called(wanted.title)
        media = self.pack.identity.media(wanted)
        makers = self.pack.identity.makers(wanted, wanted) if wanted.creator else ()
        return _Read(wanted, names, edition, media, makers, frozenset(map(_maker, makers)))

    def _read_item(self, key: int, wanted: _Read) -> _Read:
        """Return what is known of an item, where such a thing is looked for."""
        read = self._reads.get((key, wanted.media))
        if read is None:
            item = self._items[key]
            names, edition = self._called(item.title)
            identity = self.pack.identity
            makers = identity.makers(item, wanted.item)
            known = frozenset(map(_maker, (*makers, *item.labels)))
            read = _Read(item, names, edition, identity.media(item), makers, known)
            self._reads[key, wanted.media] = read
        return read

    def _same(self, wanted: _Read, key: int) -> bool:
        """Whether the item of that id is called alike: numbers like 17 mean other things elsewhere."""
        item = self._read_item(key, wanted)
        return any(_agreeing(name, item) is not None for name in wanted.names)

    def _named(self, name: str) -> list[int]:
        """Return the keys of the items of a name."""
        found = self._by_name.get(plain_name(name), [])
        return [found] if isinstance(found, int) else found

    def _readings(self, wanted: _Read) -> Iterator[tuple[str, _Read]]:
        """Yield the names that a title may mean, the likeliest first, each with what is known of its item."""
        yield from ((name, wanted) for name in wanted.names)
        for name in wanted.names:
            for maker in wanted.makers:
                yield f"{maker} {name}", wanted
                yield f"{name} {maker}", wanted
        first = _CREATOR_FIRST.split(wanted.item.title, maxsplit=1)
        if len(first) == 2 and first[0] and first[1]:
            theirs = self._read(replace(wanted.item, title=first[1], creator=first[0]))
            for name in theirs.names:
                if any(_is_by(self._read_item(key, theirs), theirs) for key in self._named(name)):
                    yield name, theirs

    def _likeliest(self, name: str, wanted: _Read, imported_as: str) -> int | None:
        """Return the likeliest of the items of a name, None where none may be it, or two are as likely."""
        ranks = {key: self._rank(name, key, wanted, imported_as) for key in self._named(name)}
        best = max((rank for rank in ranks.values() if rank is not None), default=None)
        found = [key for key, rank in ranks.items() if rank is not None and rank == best]
        return found[0] if len(found) == 1 else None

    def _rank(self, name: str, key: int, wanted: _Read, imported_as: str) -> _Rank | None:
        """Return how likely an item of that name is the wanted one, for comparing; None: it is another."""
        item = self._read_item(key, wanted)
        if wanted.media and item.media and not wanted.media & item.media:
            return None
        one, other = wanted.edition, item.edition
        if one and other and one != other and not self.pack.identity.near(one, other):
            return None
        by_them = _is_by(item, wanted)
        if wanted.makers and not by_them and self._is_anothers(item, wanted, imported_as):
            return None
        place = _agreeing(name, item)
        if place is None:
            return None
        as_written = spelled(name, marks=True) == spelled(item.names[place], marks=True)
        return by_them, item.item.title == wanted.item.title, one == other, as_written, -place

    def _is_anothers(self, item: _Read, wanted: _Read, imported_as: str) -> bool:
        """Whether an item that is not known to be by the creator of what is wanted is known not to be."""
        if item.makers or item.item.id.startswith(imported_as):
            return True
        for said in self._unread:
            made = Item("", "", creator=said)
            self._makers.update(map(_maker, self.pack.identity.makers(made, made)))
        self._unread.clear()
        return bool(wanted.known & self._makers)


def _is_by(item: _Read, wanted: _Read) -> bool:
    """Whether a creator of what is wanted made the item, as its creator, a label or its title says."""
    if wanted.known & item.known:
        return True
    if item.item.creator or not wanted.makers:
        return False
    title = f" {spelled(item.item.title[:_LONGEST])} "
    return any(f" {spelled(name)} " in title for name in wanted.makers)


def _agreeing(name: str, item: _Read) -> int | None:
    """Return which name of an item a name is, accents and all; None where they are others."""
    plain = plain_name(name)
    for place, other in enumerate(item.names):
        if plain_name(other) == plain and marks_agree(_in_order(name), _in_order(other)):
            return place
    return None


def _in_order(name: str) -> str:
    """Return a name with its article in front: "Guard, The" and "Guard, The: Part Two"."""
    if ", " not in name:
        return name
    head, colon, rest = name.partition(":")
    for text, after in ((name, ""), (head, colon + rest)):
        before, _, article = text.rpartition(", ")
        if before and article.lower().replace("\u2019", "'") in _ARTICLES:
            return f"{article}{' ' if article[-1].isalpha() else ''}{before}{after}"
    return name


@lru_cache(maxsize=4096)
def _maker(name: str) -> str:
    """Return a name as creators are compared: "Lee, A. Ann" and "Ann Lee" are one."""
    words = _INITIALS.sub(lambda found: found[0].replace(" ", ""), spelled(name)).split()
    named = [word for word in words if word != "the"] or words
    long = [word for word in named if len(word) > 1]
    return "".join(sorted(long if len(long) > 1 else named))


def _put(index: dict[_Name, int | list[int]], name: _Name, key: int) -> None:
    """Add a key; a list only where names repeat, which saves most of the memory."""
    before = index.get(name)
    if before is None:
        index[name] = key
    elif isinstance(before, list):
        if before[-1] != key:
            before.append(key)
    elif before != key:
        index[name] = [before, key]
