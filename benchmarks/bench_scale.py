"""What a simulated training costs as devices become many, and a sum as its vector becomes long.

    python benchmarks/bench_scale.py [--workers 2] [--most 1000000] [--plot docs/images/scale.png] [--json]

- by devices, 1,000 to a million: the whole of `confidante lab simulate --engine ray` (three private sums at
  epsilon 4, the model made of them) over made-up devices of 10 events on 300 items;
- by numbers in the vector, 1,000 to a million: one item-pair sum of 20,000 devices, noise multiplier 4.

Each size runs in a process of its own, with Ray workers of its own. Seconds are without the start of Ray;
peak memory is the most that a worker, and that this process, ever held, interpreter and libraries included.
The ratio to linear is the cost beside that of the size before it, over the ratio of the sizes: 1 is linear,
below is better. A first part of every cost is fixed (the accountant, the table of the noise, the model), so
the ratio is small at first and comes up to 1.
"""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from _timing import in_child, parser
from confidante.lab.entropy import SeededEntropy
from confidante.lab.experiment import Training
from confidante.lab.memory import peak_bytes
from confidante.lab.people import SyntheticPeople
from confidante.lab.ray_workers import RaySums
from confidante.lab.simulate import Cluster, simulate
from confidante.lab.simulation import Simulator
from confidante.tasks.item_pairs import ItemPairTask

DEVICES = (1_000, 10_000, 100_000, 1_000_000)
LENGTHS = (1_000, 10_000, 100_000, 1_000_000)
ITEMS, EVENTS = 300, 10
SUM_DEVICES, MULTIPLIER = 20_000, 4.0
BY_DEVICES, BY_LENGTH = "devices", "numbers"


def by_devices(devices: int, workers: int) -> dict[str, Any]:
    result = simulate(SyntheticPeople(devices, ITEMS, EVENTS), Training(bits=32), Cluster(workers))
    return {
        "size": devices,
        "seconds": result["seconds"],
        "worker_mib": _mib(result["worker_peak_bytes"]),
        "driver_mib": _mib(result["peak_bytes"]),
        "upload_bytes": result["upload_bytes"],
        "model_ndcg_at_10": result["quality"]["model"]["ndcg"],
        "popularity_ndcg_at_10": result["quality"]["popularity"]["ndcg"],
    }


def by_length(length: int, workers: int) -> dict[str, Any]:
    """Return the cost of the second of two sums: the first builds the table of the noise."""
    basis = round((1 + (1 + 8 * length) ** 0.5) / 2)
    crowd = SyntheticPeople(SUM_DEVICES, basis, EVENTS)
    task = ItemPairTask(np.arange(basis), np.ones(basis), basis, 8, 3.0, 500)
    with RaySums(crowd, workers=workers) as adder:
        run = Simulator(crowd, {task.name: MULTIPLIER}, SeededEntropy(1), bits=32, adder=adder)
        run.take(task)
        run.take(task)
        worker = max(peak or 0 for peak in adder.peaks())
    return {
        "size": task.length,
        "seconds": run.records[1].seconds,
        "worker_mib": _mib(worker),
        "driver_mib": _mib(peak_bytes()),
        "upload_bytes": run.records[1].upload_bytes,
    }


def _mib(size: int | None) -> float | None:
    return None if size is None else size / (1 << 20)


MEASURED = {BY_DEVICES: by_devices, BY_LENGTH: by_length}


