"""Accuracy against privacy on real data: MovieLens-1M, MovieLens-100K, Complete Journey.

    python benchmarks/bench_accuracy.py [--data ml-1m ml-100k complete-journey] [--epsilon 8 4 2 1]
                                        [--seeds 2] [--phase test] [--json]

Needs the data sets in the folder that CONFIDANTE_SHARED names (default: ../shared beside the checkout), with
data/ml-1m, data/ml-100k, data/complete-journey and data/splits; without it, says so and stops. Leave-one-out
on the frozen splits (full ranking, ties lose), temporal for Complete Journey with repurchases allowed. Every
constant is fixed beforehand (training/recipe.py): nothing here is tuned on a test part. What is graded is
what people run: the published 8-bit model, and the words of titles by the encoder that is installed. Epsilon
is what the coordinator faces: user-level, all sums together, 30 % dropout and 10 % collusion allowed for,
nobody dropped.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from _baselines import fit_ease, fit_own_frequency
from _complete_journey import load_complete_journey
from _frozen_splits import load_frozen
from _ml1m import load_ml1m
from _temporal_split import temporal
from confidante.core.values import Catalogue, Histories
from confidante.lab.baselines import fit_popularity
from confidante.lab.data.ml100k import load_ml100k
from confidante.lab.experiment import Training
from confidante.lab.metrics import Scorer, estimate, full_ranks, group_table, hr_at_k, ndcg_at_k
from confidante.lab.published_recommender import PublishedRecommender

DELTA = 1e-5
SMALL_UPLOAD = 256 * 1024


@dataclass(frozen=True)
class Data:
    name: str
    visible: Histories
    asked: NDArray[np.int64]  # people with a held-out event
    held_out: Histories
    hidden: Histories | None  # the other held-out part: may not be shown either
    catalogue: Catalogue
    repeat: bool


@dataclass(frozen=True)
class Line:
    data: str
    model: str
    ndcg_at_10: float
    ndcg_low: float
    ndcg_high: float
    hr_at_10: float
    epsilon_server: float | None = None
    epsilon_release: float | None = None
    sums: int | None = None
    upload_bytes: int | None = None
    largest_upload: int | None = None
    basis_items: int | None = None
    rank: int | None = None
    train_seconds: float | None = None
    spread_over_seeds: float | None = None


def leave_one_out(shared: Path, name: str, phase: str) -> Data:
    load, split = {
        "ml-1m": (load_ml1m, "ml-1m_ncf.npz"),
        "ml-100k": (load_ml100k, "ml-100k_loo.npz"),
    }[name]
    frozen = load_frozen(shared / "data/splits" / split, load(shared / "data" / name).catalogue)
    test = phase == "test"
    people = np.arange(frozen.split.train.people)
    held_out, other = (frozen.split.test, None) if test else (frozen.split.valid, frozen.split.test)
    return Data(
        name, frozen.split.visible(valid=test), people, held_out, other, frozen.catalogue, repeat=False
    )


def complete_journey(shared: Path, phase: str) -> Data:
    loaded = load_complete_journey(shared / "data/complete-journey")
    split = temporal(loaded.histories)
    test = phase == "test"
    held_out = split.test if test else split.valid
    people = np.flatnonzero(held_out.lengths > 0)
    visible = split.visible(valid=test)
    return Data("complete-journey", visible, people, held_out, None, loaded.catalogue, repeat=True)


def graded(data: Data, scorer: Scorer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return NDCG@10 and HR@10 a person."""
    ranks = full_ranks(
        scorer,
        data.visible.select(data.asked),
        data.held_out.select(data.asked),
        also_hidden=data.hidden,
        repeat=data.repeat,
    )
    return ndcg_at_k(ranks, 10), hr_at_k(ranks, 10)


def line(data: Data, model: str, ndcg: NDArray[np.float64], hr: NDArray[np.float64]) -> Line:
    interval = estimate(ndcg)
    return Line(
        data.name,
        model,
        interval.value,
        interval.low,
        interval.high,
        float(hr.mean()),
    )


