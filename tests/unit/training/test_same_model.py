"""The same seed gives the same published model, bit for bit, as when these digests were written down.

Digests depend on the last bits of the linear algebra that NumPy was built with, which differ between
processors. So they stand beside a fingerprint of that arithmetic: where it is a known one, models have to be
the same bytes; where it is not, the same numbers to within rounding.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from checkerboard import checkerboard

from _cold_start import Shares, train_cold
from confidante.core.values import Catalogue, Histories
from confidante.lab.experiment import Training
from confidante.models.snapshot import decode
from confidante.tasks.cohorts.tree import everyone_by
from confidante.training.publish import publish

GOLDEN = Path(__file__).parent / "golden"
ITEMS = 30
CATALOGUE = Catalogue(
    tuple(map(str, range(ITEMS))),
    tuple(f"Title {i} ({1980 + i})" for i in range(ITEMS)),
    tuple((f"kind-{i % 2}",) for i in range(ITEMS)),
)


def crowd(count):
    rng = np.random.default_rng(count)
    rows = [rng.integers(0, ITEMS, rng.integers(0, 12)) for _ in range(count)]
    indptr = np.cumsum([0, *map(len, rows)])
    return Histories(indptr, np.concatenate(rows).astype(np.int32), np.arange(indptr[-1]))


def board(**options):
    world = checkerboard(20)
    return publish(Training(**options).train(world.histories, world.catalogue).learnt, world.catalogue), b""


def training(people, **options):
    return publish(Training(bits=16, **options).train(crowd(people), CATALOGUE).learnt, CATALOGUE), b""


def with_cohorts_and_likes():
    people = crowd(300)
    cold = train_cold(
        people,
        CATALOGUE,
        epsilon=64.0,
        delta=1e-5,
        seed=5,
        shares=Shares(0.2, 0.3),
        tree=everyone_by({"age": ("young", "old")}),
        groups=np.where(np.arange(people.people) < 200, 1, 2),
        gate=100,
    )
    return cold.published, cold.table.encode()


CASES = {
    "board-without-noise": lambda: board(epsilon=None),
    "board-epsilon-8": lambda: board(epsilon=8.0, seed=3),
    "noise": lambda: training(40, epsilon=8.0),
    "noise-and-dropout": lambda: training(60, epsilon=4.0, delta=1e-3, seed=1, dropout=0.2),
    "no-noise-secure": lambda: training(20, epsilon=None, engine="secure", dropout=0.2),
    "repurchases": lambda: training(60, epsilon=8.0, seed=2, repeat=True),
    "likes": lambda: training(60, epsilon=64.0, seed=4, likes=0.2),
    "cohorts-and-likes": with_cohorts_and_likes,
}


def arithmetic():
    """Return a digest of what this machine makes of some sums, products and eigenvectors."""
    rng = np.random.default_rng(0)
    found = hashlib.sha256()
    for size in (5, 20, 33, 64):
        matrix = rng.normal(size=(size, size))
        found.update(np.ascontiguousarray(matrix @ matrix.T).tobytes())
        found.update(np.ascontiguousarray(matrix.astype(np.float32) @ matrix.T.astype(np.float32)).tobytes())
        for array in (*np.linalg.eigh(matrix + matrix.T), *np.linalg.svd(matrix)):
            found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def numbers(data):
    """Return what a model makes of its items, in an order that rounding cannot change."""
    model = decode(data).model
    rows = np.arange(model.rows)
    parts = model.contributions(rows, np.zeros(len(rows)), np.ones(len(rows)), rows).sum(axis=2)
    return np.concatenate((model.prior[:, None], parts), axis=1)


@pytest.mark.parametrize("name", CASES)
def test_the_same_seed_gives_the_model_that_it_always_gave(name):
    made, table = CASES[name]()
    known = json.loads((GOLDEN / "digests.json").read_text("utf-8")).get(arithmetic())
    if known is not None:
        assert hashlib.sha256(made + table).hexdigest() == known[name]
        return
    with np.load(GOLDEN / "models.npz") as models:
        before = numbers(models[name].tobytes())
    assert np.allclose(numbers(made), before, rtol=0, atol=0.03 * np.abs(before).max())
