"""What reading ratings does to lists: NDCG@10 of what was held out, of any rating and of 4 stars and more.

    python benchmarks/bench_ratings.py [--data ml-100k ml-1m] [--epsilon 8] [--seeds 3] [--phase valid]

Needs the data sets in the folder that CONFIDANTE_SHARED names; without it, says so and stops. The people,
parts and candidates are those of `bench_accuracy.py`. Once every rating, high or low, is a meeting; once
ratings count on their person's own scale (`packs/ratings.py`): what is rated low is in no sum, and counts as
a device counts it.
"""

import argparse
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from _frozen_splits import load_frozen
from _ml1m import load_ml1m
from confidante.core.values import Histories
from confidante.lab.data.dataset import Dataset
from confidante.lab.data.ml100k import load_ml100k
from confidante.lab.experiment import Training
from confidante.lab.metrics import full_ranks, ndcg_at_k
from confidante.lab.published_recommender import PublishedRecommender

GOOD = 4.0
_SPLITS = {"ml-1m": (load_ml1m, "ml-1m_ncf.npz"), "ml-100k": (load_ml100k, "ml-100k_loo.npz")}


@dataclass(frozen=True)
class Line:
    """NDCG@10, means over people; good: over those whose held-out item has 4 stars or more."""

    data: str
    epsilon: float | None
    ratings: bool
    any: float
    good: float


def rated(
    histories: Histories, user_ids: tuple[str, ...], item_ids: tuple[str, ...], of: Dataset
) -> Histories:
    """Return histories with the ratings that a data set has of the same people and items."""
    known = of.histories
    place = {name: number for number, name in enumerate(of.catalogue.ids)}
    number = {name: place for place, name in enumerate(of.user_ids)}
    if known.ratings is None:
        raise ValueError("the data set was loaded without its ratings")
    keys = known.person_of_event * len(place) + known.items
    order = np.argsort(keys)
    items = np.array([place[name] for name in item_ids])[histories.items]
    people = np.array([number[name] for name in user_ids])[histories.person_of_event]
    found = order[np.searchsorted(keys[order], people * len(place) + items)]
    return replace(histories, ratings=known.ratings[found])


def bench(shared: Path, name: str, epsilons: list[float], seeds: int, *, test: bool) -> list[Line]:
    """Return the lines of one data set."""
    load, split = _SPLITS[name]
    dataset = load(shared / "data" / name, rated=True)
    frozen = load_frozen(shared / "data/splits" / split, dataset.catalogue)
    visible, held_out = frozen.split.visible(valid=test), frozen.split.test if test else frozen.split.valid
    hidden = None if test else frozen.split.test
    ids = frozen.user_ids, frozen.catalogue.ids
    right = rated(held_out, *ids, dataset)
    stars = np.zeros(0) if right.ratings is None else right.ratings
    good = np.zeros(right.people, dtype=np.bool_)
    good[right.person_of_event[stars >= GOOD]] = True

    def graded(histories: Histories, epsilon: float | None, seed: int) -> NDArray[np.float64]:
        run = Training(epsilon=epsilon, seed=seed).train(histories, frozen.catalogue)
        recommender = PublishedRecommender(run.published, frozen.catalogue)
        return ndcg_at_k(full_ranks(recommender, histories, held_out, also_hidden=hidden), 10)

    lines = []
    for epsilon in (None, *epsilons):
        for histories in (visible, rated(visible, *ids, dataset)):
            values = [graded(histories, epsilon, seed) for seed in range(1 if epsilon is None else seeds)]
            ndcg = np.mean(values, axis=0)
            reads = histories.ratings is not None
            lines.append(Line(name, epsilon, reads, float(ndcg.mean()), float(ndcg[good].mean())))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", choices=list(_SPLITS), default=["ml-100k", "ml-1m"])
    parser.add_argument("--epsilon", nargs="+", type=float, default=[8])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--phase", choices=["test", "valid"], default="test")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    default = Path(__file__).resolve().parent.parent.parent / "shared"
    shared = Path(os.environ.get("CONFIDANTE_SHARED", default))
    if not (shared / "data").is_dir():
        message = (
            f"no data sets: set CONFIDANTE_SHARED to the folder that has data/ (looked in {shared.name})"
        )
        print(json.dumps({"skipped": message}) if arguments.json else f"skipped: {message}")
        return
    lines = [
        line
        for name in arguments.data
        for line in bench(shared, name, arguments.epsilon, arguments.seeds, test=arguments.phase == "test")
    ]
    if arguments.json:
        print(json.dumps({"phase": arguments.phase, "lines": [asdict(line) for line in lines]}))
        return
    print("| data | epsilon | ratings | any | 4 and more |\n|---|---|---|---|---|")
    for line in lines:
        epsilon = "no noise" if line.epsilon is None else f"{line.epsilon:g}"
        said = "read" if line.ratings else "all alike"
        print(f"| {line.data} | {epsilon} | {said} | {line.any:.4f} | {line.good:.4f} |", flush=True)


if __name__ == "__main__":
    main()
