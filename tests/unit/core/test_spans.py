"""Spans of time in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confidante.core.durations import spoken

SIZES = {"day": 86_400, "hour": 3600, "minute": 60, "second": 1}


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5.0, "0 seconds"),
        (0.0, "0 seconds"),
        (0.2, "1 second"),
        (59.5, "1 minute"),
        (61, "1 minute 1 second"),
        (1000, "16 minutes 40 seconds"),
        (3599.5, "1 hour"),
        (3601, "1 hour 1 minute"),
        (86_399, "1 day"),
        (7 * 86_400, "7 days"),
        (7 * 86_400 + 1, "7 days 1 hour"),
        (86_400 + 23 * 3600 + 1, "2 days"),
    ],
)
def test_a_span_in_words(seconds: float, said: str) -> None:
    assert spoken(seconds) == said


@given(st.floats(0, 1e8))
def test_words_are_two_units_and_never_less_than_the_span(seconds: float) -> None:
    words = spoken(seconds).split()
    assert len(words) in (2, 4)
    counts, names = words[::2], [name.removesuffix("s") for name in words[1::2]]
    meant = sum(int(count) * SIZES[name] for count, name in zip(counts, names, strict=True))
    assert seconds <= meant <= seconds + 3600 + 1