def bench(data: Data, epsilons: list[float], seeds: int) -> tuple[list[Line], list[dict[str, object]]]:
    items = len(data.catalogue)
    references: list[tuple[str, Scorer]] = [("popularity, not private", fit_popularity(data.visible, items))]
    if data.repeat:
        references.append(("own frequency list", fit_own_frequency(data.visible, items)))
        references.append(("own list, half-life 300", fit_own_frequency(data.visible, items, half_life=300)))
    else:
        l2 = 200 if data.name == "ml-1m" else 100
        references.append(("EASE, central, not private", fit_ease(data.visible, items, l2=l2)))
        references.append(
            ("EASE, history half-life 5, central", fit_ease(data.visible, items, l2=l2, half_life=5))
        )
    lines = [line(data, name, *graded(data, scorer)) for name, scorer in references]
    by_person: dict[str, NDArray[np.float64]] = {}
    variants: list[tuple[str, float | None, int, int]] = [
        ("no noise", None, 20, 3_000_000),
        ("no noise, uploads <= 256 KiB", None, 18, SMALL_UPLOAD),
        *((f"epsilon {epsilon:g}", epsilon, 20, 3_000_000) for epsilon in epsilons),
    ]
    for name, epsilon, bits, max_upload in variants:
        values, hits, runs = [], [], []
        for seed in range(1 if epsilon is None else seeds):
            run = Training(
                epsilon=epsilon, delta=DELTA, seed=seed, repeat=data.repeat, bits=bits, max_upload=max_upload
            ).train(data.visible, data.catalogue)
            ndcg, hr = graded(data, PublishedRecommender(run.published, data.catalogue))
            values.append(ndcg)
            hits.append(hr)
            runs.append(run)
        by_person[name] = np.mean(values, axis=0)
        run = runs[0]
        means = [float(v.mean()) for v in values]
        lines.append(
            replace(
                line(data, name, by_person[name], np.mean(hits, axis=0)),
                epsilon_server=run.guarantee.server_epsilon if epsilon is not None else None,
                epsilon_release=run.guarantee.release_epsilon if epsilon is not None else None,
                sums=run.rounds,
                upload_bytes=run.upload_bytes,
                largest_upload=run.largest_upload,
                basis_items=len(run.learnt.basis.items),
                rank=len(run.learnt.basis.strengths),
                train_seconds=float(np.median([r.seconds for r in runs])),
                spread_over_seeds=max(means) - min(means),
            )
        )
        print(f"{data.name}: {name}: NDCG@10 {lines[-1].ndcg_at_10:.4f}", file=sys.stderr)
    groups = group_table(by_person, data.visible.select(data.asked))
    return lines, [
        {"data": data.name, "group": row.group, "people": row.people, **row.means} for row in groups
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = ["ml-1m", "ml-100k", "complete-journey"]
    parser.add_argument("--data", nargs="+", choices=names, default=names)
    parser.add_argument("--epsilon", nargs="+", type=float, default=[8, 4, 2, 1])
    parser.add_argument("--seeds", type=int, default=2)
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
    started = time.perf_counter()
    lines: list[Line] = []
    groups: list[dict[str, object]] = []
    for name in arguments.data:
        if name == "complete-journey":
            data = complete_journey(shared, arguments.phase)
        else:
            data = leave_one_out(shared, name, arguments.phase)
        more, table = bench(data, arguments.epsilon, arguments.seeds)
        lines += more
        groups += table
    if arguments.json:
        rows = [asdict(row) for row in lines]
        print(json.dumps({"phase": arguments.phase, "delta": DELTA, "lines": rows, "groups": groups}))
        return
    report(lines, groups)
    print(f"{time.perf_counter() - started:.0f} s in all; seconds above are a training's median")


def report(lines: list[Line], groups: list[dict[str, object]]) -> None:
    print("| data | model | NDCG@10 (95 %) | HR@10 | eps server / release | sums | up a device | basis | s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in lines:
        interval = f"{row.ndcg_at_10:.4f} ({row.ndcg_low:.4f}-{row.ndcg_high:.4f})"
        cells = [row.data, row.model, interval, f"{row.hr_at_10:.4f}"]
        cells.append(
            "" if row.epsilon_server is None else f"{row.epsilon_server:.2f} / {row.epsilon_release:.2f}"
        )
        if row.sums is None or row.upload_bytes is None:
            cells += [""] * 4
        else:
            cells += [str(row.sums), f"{row.upload_bytes / 1e6:.2f} MB"]
            cells += [f"{row.basis_items} x {row.rank}", f"{row.train_seconds:.1f}"]
        print("| " + " | ".join(cells) + " |")
    for name in dict.fromkeys(str(row["data"]) for row in groups):
        rows = [row for row in groups if row["data"] == name]
        models = [key for key in rows[0] if key not in {"data", "group", "people"}]
        print(f"\nNDCG@10 by group, {name}\n\n| group | people | " + " | ".join(models) + " |")
        print("|---" * (len(models) + 2) + "|")
        for row in rows:
            values = " | ".join(f"{row[model]:.4f}" for model in models)
            print(f"| {row['group']} | {row['people']} | {values} |")


if __name__ == "__main__":
    main()
