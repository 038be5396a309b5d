"""A value counts: on the person's own scale, whatever the scale."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from confidante.packs.base import NONE, Pack
from confidante.packs.media import MEDIA
from confidante.packs.signals import OUT_OF
from confidante.packs.weights import top_of, weigh


def weights(
    values: Sequence[float], kind: str = "rating", *, pack: Pack = MEDIA, top: float | None = None
) -> NDArray[np.float64]:
    many = len(values)
    return weigh(pack, [kind] * many, np.arange(many), list(values), [top] * many).weights


def test_horror_at_half_a_star_is_against_though_the_mean_is_low() -> None:
    found = weights([0.5] * 8 + [5.0] * 2)
    assert (found[:8] < 0).all()
    assert (found[8:] == 1).all()


def test_a_four_of_who_rates_fours_and_fives_counts_less_and_not_against() -> None:
    for fours in (1, 10):  # who rates nearly all 4 means it
        found = weights([4.0] * fours + [5.0] * (20 - fours))
        assert (found[:fours] > 0).all()
        assert (found[:fours] < found[fours:].max()).all()


def test_all_threes_are_somewhat_for() -> None:
    assert ((weights([3.0] * 20) > 0) & (weights([3.0] * 20) < 1)).all()


@pytest.mark.parametrize("kind", ["read", "completed", "Review"])
def test_a_kind_that_is_for_follows_its_rating(kind: str) -> None:
    one, five, none = weigh(MEDIA, [kind] * 3, np.arange(3), [1.0, 5.0, None], [None] * 3).weights
    assert one < 0 < five == none


@pytest.mark.parametrize(
    ("bad", "good", "top"),
    [
        (1, 5, 5.0),
        (2, 10, 10.0),
        (15, 95, 100.0),
        (0, 1, None),
        (-1, 1, None),
        (2, 9, None),
        (0.5, 4.5, 5.0),
    ],
)
def test_every_scale_has_its_bad_and_its_good_end(bad: float, good: float, top: float | None) -> None:
    for pack in (MEDIA, NONE):
        found = weights([good] * 6 + [bad] * 2, "rating", pack=pack, top=top)
        assert (found[:6] > 0).all()
        assert (found[6:] < 0).all()


def test_each_rating_is_read_on_its_own_scale() -> None:
    found = weigh(MEDIA, ["rating"] * 4, np.arange(4), [3.0, 3.0, 8.0, 9.0], [None, 10.0, 10.0, 10.0]).weights
    assert found[0] > 0 > found[1]
    assert top_of({OUT_OF: "10"}) == 10
    assert top_of({OUT_OF: "ten"}) is None is top_of({})


def test_no_star_is_no_rating_and_an_amount_says_nothing() -> None:
    assert weights([0.0, 4.0, 4.0])[0] == 1
    assert weights([-3.0, 0.0, 240.0], "play").tolist() == [1, 1, 1]
    assert weights([5.0, 1.0], "dislike").tolist() == [-1, -1]


def test_the_words_name_the_usual_rating() -> None:
    found = weigh(MEDIA, ["rating"] * 5, np.arange(5), [1.0, 4.0, 4.0, 5.0, 5.0], [None] * 5)
    assert found.words[0] == "you rated it 1 of 5, below your usual 3.8"
