"""What each kind of event says of its item: one table that importers, API, command line and Python read.

Kinds are compared by `plain_kind`: "Thumbs Down", "thumbs_down" and "thumbs-down" are one. A pack adds words
of its domain, and may say otherwise of a word that stands here.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import final

_BETWEEN = re.compile(r"[\s_-]+")

LIKE = "pick"
"""The kind of event that `Device.pick` records: what a person chose as loved."""


class Signal(StrEnum):
    """What an event says.

    FOR: it was liked, or chosen freely. AGAINST: it was not liked. NEUTRAL: nothing, as where it was only
    shown. WISH: it is wanted and was not had. SEEN: it was had, which says nothing of liking. PRIVATE: it is
    not to be remembered.
    """

    FOR = "for"
    AGAINST = "against"
    NEUTRAL = "neutral"
    WISH = "wish"
    SEEN = "seen"
    PRIVATE = "private"


class ValueOf(StrEnum):
    """What the value of an event is.

    RATING: how much it was liked; more is better, and below 0 is against. AMOUNT: minutes, a price, a count:
    it is kept and shown, and says nothing of liking.
    """

    RATING = "rating"
    AMOUNT = "amount"


@final
@dataclass(frozen=True, slots=True)
class EventKind:
    """What one kind of event says.

    signal: see `Signal`. strength: how much one such event says, above 0; for FOR and AGAINST. sequential:
    whether what came before and after it says anything. value: what the event's value is. unit: the value's,
    in a word, as "stars"; empty where there is none to show.

    Stability: provisional.
    """

    signal: Signal = Signal.FOR
    strength: float = 1.0
    sequential: bool = True
    value: ValueOf = ValueOf.AMOUNT
    unit: str = ""

    @property
    def weight(self) -> float:
        """How much one such event without a value says for what is like its item; below 0: against."""
        return {Signal.FOR: self.strength, Signal.AGAINST: -self.strength}.get(self.signal, 0.0)

    @property
    def had(self) -> bool:
        """Whether the person had the item, so that it is not offered as new."""
        return self.signal in {Signal.FOR, Signal.AGAINST, Signal.SEEN}


def plain_kind(kind: str) -> str:
    """Return a kind of event as it is compared: without case, blanks, `_` and `-`."""
    return _BETWEEN.sub("", unicodedata.normalize("NFKC", kind).casefold())


def kinds(says: EventKind, words: str) -> dict[str, EventKind]:
    """Return entries of a table for `words`, parted by commas, that all say the same."""
    return {plain_kind(word): says for word in words.split(",")}


_RATED = EventKind(value=ValueOf.RATING)

CORE_EVENTS: Mapping[str, EventKind] = MappingProxyType(
    {
        **kinds(
            EventKind(), "view, click, open, use, visit, share, follow, subscribe, done, finish, finished"
        ),
        **kinds(EventKind(), "complete, completed, buy, bought, purchase, purchased, order, ordered"),
        **kinds(
            EventKind(), "like, liked, love, loved, favorite, favorites, favourite, favourites, star, starred"
        ),
        **kinds(EventKind(), "thumbs-up, upvote, recommended, positive, applause, heart"),
        **kinds(_RATED, "rating, rate, rated, review, reviewed, score"),
        **kinds(EventKind(sequential=False), LIKE),
        **kinds(
            EventKind(Signal.AGAINST), "dislike, disliked, hate, hated, ban, banned, block, blocked, hide"
        ),
        **kinds(
            EventKind(Signal.AGAINST), "hidden, thumbs-down, downvote, negative, not-interested, not-for-me"
        ),
        **kinds(
            EventKind(Signal.AGAINST), "skip, skipped, abandon, abandoned, drop, dropped, did-not-finish, dnf"
        ),
        **kinds(EventKind(Signal.AGAINST), "unfinished, gave-up, dismiss, dismissed, returned, refunded"),
        **kinds(
            EventKind(Signal.NEUTRAL),
            "impression, shown, exposure, exposed, displayed, advertisement, ad, ads",
        ),
        **kinds(
            EventKind(Signal.NEUTRAL), "promoted, sponsored, trailer, preview, notification, started, paused"
        ),
        **kinds(
            EventKind(Signal.NEUTRAL),
            "in-progress, on-hold, undo, unlike, unliked, unfavorite, unstar, unsave",
        ),
        **kinds(
            EventKind(Signal.WISH),
            "wish, wished, wishlist, want, wanted, plan, planned, plan-to, later, saved",
        ),
        **kinds(EventKind(Signal.WISH), "save, bookmark, bookmarked, queue, queued, to-do, unread, backlog"),
        **kinds(EventKind(Signal.SEEN), "seen, known, had, owned, own"),
        **kinds(EventKind(Signal.PRIVATE), "private, incognito, private-session, deleted, withdrawn"),
    }
)
"""The kinds that every domain has."""
