"""Can somebody who knows a person's history tell whether it is in a sum? With and without noise.

    python benchmarks/bench_membership.py [--seeds 5] [--json]

Half of 943 people, drawn anew for each seed, give their item pairs (all 1,682 items, the newest 500 events)
to one sum. The attacker knows everybody's vector and sees the sum. Without noise a person's share of the
pairs that few have is simply there or not; with noise the test takes the sum, less what half of all people
give, along the person's own vector. AUC: the chance that the test puts somebody who is in above somebody who
is not; 0.5 is a guess. Needs MovieLens-100K in the folder that CONFIDANTE_SHARED names (default: ../shared
beside the checkout), with data/ml-100k; without it, says so and stops.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from confidante.lab.data.ml100k import load_ml100k
from confidante.privacy.accounting import calibrate
from confidante.tasks.item_pairs import ItemPairTask

DELTA = 1e-5
EPSILONS = (8.0, 4.0, 2.0, 1.0)


def vectors(folder: Path) -> sparse.csr_array:
    """Return everybody's vector, [people, pairs]."""
    dataset = load_ml100k(folder)
    items = len(dataset.catalogue)
    task = ItemPairTask(np.arange(items), np.ones(items), items, window=8, half_life=2.0, history=500)
    rows = task.client_update(dataset.histories)
    return sparse.csr_array((rows.values, rows.indices, rows.indptr), (dataset.histories.people, task.length))


def auc(scores: NDArray[np.float64], inside: NDArray[np.bool_]) -> float:
    """Return the chance that one who is in scores above one who is not; ties count half."""
    ranks = stats.rankdata(scores)
    n = int(inside.sum())
    return float((ranks[inside].sum() - n * (n + 1) / 2) / (n * (len(inside) - n)))


def attack(people: sparse.csr_array, multiplier: float, seed: int) -> float:
    """Return the AUC of one half of the people."""
    random = np.random.default_rng(seed)
    inside = np.zeros(people.shape[0], dtype=np.bool_)
    inside[random.permutation(people.shape[0])[: people.shape[0] // 2]] = True
    total = np.asarray(people[inside].sum(axis=0)).ravel()
    if multiplier == 0:
        share = [
            float(np.min(total[people.indices[a:b]] / people.data[a:b], initial=np.inf))
            for a, b in zip(people.indptr[:-1], people.indptr[1:], strict=True)
        ]
        return auc((np.array(share) >= 1 - 1e-9).astype(np.float64), inside)
    total += random.normal(0, multiplier, len(total))
    total -= np.asarray(people.sum(axis=0)).ravel() / 2
    return auc(np.asarray(people @ total).ravel(), inside)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    here = Path(__file__).resolve().parents[1].parent / "shared"
    folder = Path(os.environ.get("CONFIDANTE_SHARED", here)) / "data/ml-100k"
    if not folder.is_dir():
        sys.exit(f"{folder}: put MovieLens-100K there, or name its parent in CONFIDANTE_SHARED")
    people = vectors(folder)
    multipliers = {"none": 0.0} | {
        f"{epsilon:g}": calibrate(epsilon, DELTA, (1.0,))[0] for epsilon in EPSILONS
    }
    found = {
        name: float(np.mean([attack(people, multiplier, seed) for seed in range(given.seeds)]))
        for name, multiplier in multipliers.items()
    }
    if given.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{'no noise' if name == 'none' else 'epsilon ' + name:12} AUC {value:.3f}")


if __name__ == "__main__":
    main()
