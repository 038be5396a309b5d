"""The choice of a bucket tells no more of a history than it says, by the weights and by what is drawn."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confidante.core.entropy import SystemEntropy
from confidante.core.errors import DataError
from confidante.device.refinement.bucket import MOST_EPSILON, choose, weights

EPSILON = 1.0
CENTROIDS = np.array([[9, 0], [0, 9], [-9, 0], [0, -9], [6, 6]], dtype=np.int8)
ONE, OTHER, NOBODY = np.array([127, 5]), np.array([-127, 3]), np.array([0, 0])
DRAWS = 20_000


def frequencies(choice, query):
    counted = Counter(choice(query) for _ in range(DRAWS))
    return np.array([counted[bucket] / DRAWS for bucket in range(len(CENTROIDS))])


def within(choice, epsilon):
    """Whether no ratio of frequencies exceeds e^epsilon by more than chance allows (five standard errors)."""
    seen = [frequencies(choice, query) for query in (ONE, OTHER, NOBODY)]
    for p in seen:
        for q in seen:
            spread = np.sqrt(p * (1 - p) / DRAWS) + math.exp(epsilon) * np.sqrt(q * (1 - q) / DRAWS)
            if (p > math.exp(epsilon) * q + 5 * spread + 1e-12).any():
                return False
    return True


def test_what_is_drawn_keeps_the_likelihood_ratio_that_was_promised():
    assert within(lambda query: choose(CENTROIDS, query, EPSILON, SystemEntropy()), EPSILON)


def test_the_same_test_refuses_a_choice_that_gives_away_more():
    entropy = SystemEntropy()
    assert not within(lambda query: choose(CENTROIDS, query, 1.3 * EPSILON, entropy), EPSILON)
    assert not within(lambda query: int(np.argmax(CENTROIDS.astype(int) @ query)), EPSILON)


def test_each_bucket_is_drawn_as_often_as_its_weight_says():
    near, weight = weights(len(CENTROIDS), EPSILON)
    assert near == 1
    whole = weight + 4 * 2**32
    expected = np.array([weight, 2**32, 2**32, 2**32, 2**32]) / whole
    seen = frequencies(lambda query: choose(CENTROIDS, query, EPSILON, SystemEntropy()), ONE)
    chi_squared = (DRAWS * (seen - expected) ** 2 / expected).sum()
    assert chi_squared < 33  # four degrees of freedom: once in a million


@given(
    buckets=st.integers(1, 4096),
    epsilon=st.floats(0, MOST_EPSILON, exclude_min=True) | st.floats(0, 1e-9, exclude_min=True),
)
def test_the_weights_are_whole_numbers_whose_ratio_stays_below(buckets, epsilon):
    near, weight = weights(buckets, epsilon)
    assert 1 <= near <= max(1, math.ceil(buckets / 2))
    assert 2**32 <= weight <= math.exp(epsilon) * 2**32


def test_the_nearest_of_many_buckets_are_those_that_are_drawn_more_often():
    rng = np.random.default_rng(0)
    centroids = rng.integers(-127, 128, (16, 8)).astype(np.int8)
    query = rng.integers(-127, 128, 8)
    best = int(np.argmax(centroids.astype(int) @ query))
    drawn = Counter(choose(centroids, query, MOST_EPSILON, SystemEntropy()) for _ in range(200))
    assert drawn[best] > 190


def test_one_bucket_is_always_the_one():
    assert choose(CENTROIDS[:1], ONE, 0.1, SystemEntropy()) == 0


@pytest.mark.parametrize("epsilon", [0.0, -1.0, 10.1, math.nan, math.inf])
def test_an_epsilon_that_promises_nothing_is_refused(epsilon):
    with pytest.raises(DataError):
        choose(CENTROIDS, ONE, epsilon, SystemEntropy())


@pytest.mark.parametrize(
    ("centroids", "query"),
    [(CENTROIDS[:0], ONE), (CENTROIDS, ONE[:1]), (CENTROIDS, ONE * 0.5), (CENTROIDS[0], ONE)],
)
def test_what_does_not_fit_is_refused(centroids, query):
    with pytest.raises(DataError):
        choose(centroids, query, EPSILON, SystemEntropy())
