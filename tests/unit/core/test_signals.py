"""Kinds of event: one table, however they are spelled."""

import pytest

from confidante.packs.base import NONE
from confidante.packs.media import MEDIA
from confidante.packs.signals import CORE_EVENTS, Signal, ValueOf, plain_kind


@pytest.mark.parametrize("kind", ["Thumbs Down", "thumbs_down", "THUMBS-DOWN", "thumbsdown", "Thumbs  down"])
def test_a_kind_is_one_however_it_is_spelled(kind: str) -> None:
    assert NONE.event(kind).signal is Signal.AGAINST


@pytest.mark.parametrize(
    ("kind", "signal"),
    [
        ("Dislike", Signal.AGAINST),
        ("skipped", Signal.AGAINST),
        ("did-not-finish", Signal.AGAINST),
        ("Plan to Watch", Signal.WISH),
        ("unread", Signal.WISH),
        ("impression", Signal.NEUTRAL),
        ("seen", Signal.SEEN),
        ("incognito", Signal.PRIVATE),
        ("scrobble", Signal.FOR),
        ("PLANNING", Signal.WISH),
        ("plan_to_read", Signal.WISH),
        ("on_hold", Signal.NEUTRAL),
        ("PAUSED", Signal.NEUTRAL),
        ("CURRENT", Signal.NEUTRAL),
        ("Rewatching", Signal.FOR),
        ("REPEATING", Signal.FOR),
        ("media.scrobble", Signal.FOR),
        ("fwdbtn", Signal.AGAINST),
        ("Not Recommended", Signal.AGAINST),
        ("did\N{NON-BREAKING HYPHEN}not\N{NON-BREAKING HYPHEN}finish", Signal.AGAINST),
        ("addtocart", Signal.FOR),
        ("transaction", Signal.FOR),
        ("refund", Signal.AGAINST),
        ("view_item_list", Signal.NEUTRAL),
        ("in_collection", Signal.SEEN),
        ("unlike", Signal.NEUTRAL),
        ("nobody declared this", Signal.SEEN),
    ],
)
def test_each_signal_has_its_words(kind: str, signal: Signal) -> None:
    assert MEDIA.event(kind).signal is signal


def test_what_was_only_shown_or_wanted_was_not_had() -> None:
    had = {signal: any(k.had for k in CORE_EVENTS.values() if k.signal is signal) for signal in Signal}
    assert {signal for signal, one in had.items() if one} == {Signal.FOR, Signal.AGAINST, Signal.SEEN}


def test_a_rating_is_a_scale_and_minutes_are_an_amount() -> None:
    assert MEDIA.event("Rated").value is ValueOf.RATING
    assert MEDIA.event("play").value is ValueOf.AMOUNT


def test_every_word_of_the_tables_is_kept_as_it_is_compared() -> None:
    assert all(kind == plain_kind(kind) for kind in (*CORE_EVENTS, *MEDIA.events))
