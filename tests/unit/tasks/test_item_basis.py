"""The item basis keeps signal and drops noise, as the noise's known level says.

Pure noise: by Tracy and Widom's law the largest eigenvalue of a symmetric Gaussian matrix still exceeds the
edge 2 sd sqrt(M) now and then. Of 1,500 draws of 80 x 80, 14 % kept something and none more than two
components: a test that allows three fails by chance with a probability below 1e-3 a draw. Seeds are fixed.
"""

import numpy as np
import pytest

from confidante.tasks.base import NoisySum
from confidante.tasks.item_pairs import ItemPairTask, basis_size, item_basis

SIZE = 120
TASK = ItemPairTask(np.arange(SIZE), np.ones(SIZE), SIZE, 5, 3.0, 100)
UPPER = np.triu_indices(SIZE, 1)


def learnt(values, variance, power=1.0, max_rank=SIZE):
    total = NoisySum(values, variance, 100)
    return item_basis(TASK, total, power=power, history_weights=np.ones(SIZE), max_rank=max_rank)


def directions(count, seed):
    """Orthonormal columns."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(SIZE, count)))[0]


def noise(sd, seed):
    return np.random.default_rng(seed).normal(0, sd, TASK.length)


def planted(strengths, sd, seed):
    vectors = directions(len(strengths), seed)
    return (vectors * np.array(strengths)) @ vectors.T, vectors, noise(sd, seed + 1)


def test_without_noise_a_low_rank_matrix_comes_back():
    left, right = directions(4, 0)[: SIZE // 2], directions(4, 1)[: SIZE // 2]
    matrix = np.zeros((SIZE, SIZE))  # two blocks that follow each other: rank 8, no diagonal
    matrix[: SIZE // 2, SIZE // 2 :] = left @ right.T
    matrix += matrix.T
    basis = learnt(matrix[UPPER], 0.0, max_rank=8)
    largest = np.abs(np.linalg.eigvalsh(matrix)).max()
    rebuilt = (basis.vectors * basis.strengths) @ basis.vectors.T * largest
    assert basis.reliability == pytest.approx(1)
    assert rebuilt == pytest.approx(matrix, abs=2e-3 * np.abs(matrix).max())  # vectors have 11 bits


def test_the_power_flattens_the_spectrum_and_keeps_its_signs():
    matrix, _, _ = planted([9.0, -4.0, 2.0], 0.0, 2)
    straight, flat = learnt(matrix[UPPER], 0.0, max_rank=3), learnt(matrix[UPPER], 0.0, 0.5, max_rank=3)
    assert np.sign(straight.strengths).tolist() == [1, -1, 1]
    assert flat.strengths == pytest.approx(
        np.sign(straight.strengths) * np.sqrt(np.abs(straight.strengths)), rel=1e-6
    )
    assert np.abs(straight.strengths).max() == np.abs(flat.strengths).max() == 1


def test_pure_noise_leaves_nothing_or_next_to_nothing():
    bases = [learnt(noise(2.0, seed), 4.0) for seed in range(20)]
    assert max(len(basis.strengths) for basis in bases) <= 3
    assert sum(len(basis.strengths) == 0 for basis in bases) >= 10
    assert max(basis.reliability for basis in bases) < 0.3


def test_noise_whose_variance_is_understated_by_4_is_taken_for_signal():
    """So the test above can fail. Of a semicircle 39 % lies outside half its radius."""
    for seed in range(3):
        basis = learnt(noise(2.0, seed), 1.0)
        assert 0.3 * SIZE < len(basis.strengths) < 0.5 * SIZE
        assert basis.reliability > 0.4


def test_a_planted_signal_is_found_among_noise_at_its_rank():
    unit = np.sqrt(SIZE)  # the spectral size of noise of sd 1
    matrix, vectors, noisy = planted([6 * unit, -5 * unit, 4 * unit], 1.0, 3)
    basis = learnt(matrix[UPPER] + noisy, 1.0)
    assert 3 <= len(basis.strengths) <= 5
    overlap = np.abs(np.sum(basis.vectors[:, :3] * vectors, axis=0))
    # The overlap of a spike of t noise units is sqrt(1 - 1/t^2): .97 for the weakest; .03 is for chance.
    assert (overlap > np.sqrt(1 - 1 / np.array([6, 5, 4]) ** 2) - 0.03).all()
    # Its eigenvalue t + 1/t shrinks to t - 1/t.
    expected = np.array([6 - 1 / 6, -(5 - 1 / 5), 4 - 1 / 4]) / (6 - 1 / 6)
    assert basis.strengths[:3] == pytest.approx(expected, abs=0.06)
    assert learnt(matrix[UPPER] + noisy, 1.0, max_rank=2).strengths.shape == (2,)


def test_reliability_grows_with_the_signal():
    unit = np.sqrt(SIZE)
    found = []
    for strength in (1.5, 2, 4, 8, 16):
        matrix, _, noisy = planted([strength * unit] * 3, 1.0, 4)
        found.append(learnt(matrix[UPPER] + noisy, 1.0).reliability)
    assert found == sorted(found)
    assert found[0] < 0.7
    assert 0.97 < found[-1] < 1


def test_nothing_at_all_gives_an_empty_basis():
    for variance in (0.0, 1.0):
        basis = learnt(np.zeros(TASK.length), variance)
        assert basis.reliability == 0
        assert len(basis.strengths) == 0
        assert basis.vectors.shape == (SIZE, 0)


POPULAR = np.sort(np.random.default_rng(7).lognormal(3, 1.5, 500))[::-1]


def test_more_noise_never_gives_a_larger_basis():
    sizes = [basis_size(POPULAR, sd, 0.95, 10**6) for sd in (0, 0.1, 0.3, 1, 3, 10, 100, 1e9)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 500
    assert sizes[-1] == 2


@pytest.mark.parametrize("max_length", [1, 2, 3, 5, 6, 10, 999, 1000, 124_749, 124_750])
def test_the_basis_is_the_largest_whose_pairs_fit_the_upload(max_length):
    size = basis_size(POPULAR, 0.0, 0.95, max_length)
    assert size * (size - 1) // 2 <= max_length
    assert size == 500 or (size + 1) * size // 2 > max_length


def test_the_last_item_of_the_basis_stands_out_and_the_next_does_not():
    for sd in (0.3, 1, 3):
        size = basis_size(POPULAR, sd, 0.95, 10**6)
        assert POPULAR[size - 1] >= 0.95 * sd * np.sqrt(size)
        assert POPULAR[size] < 0.95 * sd * np.sqrt(size + 1)
