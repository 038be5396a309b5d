"""What a domain says of which item a foreign title means: names, editions, makers and kinds of thing.

A wrong match is worse than none. So each part only tells what is certain, and what is not said on both
sides decides nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from confidante.core.values import Item

NOTHING: frozenset[str] = frozenset()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ItemIdentity:
    """How a domain tells its items apart. Every part may be left out.

    names: a title -> (what the work may be called, the likeliest first; what tells editions of that name
    apart, as a year). When left out, a pack's `split_title` gives one name and the edition.
    near: whether two editions that are not the same may be one, as years off by one.
    makers: (an item, what is looked for) -> the names of who may have made the item; none when unknown. What
    is looked for is an item as well: a label of one word may be a band beside a song, a genre beside a film.
    media: an item -> the kinds of thing that it may be, as film or song; none when unknown.

    Stability: provisional.
    """

    names: Callable[[str], tuple[tuple[str, ...], str]] | None = None
    near: Callable[[str, str], bool] = lambda _one, _other: False
    makers: Callable[[Item, Item], tuple[str, ...]] = lambda item, _: (item.creator,) if item.creator else ()
    media: Callable[[Item], frozenset[str]] = lambda _item: NOTHING
