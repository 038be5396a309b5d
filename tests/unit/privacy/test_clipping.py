"""Encoded vectors keep their plan's integer bounds, whatever the values and the dither."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confidante.core.errors import DataError
from confidante.core.values import SparseRows
from confidante.privacy.clipping import IntegerRows, decode, encode
from confidante.privacy.plan import Cohort, SumPlan, plan_sum

COHORT = Cohort(devices=100)
FINE = plan_sum("fine", 64, 1.0, 0.5, 1.0, COHORT, bits=32)
COARSE = SumPlan("coarse", 64, 1.0, 0.5, 6.0, 16, 2.0, COHORT)
DENSE = SumPlan("dense", 64, 1.0, 1.0, 3.0, 16, 2.0, COHORT)  # 64 entries round to more than l2_int^2 = 9
QUIET = SumPlan("quiet", 64, 1.0, 0.5, 6.0, 16, 0.0, COHORT)

entry = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324])
a_row = st.dictionaries(st.integers(0, 63), entry | st.floats(-1, 1), max_size=64)


def sparse(*rows: dict[int, float], length: int = 64) -> SparseRows:
    indptr = np.cumsum([0, *(len(row) for row in rows)])
    indices = np.array([i for row in rows for i in row], dtype=np.int64)
    values = np.array([v for row in rows for v in row.values()], dtype=np.float64)
    return SparseRows(indptr, indices, values, length)


def dithers(rows: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, rows, dtype=np.uint64)


@pytest.mark.parametrize("plan", [FINE, COARSE, DENSE, QUIET], ids=lambda plan: plan.task)
@given(rows=st.lists(a_row, max_size=5), seed=st.integers(0, 2**32))
def test_integer_norms_hold_for_any_row(plan, rows, seed):
    encoded = encode(sparse(*rows), plan, dithers(len(rows), seed))
    for row in range(len(rows)):
        vector = [int(v) for v in encoded.dense(row)]
        assert max(abs(v) for v in vector) <= plan.linf_int
        assert sum(v * v for v in vector) <= plan.l2_int_squared


@pytest.mark.parametrize("plan", [COARSE, QUIET], ids=lambda plan: plan.task)
@given(rows=st.lists(a_row, min_size=1, max_size=5), seed=st.integers(0, 2**32))
def test_a_batch_and_its_rows_alone_give_the_same_integers(plan, rows, seed):
    dither = dithers(len(rows), seed)
    batch = encode(sparse(*rows), plan, dither)
    for i, row in enumerate(rows):
        alone = encode(sparse(row), plan, dither[i : i + 1])
        assert np.array_equal(batch.dense(i), alone.dense(0))


@given(rows=st.lists(a_row, min_size=1, max_size=5), seed=st.integers(0, 2**32))
def test_without_noise_no_dither_matters(rows, seed):
    one = encode(sparse(*rows), QUIET, dithers(len(rows), seed))
    other = encode(sparse(*rows), QUIET, dithers(len(rows), seed + 1))
    assert np.array_equal(one.values, other.values)


def test_without_noise_entries_go_to_the_nearest_integer():
    row = {0: 0.24 / 6, 1: 0.26 / 6, 2: 0.5 / 6, 3: -0.51 / 6, 4: 1.5 / 6, 5: -1.49 / 6}
    assert encode(sparse(row), QUIET, dithers(1)).values.tolist() == [0, 0, 0, -1, 2, -1]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_with_its_place(bad):
    with pytest.raises(DataError, match="entry 7 of row 1"):
        encode(sparse({0: 1.0}, {7: bad}), FINE, dithers(2))


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (sparse({64: 1.0}), "outside 0 to 63"),
        (sparse({-1: 1.0}), "outside 0 to 63"),
        (sparse({0: 1.0}, length=63), "63 entries"),
        (SparseRows(np.array([0, 3]), np.array([5, 1, 5]), np.ones(3), 64), "row 0 repeats index 5"),
        (SparseRows(np.array([0, 1]), np.array([5]), np.ones(2), 64), "fit together"),
    ],
)
def test_rows_that_would_break_the_bound_are_refused(rows, problem):
    with pytest.raises(DataError, match=problem):
        encode(rows, FINE, dithers(1))


def test_one_dither_a_row_is_asked_for():
    with pytest.raises(DataError, match="dither"):
        encode(sparse({0: 1.0}), FINE, dithers(2))


def test_rounding_is_unbiased_and_decode_returns_the_units():
    """Mean of 40,000 roundings within 5 deviations (false alarm below 64 * 6e-7)."""
    plan = SumPlan("t", 64, 1.0, 1.0, 20.0, 16, 1.0, COHORT)
    row = {i: 0.05 + 0.001 * i for i in range(64)}
    many = 40_000
    mean = decode(encode(sparse(*([row] * many)), plan, dithers(many)).sum(), plan) / many
    assert np.abs(mean - np.array(list(row.values()))).max() < 5 * 0.5 / plan.scale / np.sqrt(many)


def test_a_row_at_its_bound_loses_little_to_rounding():
    """Neither truncation's bias (half an integer an entry) nor more than the documented room."""
    row = dict.fromkeys(range(30), 1 / np.sqrt(30))
    plan = plan_sum("t", 64, 1.0, 1.0, 1.0, Cohort(1000), bits=20)
    many = 20_000
    mean = decode(encode(sparse(*([row] * many)), plan, dithers(many)).sum(), plan)[:30] / many
    room = (1.5 + 30 / 8 / plan.l2_int) / plan.l2_int
    assert mean.mean() * np.sqrt(30) > 1 - room - 0.002


def test_integer_vectors_within_the_bound_are_kept_exactly():
    plan = SumPlan("votes", 64, 3.0, 1.0, 1.0, 16, 0.0, COHORT)
    row = dict.fromkeys(range(0, 45, 5), 1.0)
    encoded = encode(sparse(row), plan, dithers(1))
    assert encoded.values.tolist() == [1] * 9


def test_sum_is_exact_beyond_float64_too():
    huge = np.array([2**53, 1, -(2**53)], dtype=np.int64)
    rows = IntegerRows(np.array([0, 1, 2, 3]), np.zeros(3, dtype=np.int64), huge, 2)
    assert rows.sum().tolist() == [1, 0]


def test_sum_is_the_sum_of_dense_rows():
    encoded = encode(sparse({3: 0.2, 9: -0.1}, {}, {9: 0.4}), FINE, dithers(3))
    assert np.array_equal(encoded.sum(), sum(encoded.dense(i) for i in range(3)))
    assert np.array_equal(encoded.select(np.array([2, 0])).dense(0), encoded.dense(2))