def with_ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add how each row's seconds and the worker's memory grew, beside the size."""
    rows[0] |= {"ratio": None, "memory_ratio": None}
    for before, row in pairwise(rows):
        grown = row["size"] / before["size"]
        row["ratio"] = row["seconds"] / before["seconds"] / grown
        row["memory_ratio"] = row["worker_mib"] / before["worker_mib"] / grown
    return rows


def report(results: dict[str, list[dict[str, Any]]], workers: int) -> None:
    for kind, rows in results.items():
        also = "devices a second" if kind == BY_DEVICES else "upload"
        print(
            f"\n| {kind} | seconds | ratio to linear | {also} "
            "| peak MiB of a worker | ratio to linear | peak MiB here |\n" + "|---" * 7 + "|"
        )
        for row in rows:
            other = (
                f"{row['size'] / row['seconds']:,.0f}"
                if kind == BY_DEVICES
                else f"{row['upload_bytes'] / 1e3:,.0f} kB"
            )
            print(
                f"| {row['size']:,} | {row['seconds']:.2f} | {_ratio(row['ratio'])} | {other} | "
                f"{row['worker_mib']:.0f} | {_ratio(row['memory_ratio'])} | {row['driver_mib']:.0f} |"
            )
    for row in results.get(BY_DEVICES, ()):
        print(
            f"{row['size']:>9,} devices: NDCG@10 of the next event {row['model_ndcg_at_10']:.4f}, "
            f"popularity {row['popularity_ndcg_at_10']:.4f}"
        )
    print(f"{workers} Ray workers")


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def plot(results: dict[str, list[dict[str, Any]]], path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    ink, quiet, grid, ours, memory = "#16202e", "#5b6879", "#d9dfe7", "#0f766e", "#c2620a"
    style = {"font.size": 11, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": quiet}
    titles = {BY_DEVICES: "A whole training, by devices", BY_LENGTH: f"One sum of {SUM_DEVICES:,} devices"}
    labels = {BY_DEVICES: "simulated devices", BY_LENGTH: "numbers in the vector"}
    with mpl.rc_context(
        {**style, "text.color": ink, "axes.labelcolor": ink, "xtick.color": quiet, "ytick.color": quiet}
    ):
        figure = Figure(figsize=(8.8, 4.2), layout="constrained")
        axes = figure.subplots(1, len(results), squeeze=False)[0]
        for (kind, rows), drawn in zip(results.items(), axes, strict=True):
            sizes = [row["size"] for row in rows]
            seconds = [row["seconds"] for row in rows]
            linear = [seconds[-1] * size / sizes[-1] for size in sizes]
            drawn.loglog(sizes, seconds, color=ours, lw=2, marker="o", label="seconds")
            drawn.loglog(sizes, linear, color=quiet, lw=1.5, ls="--", label="linear, from the largest")
            mib = [row["worker_mib"] for row in rows]
            drawn.loglog(sizes, mib, color=memory, lw=2, marker="s", label="peak MiB of a worker")
            drawn.set_title(titles[kind], fontsize=11, loc="left")
            drawn.set_xlabel(labels[kind])
            drawn.grid(axis="y", color=grid, lw=0.8)
            drawn.minorticks_off()
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False, fontsize=10)
        figure.savefig(path, dpi=160, facecolor="white", metadata={"Software": None})


def sizes_of(kind: str, most: int) -> Sequence[int]:
    return [size for size in {BY_DEVICES: DEVICES, BY_LENGTH: LENGTHS}[kind] if size <= most]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--most", type=int, default=max(DEVICES), help="largest size to measure")
    options.add_argument("--plot", type=Path, help="where to draw the curves, a .png")
    options.add_argument("--case", nargs=2, metavar=("KIND", "SIZE"), help="measure one size in here")
    given = options.parse_args()
    if given.case:
        print(json.dumps(MEASURED[given.case[0]](int(given.case[1]), given.workers)))
        return
    results = {
        kind: with_ratios(
            [
                in_child(__file__, "--case", kind, size, "--workers", given.workers)
                for size in sizes_of(kind, given.most)
            ]
        )
        for kind in MEASURED
    }
    if given.plot:
        plot(results, given.plot)
    if given.json:
        print(json.dumps({"workers": given.workers, **results}))
    else:
        report(results, given.workers)


if __name__ == "__main__":
    main()
