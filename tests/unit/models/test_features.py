"""The feature basis is a function of the public catalogue alone, and every item has a row in it."""

import numpy as np
import pytest

from confidante.core.values import Catalogue
from confidante.models.features import CONSTANT, feature_basis
from confidante.packs.media import MEDIA
from confidante.tasks.base import NoisySum
from confidante.tasks.feature_pairs import FeaturePairTask, feature_map


def catalogue(*rows):
    """One item a (title, labels)."""
    whole = Catalogue(
        tuple(map(str, range(len(rows)))),
        tuple(title for title, _ in rows),
        tuple(tuple(labels) for _, labels in rows),
    )
    return MEDIA.read(whole)


def carried(basis, item):
    return {name for name, value in zip(basis.names, basis.matrix[item], strict=True) if value > 0}


def test_labels_and_year_bins_and_a_constant_become_columns():
    basis = feature_basis(
        catalogue(
            ("One (1994)", ["Drama"]),
            ("Two (1990)", ["Drama", "War"]),
            ("Three (1995)", ["War"]),
            ("Four (1999) ", []),
            ("Five (1995), the sequel", ["Drama"]),
        ),
        min_items=2,
    )
    assert basis.names == ("Drama", "1990-1994", "1995-1999", "War", CONSTANT)
    assert carried(basis, 0) == {"Drama", "1990-1994", CONSTANT}
    assert carried(basis, 1) == {"Drama", "War", "1990-1994", CONSTANT}
    assert carried(basis, 2) == {"War", "1995-1999", CONSTANT}
    assert carried(basis, 3) == {"1995-1999", CONSTANT}
    assert carried(basis, 4) == {"Drama", CONSTANT}  # a year in the middle is no year


def test_rare_labels_are_left_out_and_the_most_frequent_kept():
    rows = [("", ["all", f"third-{i % 3}", f"own-{i}"]) for i in range(30)]
    basis = feature_basis(catalogue(*rows))
    assert basis.names == ("all", "third-0", "third-1", "third-2", CONSTANT)
    assert feature_basis(catalogue(*rows), max_features=2).names == ("all", "third-0", CONSTANT)


def test_an_item_without_labels_has_the_constant_only():
    basis = feature_basis(catalogue(("", []), ("", ["a"]), ("", ["a", "a"])), min_items=2)
    assert basis.matrix[0].tolist() == [0, 1]
    assert basis.matrix[1].tolist() == basis.matrix[2].tolist()


def test_every_row_is_finite_and_of_norm_1_and_the_same_each_time():
    rows = [(f"T{i} ({1900 + i})", ["abc"[j] for j in range(3) if i >> j & 1]) for i in range(100)]
    basis, again = feature_basis(catalogue(*rows)), feature_basis(catalogue(*rows))
    assert np.linalg.norm(basis.matrix, axis=1) == pytest.approx(np.ones(100), abs=1e-6)
    assert basis.names == again.names
    assert np.array_equal(basis.matrix, again.matrix)


def test_a_bin_that_the_catalogue_gives_itself_is_not_counted_twice():
    basis = feature_basis(catalogue(("A (1996)", ["1995-1999"]), ("B", ["1995-1999"])), min_items=2)
    assert basis.names == ("1995-1999", CONSTANT)
    assert basis.matrix[0].tolist() == basis.matrix[1].tolist()


def test_the_feature_map_is_the_projection_of_the_pair_density():
    """With features that tell three kinds of items apart, it gives each pair of kinds its own density."""
    features = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)  # 12 items, 4 a kind
    task = FeaturePairTask(features, 1, 1.0, 10)
    pairs = np.array([[0.0, 5.0, 1.0], [5.0, 2.0, 0.0], [1.0, 0.0, 3.0]])
    upper = np.triu_indices(3)
    mapped = feature_map(task, NoisySum(pairs[upper], 0.0, 10), np.ones(12), 0.5)
    assert mapped.reliability == 1
    share = 1 / 3  # of popularity in each kind
    assert mapped.matrix == pytest.approx(pairs / 10 / (share + 0.002) ** 2, rel=1e-5)
    assert mapped.item_weights == pytest.approx(np.ones(12))


def test_the_feature_map_knows_how_much_of_it_is_noise():
    features = np.random.default_rng(0).random((40, 9)).astype(np.float32)
    task = FeaturePairTask(features, 1, 1.0, 10)
    values = np.random.default_rng(1).normal(0, 2.0, task.length)

    def reliability(signal, variance):
        return feature_map(task, NoisySum(signal + values, variance, 100), np.ones(40), 0.5).reliability

    found = [reliability(signal, 4.0) for signal in (0.0, 2.0, 10.0, 100.0)]
    assert found == sorted(found)
    # The energy of 45 normals is above twice its mean with a chance of 8e-5.
    assert found[0] < 0.5
    assert found[-1] > 0.99
    assert reliability(0.0, 1.0) > 0.5  # noise stated 4 times too small is taken for signal
    nothing = feature_map(task, NoisySum(np.zeros(task.length), 0.0, 0), np.ones(40), 0.5)
    assert nothing.reliability == 0
    assert np.isfinite(nothing.matrix).all()
