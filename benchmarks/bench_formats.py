"""What 8, 12, 16, 20 and 32 bits a number cost in accuracy and save in bytes, on MovieLens-100K.

    python benchmarks/bench_formats.py [--bits 8 12 16 20 32] [--epsilon 8 4] [--seeds 4] [--phase test]
                                       [--json]

Needs the data set in the folder that CONFIDANTE_SHARED names; without it, says so and stops. The whole
training through the real plans (`privacy.plan.plan_sum`), with noise: NDCG@10 of the held-out event among all
items (leave-one-out on the frozen split, ties lose), the mean over seeds. Noise alone moves that mean by the
stated standard error, and a width costs something only where it loses clearly more. A plan refuses a width in
which the sum could wrap. Then the largest cohort for which all three sums would hold is given instead, and
the table of sums says which part of the room that the plans keep was ever used.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import _movielens as movielens
from _movielens import Data
from confidante.core.errors import PlanError
from confidante.lab.batch_sum import SimulatedSum, add_batches
from confidante.lab.experiment import Run, Training
from confidante.lab.metrics import full_ranks, hr_at_k, ndcg_at_k
from confidante.lab.published_recommender import PublishedRecommender
from confidante.privacy.plan import Cohort, SumPlan, plan_sum

WIDTHS = (8, 12, 16, 20, 32)
LARGEST_COHORT = 1 << 32


class Watched:
    """Adds up in this process, and keeps the largest entry of each sum before its noise."""

    def __init__(self, data: Data) -> None:
        self._crowd = data.visible
        self.largest: dict[str, int] = {}

    def add(self, work: SimulatedSum, progress: Callable[[float], None]) -> tuple[NDArray[np.int64], int]:
        total = np.zeros(work.plan.length, dtype=np.int64)
        people = self._crowd.people
        count = 0
        for batch, done in add_batches(work, self._crowd, 0, people, total):
            count += len(batch)
            progress(done / people)
        self.largest[work.plan.task] = int(np.abs(total).max())
        return total, count


def trained(data: Data, epsilon: float, bits: int, seed: int) -> tuple[Run, Watched]:
    watched = Watched(data)
    run = Training(epsilon=epsilon, delta=movielens.DELTA, seed=seed, bits=bits).train(
        data.visible, data.catalogue, adder=watched
    )
    return run, watched


def graded(data: Data, run: Run) -> tuple[float, float]:
    """Return mean NDCG@10 and HR@10."""
    recommender = PublishedRecommender(run.published, data.catalogue)
    ranks = full_ranks(recommender, data.visible, data.held_out, also_hidden=data.hidden)
    return float(ndcg_at_k(ranks, 10).mean()), float(hr_at_k(ranks, 10).mean())


def holds_for(plan: SumPlan, bits: int) -> int:
    """Return the largest cohort for which a sum of `bits` bits can be planned; 0 for none."""

    def possible(devices: int) -> bool:
        try:
            plan_sum(
                plan.task,
                plan.length,
                plan.l2_bound,
                plan.linf_bound,
                plan.noise_multiplier,
                Cohort(devices, plan.cohort.max_dropout, plan.cohort.max_collusion),
                bits,
            )
        except PlanError:
            return False
        return True

    least = next((devices for devices in range(3, 40) if possible(devices)), 0)
    if not least:
        return 0
    low, high = least, LARGEST_COHORT
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if possible(middle) else (low, middle)
    return low


def line(data: Data, epsilon: float, bits: int, seeds: int, widest: Run) -> dict[str, Any]:
    plans = [record.plan for record in widest.records]
    row: dict[str, Any] = {
        "epsilon": epsilon,
        "bits": bits,
        "largest_cohort": {plan.task: holds_for(plan, bits) for plan in plans},
    }
    try:
        runs = [trained(data, epsilon, bits, seed) for seed in range(seeds)]
    except PlanError as error:
        return {**row, "refused": str(error)}
    ndcg, hr = np.array([graded(data, run) for run, _ in runs]).T
    run, watched = runs[0]
    return {
        **row,
        "refused": None,
        "ndcg_at_10": float(np.mean(ndcg)),
        "standard_error": float(np.std(ndcg, ddof=1) / np.sqrt(seeds)) if seeds > 1 else None,
        "hr_at_10": float(np.mean(hr)),
        "upload_bytes": run.upload_bytes,
        "sums": [
            {
                "task": record.plan.task,
                "entries": record.plan.length,
                "bytes": record.upload_bytes,
                "largest_entry": record.plan.linf_int,
                "l2": record.plan.l2_int,
                "noise_sd": float(record.plan.noise_variance(record.survivors)) ** 0.5,
                "kept_for_devices": record.plan.cohort.devices * record.plan.linf_int,
                "kept_for_noise": record.plan.headroom,
                "largest_sum": watched.largest[record.plan.task],
            }
            for record in run.records
        ],
    }


def report(rows: list[dict[str, Any]], devices: int, seconds: float) -> None:
    print(
        "| epsilon | bits | NDCG@10 (standard error) | less the widest | HR@10 | bytes up | cohort at most |"
    )
    print("|---|---|---|---|---|---|---|")
    widest = max(row["bits"] for row in rows)
    for row in rows:
        cohort = min(row["largest_cohort"].values())
        holds = f"{cohort:,}" if cohort else "none"
        if row["refused"]:
            cells = ["refused", "", "", "", holds]
        else:
            best = next(r for r in rows if (r["epsilon"], r["bits"]) == (row["epsilon"], widest))
            error = "" if row["standard_error"] is None else f" ({row['standard_error']:.4f})"
            cells = [
                f"{row['ndcg_at_10']:.4f}{error}",
                f"{row['ndcg_at_10'] - best['ndcg_at_10']:+.4f}",
                f"{row['hr_at_10']:.4f}",
                f"{row['upload_bytes']:,}",
                holds,
            ]
        print(f"| {row['epsilon']:g} | {row['bits']} | " + " | ".join(cells) + " |")
    for row in rows:
        if row["refused"]:
            print(f"\n{row['bits']} bits, epsilon {row['epsilon']:g}: {row['refused']}")
    print(
        "\n| epsilon | bits | sum | numbers | largest number of a device | its l2 norm | noise sd | "
        "room for devices | for noise | largest sum met |\n" + "|---" * 10 + "|"
    )
    for row in rows:
        for one in row.get("sums", ()):
            print(
                f"| {row['epsilon']:g} | {row['bits']} | {one['task']} | {one['entries']:,} | "
                f"{one['largest_entry']:,} | {one['l2']:,.0f} | {one['noise_sd']:,.1f} | "
                f"{one['kept_for_devices']:,} | {one['kept_for_noise']:,} | {one['largest_sum']:,} "
                f"({one['largest_sum'] / one['kept_for_devices']:.1%}) |"
            )
    print(f"\n{devices} devices; {seconds:.0f} s in all")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bits", nargs="+", type=int, default=list(WIDTHS))
    parser.add_argument("--epsilon", nargs="+", type=float, default=[8, 4])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--phase", choices=["test", "valid"], default="test")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    started = time.perf_counter()
    data = movielens.load("ml-100k", given.phase)
    if data is None:
        return
    rows = []
    for epsilon in given.epsilon:
        widest, _ = trained(data, epsilon, max(given.bits), 0)
        rows += [line(data, epsilon, bits, given.seeds, widest) for bits in given.bits]
    if given.json:
        print(json.dumps({"phase": given.phase, "devices": data.visible.people, "rows": rows}))
        return
    report(rows, data.visible.people, time.perf_counter() - started)


if __name__ == "__main__":
    main()
