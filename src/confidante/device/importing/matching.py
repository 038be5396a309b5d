"""Which item of the library a foreign title means.

Tried in turn: the id, the exact title, the title without case, accents, punctuation and a moved article
("Matrix, The"), without what tells editions apart (a pack's `split_title`), and the whole that it is a part
of. Where several items fit, the creator decides, else nothing does: a wrong match is worse than none.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import TypeVar, final

from confidante.formats.records import ForeignEvent
from confidante.packs.base import Pack

_ARTICLE = re.compile(
    r"^(.*), (the|a|an|le|la|les|l'|il|lo|der|die|das|el|los|las|un|une|het|de)$", re.IGNORECASE
)
_LEADING = re.compile(r"^(the|a|an) (?=\S)")
_APOSTROPHES = re.compile("['\u2019\u02bc`]")
_NO_LETTER = re.compile(r"[\W_]+")
_LONGEST = 300  # letters of a title that are compared


_Name = TypeVar("_Name")


class MatchedBy(StrEnum):
    """How an item was found."""

    ID = "id"
    TITLE = "title"
    SPELLING = "title spelled another way"
    WHOLE = "part of"  # a phrase of the pack's


def plain_title(title: str, split_title: Callable[[str], tuple[str, str]]) -> tuple[str, str]:
    """Return a title as it is compared, and its edition: lower case, no accents, no punctuation, no article.

    With the year as edition, "Matrix, The (1999)" and "the matrix (1999)" both give ("matrix", "1999"). Both
    are empty when no letter is left.
    """
    name, edition = split_title(title[:_LONGEST].strip())
    moved = _ARTICLE.match(name)
    if moved:
        name = f"{moved[2]} {moved[1]}"
    name = _LEADING.sub("", _letters(name))
    return name, edition if name else ""


@final
class TitleIndex:
    """The library's items by what they are called. Building it takes about ten microseconds an item."""

    def __init__(self, items: Iterable[tuple[int, str, str, Sequence[str]]], pack: Pack) -> None:
        """items: (key, id, title, labels) of each. pack: says what titles are made of."""
        self.pack = pack
        self._by_id: dict[str, int] = {}
        self._by_title: dict[str, int | list[int]] = {}
        self._by_plain: dict[tuple[str, str], int | list[int]] = {}
        self._by_name: dict[str, int | list[int]] = {}  # of items whose titles say an edition
        self._said: dict[int, tuple[str, str, tuple[str, ...]]] = {}
        self._labels: dict[str, str] = {}  # each label, and how it is compared
        self._plain_labels: set[str] = set()
        for key, name, title, labels in items:
            self.add(key, name, title, labels)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._by_id)

    def add(self, key: int, name: str, title: str, labels: Sequence[str]) -> None:
        """Add an item, so that later rows find it."""
        self._by_id[name] = key
        _put(self._by_title, title, key)
        self._said[key] = (name, title, tuple(labels))
        for label in labels:
            if label not in self._labels:
                self._labels[label] = _letters(label[:_LONGEST])
                self._plain_labels.add(self._labels[label])
        name, edition = self._plain(title)
        if name:
            _put(self._by_plain, (name, edition), key)
            if edition:
                _put(self._by_name, name, key)

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
        known = self._by_id.get(event.foreign_id) if event.foreign_id else None
        if known is not None and (event.foreign_id == event.title or self._same(event, known)):
            return known, MatchedBy.ID
        tries = (
            (MatchedBy.TITLE, [self._by_title.get(event.title)], event.creator),
            (MatchedBy.SPELLING, self._spelled(event.title, event.creator), event.creator),
            (MatchedBy.WHOLE, self._spelled(event.whole, "") if event.whole else [], ""),
        )
        for how, candidates, creator in tries:
            for found in candidates:
                key = self._one(found, _letters(creator[:_LONGEST]), imported_as)
                if key is not None:
                    return key, how
        return None

    def _same(self, event: ForeignEvent, key: int) -> bool:
        """Whether the item of that id is called alike: numbers like 17 mean other things elsewhere."""
        return self._plain(self._said[key][1])[0] == self._plain(event.title)[0]

    def _plain(self, title: str) -> tuple[str, str]:
        return plain_title(title, self.pack.split_title)

    def _spelled(self, title: str, creator: str) -> list[int | list[int] | None]:
        """Return the candidates of each way to spell a title, the likeliest first."""
        name, edition = plain = self._plain(title)
        if not name:
            return []
        candidates = [self._by_plain.get(plain)]
        candidates.append(self._by_plain.get((name, "")) if edition else self._by_name.get(name))
        if creator:
            with_creator = (f"{creator} {title}", f"{title} {creator}")
            candidates += [self._by_plain.get(self._plain(text)) for text in with_creator]
        return candidates

    def _one(self, found: int | list[int] | None, creator: str, imported_as: str) -> int | None:
        """Return the only candidate, or the only one of that creator."""
        if found is None:
            return None
        if not creator:
            return found if isinstance(found, int) else None
        keys = [found] if isinstance(found, int) else found
        theirs = [key for key in keys if self._names(key, creator)]
        if theirs or len(keys) > 1:
            return theirs[0] if len(theirs) == 1 else None
        another = creator in self._plain_labels or self._said[keys[0]][0].startswith(imported_as)
        return None if another else keys[0]

    def _names(self, key: int, creator: str) -> bool:
        _, title, labels = self._said[key]
        return any(creator in self._labels[label] for label in labels) or creator in _letters(
            title[:_LONGEST]
        )


def _put(index: dict[_Name, int | list[int]], name: _Name, key: int) -> None:
    """Add a key; a list only where names repeat, which saves most of the memory."""
    before = index.get(name)
    if before is None:
        index[name] = key
    elif isinstance(before, list):
        before.append(key)
    else:
        index[name] = [before, key]


def _letters(text: str) -> str:
    if not text.isascii():
        marked = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in marked if not unicodedata.combining(letter))
    text = _APOSTROPHES.sub("", text.casefold().replace("&", " and "))
    return _NO_LETTER.sub(" ", text).strip()
