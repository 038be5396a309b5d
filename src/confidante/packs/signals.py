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

OUT_OF = "out of"
"""Name of the context that says the best value of the scale of an event's rating, as "10"."""

_BETWEEN = re.compile(r"[\s_\u2010-\u2015-]+")

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
    in a word, as "stars"; empty where there is none to show. undoes: kinds, as `plain_kind` gives them, that
    such an event takes back where they came before it, of the same item. top: the best rating of its scale;
    None: learnt from the person's own.

    Stability: provisional.
    """

    signal: Signal = Signal.FOR
    strength: float = 1.0
    sequential: bool = True
    value: ValueOf = ValueOf.AMOUNT
    unit: str = ""
    undoes: frozenset[str] = frozenset()
    top: float | None = None

    @property
    def weight(self) -> float:
        """How much one such event without a value says for what is like its item; below 0: against."""
        return {Signal.FOR: self.strength, Signal.AGAINST: -self.strength}.get(self.signal, 0.0)

    @property
    def rated(self) -> bool:
        """Whether the value of such an event says how much its item was liked."""
        return self.signal is Signal.FOR and self.value is ValueOf.RATING

    @property
    def had(self) -> bool:
        """Whether the person had the item, so that it is not offered as new."""
        return self.signal in {Signal.FOR, Signal.AGAINST, Signal.SEEN}


UNDECLARED = EventKind(Signal.SEEN)
"""What a kind says that nobody declared: its item was had, and nothing more is known."""


def plain_kind(kind: str) -> str:
    """Return a kind of event as it is compared: without case, blanks, `_` and `-`."""
    return _BETWEEN.sub("", unicodedata.normalize("NFKC", kind).casefold())


def kinds(says: EventKind, words: str) -> dict[str, EventKind]:
    """Return entries of a table for `words`, parted by commas, that all say the same."""
    return {plain_kind(word): says for word in words.split(",")}


_LIKED = """
    like, liked, love, loved, favorite, favorites, favorited, favourite, favourites, favourited, fav, faved,
    star, starred, heart, hearted, thumbs-up, thumb-up, upvote, upvoted, recommended, positive, applause, clap
"""
_HATED = """
    dislike, disliked, hate, hated, ban, banned, block, blocked, hide, hidden, thumbs-down, thumb-down,
    downvote, downvoted, negative, not-interested, not-for-me, not-recommended, do-not-recommend, mute, muted,
    see-less, show-less, less-like-this
"""
_TURNED_DOWN = """
    skip, skipped, skip-forward, abandon, abandoned, drop, dropped, did-not-finish, dnf, unfinished, gave-up,
    dismiss, dismissed, refuse, refused, reject, rejected, swipe-left, return, returned, refund, refunded,
    unsubscribe, unsubscribed, unfollow, unfollowed, report, reported
"""
_DID = """
    view, viewed, click, clicked, open, opened, use, used, visit, visited, detail-view, detail-page-view,
    view-item, select, selected, select-item, page-view, pv, share, shared, follow, followed, subscribe,
    subscribed, comment, commented, download, downloaded, install, installed, done, finish, finished,
    complete, completed, repeat, repeated, repeating
"""
_BOUGHT = """
    buy, bought, purchase, purchased, purchase-complete, order, ordered, order-completed, transaction, paid,
    cart, add-to-cart, added-to-cart, cart-addition, basket, begin-checkout, checkout, collect, booked
"""
_ONLY_SHOWN = """
    impression, impressions, shown, exposure, exposed, displayed, view-item-list, advertisement, ad, ads,
    promoted, sponsored, trailer, preview, teaser, notification, suggested, search, searched
"""
_UNDECIDED = """
    started, start, paused, pause, resume, resumed, stop, stopped, in-progress, current, currently, on-hold,
    hold, remove-from-cart, removed-from-cart, undo, unsave, unsaved, neutral, none, unrated
"""
_WISHED = """
    wish, wished, wishes, wishlist, wishlisted, add-to-wishlist, want, wanted, plan, planned, planning,
    plan-to, later, for-later, saved-for-later, saved, save, bookmark, bookmarked, queue, queued, to-do,
    unread, backlog, interested, reminder, not-started, not-yet
"""

CORE_EVENTS: Mapping[str, EventKind] = MappingProxyType(
    {
        **kinds(EventKind(), _DID),
        **kinds(EventKind(), _BOUGHT),
        **kinds(EventKind(), _LIKED),
        **kinds(EventKind(value=ValueOf.RATING), "rating, rate, rated, review, reviewed, score, scored"),
        **kinds(EventKind(sequential=False), LIKE),
        **kinds(EventKind(Signal.AGAINST), _HATED),
        **kinds(EventKind(Signal.AGAINST), _TURNED_DOWN),
        **kinds(EventKind(Signal.NEUTRAL), _ONLY_SHOWN),
        **kinds(EventKind(Signal.NEUTRAL), _UNDECIDED),
        **kinds(
            EventKind(Signal.NEUTRAL, undoes=frozenset(kinds(EventKind(), _LIKED))),
            "unlike, unliked, unlove, unloved, unfavorite, unfavorited, unfavourite, unstar, unheart",
        ),
        **kinds(
            EventKind(Signal.NEUTRAL, undoes=frozenset(kinds(EventKind(), _HATED))),
            "undislike, undisliked, unhate, unban, unblock, unblocked, unhide, unmute",
        ),
        **kinds(EventKind(Signal.WISH), _WISHED),
        **kinds(EventKind(Signal.SEEN), "seen, known, had, owned, own, already-seen, already-known"),
        **kinds(EventKind(Signal.PRIVATE), "private, incognito, private-session, deleted, withdrawn"),
    }
)
"""The kinds that every domain has."""
