"""Both indexes keep the contract; the flat one is exact for whatever numbers a model has."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from index_contract import (
    brute_force,
    check_answer,
    check_index,
    random_model,
    random_queries,
)

from confidante.device.catalog.index import FlatIndex, choose
from confidante.device.catalog.index.ann import AnnIndex
from confidante.models.served import ServedModel, ServedPart


@pytest.mark.parametrize("ordered", [False, True], ids=["in random order", "lighter and lighter"])
@pytest.mark.parametrize(
    ("rows", "columns"), [(60, (5,)), (5_000, (8, 3)), (9_000, (64,)), (9_000, (24, 40))]
)
def test_the_flat_index_keeps_the_contract_exactly(rows, columns, ordered):
    check_index(FlatIndex, random_model(rows, columns, seed=rows, ordered=ordered))


def test_the_graph_keeps_the_contract_and_finds_nearly_all():
    check_index(AnnIndex, random_model(6_000, (6, 4), seed=1, kinds=50), recall=0.98)


def test_an_index_of_a_model_without_parts_ranks_by_the_prior():
    model = ServedModel((), np.random.default_rng(0).random(9_000).astype(np.float32))
    found, scores = FlatIndex(model).search((), 5)
    assert found.tolist() == brute_force(model, (), 5).tolist()
    assert np.array_equal(scores, model.prior[found])


def test_everything_removed_and_then_more_added_is_no_trouble():
    model = random_model(800, (4,), seed=3)
    for make in (FlatIndex, AnnIndex):
        index = make(model.subset(np.arange(400)))
        index.remove(np.arange(400))
        assert len(index.search(random_queries(model, 0), 5)[0]) == 0
        index.add(model)
        found, _ = index.search(random_queries(model, 0), 5)
        assert len(found) == 5
        assert (found >= 400).all()


def test_an_empty_model_has_nothing_to_find():
    nothing = random_model(0, (4,), seed=0)
    for make in (FlatIndex, AnnIndex):
        assert len(make(nothing).search((np.ones(4),), 3)[0]) == 0


@given(
    st.integers(0, 10**6),
    st.floats(-30, 30),
    st.floats(-30, 30),
    st.integers(1, 4_000),
    st.floats(0, 1),
    st.booleans(),
)
def test_the_flat_index_is_exact_whatever_the_sizes_of_the_numbers(seed, prior, weight, n, part, with_bonus):
    """Priors that drown the parts and the other way round, heavy ties, filters, a bonus: always the best."""
    rng = np.random.default_rng(seed)
    rows = 6_000
    vectors = rng.integers(-2, 3, (rows, 5)).astype(np.int8)  # few different rows: many ties
    model = ServedModel(
        (
            ServedPart(
                "part",
                vectors,
                rng.normal(size=5).astype(np.float32),
                np.ones(rows, np.float32),
                np.full(rows, 2.0**weight, np.float32),
                3.0,
            ),
        ),
        (rng.integers(0, 3, rows) * 2.0**prior).astype(np.float32),
    )
    queries = random_queries(model, seed)
    bonus = rng.integers(0, 2, rows).astype(np.float32) if with_bonus else None
    allowed = rng.random(rows) < part
    found, scores = FlatIndex(model).search(queries, n, allowed=allowed, bonus=bonus)
    check_answer(model, found, scores, queries, bonus)
    assert np.array_equal(found, brute_force(model, queries, n, allowed=allowed, bonus=bonus))


def test_rows_that_cannot_matter_are_not_looked_at():
    """With rows from heavy to light the scan stops early: what it did not look at holds no score."""
    model = random_model(100_000, (8,), seed=0, ordered=True)
    index = FlatIndex(model)
    rows = np.arange(5)
    found, _ = index.search(model.queries(rows, np.zeros(5), np.ones(5)), 10)
    assert len(found) == 10
    assert index.looked_at < 0.6 * model.rows


def test_the_flat_index_takes_eight_megabytes_for_a_hundred_thousand_items():
    assert FlatIndex(random_model(100_000, (64,), seed=0)).nbytes <= 8.39e6


def test_a_graph_is_chosen_for_large_libraries_within_the_budget():
    model = random_model(500, (4,), seed=0)
    assert isinstance(choose(model), FlatIndex)
    assert isinstance(choose(model, above=100), AnnIndex)
    assert isinstance(choose(model, above=100, budget_bytes=10_000), FlatIndex)
