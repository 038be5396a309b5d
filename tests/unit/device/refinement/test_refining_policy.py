"""Whether to ask or to download: by bytes, of this device's own figures, and by what is wanted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confidante.device.refinement.download_policy import (
    DAY,
    PRIOR_A_DAY,
    SIZES,
    USUAL_DAYS,
    Decision,
    Policy,
    Way,
    days_between,
    decide,
    questions_expected,
)

BFV = SIZES["bfv-2048 1"]


def decided(policy: Policy = Policy.AUTO, **changed: object) -> Decision:
    given_: dict[str, object] = {
        "secret": False,
        "sizes": BFV,
        "items": 10_000,
        "scored": 10_000,
        "dimensions": 64,
        "expected": 3.0,
        "days": 7.0,
        **changed,
    }
    return decide(policy, **given_)  # type: ignore[arg-type]


def test_the_sizes_are_those_of_the_real_scheme() -> None:
    pytest.importorskip("seal")
    from confidante.crypto.he.bfv import BfvScheme

    scheme = BfvScheme()
    for dimensions, items in ((3, 1), (16, 2049)):
        question = scheme.ask(np.ones(dimensions, dtype=np.int64))
        answer = scheme.table(np.ones((items, dimensions), dtype=np.int64)).answer(question.request)
        said = BFV.question(dimensions) - len(question.request)
        assert 500 < said < 2000
        assert 0 <= BFV.answer(items, items) - items - len(answer) < 500
    assert BFV.question(64) < 2.2e6
    assert BFV.answer(10_000, 10_000) < 200_000


@given(
    st.integers(1, 10**6),
    st.integers(1, 256),
    st.floats(0, 1e4),
    st.sampled_from(sorted(SIZES)),
)
def test_break_even_is_where_downloading_becomes_no_dearer(
    items: int, dimensions: int, expected: float, scheme: str
) -> None:
    found = decided(items=items, scored=items, dimensions=dimensions, expected=expected, sizes=SIZES[scheme])
    one = found.question + found.answer
    assert found.break_even >= 1
    assert found.break_even * one >= found.download
    assert found.break_even == 1 or (found.break_even - 1) * one < found.download
    assert found.ask == round(expected * one)
    assert (found.way is Way.DOWNLOAD) == (found.download <= found.ask)


def test_many_items_and_few_questions_are_asked_for() -> None:
    assert decided(items=10_000, expected=1.0).way is Way.DOWNLOAD
    assert decided(items=1_000_000, scored=1_000_000, expected=1.0).way is Way.ASK
    found = decided(items=1_000_000, scored=1_000_000, expected=50.0)
    assert (found.way, found.break_even) == (Way.DOWNLOAD, 4)
    in_bucket = decided(items=1_000_000, scored=10_000, expected=15.0)
    assert (in_bucket.way, in_bucket.break_even) == (Way.ASK, 20)


def test_what_is_wanted_and_what_is_secret_decide_first() -> None:
    assert decided(Policy.ASK).way is Way.ASK
    assert decided(Policy.DOWNLOAD, items=10**6, expected=0.0).way is Way.DOWNLOAD
    assert decided(secret=True).way is Way.ASK
    assert decided(Policy.DOWNLOAD, secret=True).way is Way.NONE
    assert decided(sizes=None).way is Way.DOWNLOAD
    assert decided(sizes=None, secret=True).way is Way.ASK
    assert decided(items=10**6, scored=10**6, expected=0.0, at_hand=True).way is Way.DOWNLOAD
    assert decided(Policy.ASK, at_hand=True).way is Way.ASK


def test_what_is_expected_goes_from_the_prior_to_what_was_seen() -> None:
    assert questions_expected(0, 0.0, 7.0) == pytest.approx(7 * PRIOR_A_DAY)
    assert questions_expected(0, 14.0, 7.0) < 3.0
    assert questions_expected(140, 14.0, 7.0) == pytest.approx(70, rel=0.2)


def test_how_long_vectors_last_is_read_from_the_log() -> None:
    assert days_between([]) == days_between([5.0]) == USUAL_DAYS
    assert days_between([0.0, DAY, 4 * DAY]) == 2.0
    assert days_between([0.0, 1.0]) == 1 / 24
    assert days_between([0.0, 1e12]) == 90.0
