"""A whole training at the size of MovieLens-1M: seconds by phase and peak memory, epsilon 8.

6,040 devices, 3,706 items and a million events, drawn at random with the same shape (lengths from 20 to some
2,000, popularity by a power law, tastes by 18 genres), so that it runs anywhere. `Training` as the lab
and the command line call it, with the noise of all devices (engine `aggregate`). `benchmarks/bench_ml1m.py`
is for accuracy on the real data; this is for time.

Phases: each private sum; `eigh`, all eigen-decompositions; `calibrate` and `account`, the privacy accounting;
`rest`, all else. The reference is EASE learnt centrally from the same events, without privacy or order.
"""

import functools
import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from _baselines import fit_ease
from _timing import in_child, parser, peak_mib, spread, verdict
from confidante.core.values import Catalogue, Histories
from confidante.lab import experiment

PEOPLE, ITEMS, EVENTS, GENRES = 6_040, 3_706, 1_000_209, 18
TARGET_SECONDS, TARGET_MIB = 60.0, 2048.0


def synthetic_movielens(seed: int = 1) -> tuple[Histories, Catalogue]:
    """Return people and items of MovieLens-1M's shape; nobody meets an item twice."""
    rng = np.random.default_rng(seed)
    lengths = rng.lognormal(np.log(96), 0.95, PEOPLE)
    lengths = np.clip(lengths * EVENTS / lengths.sum(), 20, 2_300).astype(np.int64)
    popularity = (np.arange(1, ITEMS + 1) + 20.0) ** -0.9
    rng.shuffle(popularity)
    genre = rng.integers(0, GENRES, ITEMS)
    tastes = rng.gumbel(size=(PEOPLE, GENRES))
    histories = []
    for taste, length in zip(tastes, lengths, strict=True):
        wish = np.log(popularity) + taste[genre] + rng.gumbel(size=ITEMS)
        items = np.argpartition(-wish, length)[:length]
        histories.append(items[np.argsort(genre[items] + rng.normal(0, 2, length))])
    years = rng.integers(1920, 2001, ITEMS)
    second = rng.integers(0, GENRES, ITEMS)
    events = np.concatenate(histories).astype(np.int32)
    return Histories(
        np.concatenate(([0], np.cumsum(lengths))), events, np.arange(len(events), dtype=np.int64)
    ), Catalogue(
        tuple(map(str, range(ITEMS))),
        tuple(f"Film {i} ({year})" for i, year in enumerate(years)),
        tuple(tuple({f"genre {a}", f"genre {b}"}) for a, b in zip(genre, second, strict=True)),
    )


def clocked(spent: Counter[str], name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """Return `work`, its seconds added to `spent[name]`."""

    @functools.wraps(work)
    def run(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return work(*args, **kwargs)
        finally:
            spent[name] += time.perf_counter() - start

    return run


def measure(epsilon: float) -> dict[str, Any]:
    histories, catalogue = synthetic_movielens()
    spent: Counter[str] = Counter()
    for module, name in ((np.linalg, "eigh"), (experiment, "calibrate"), (experiment, "account")):
        setattr(module, name, clocked(spent, name, getattr(module, name)))
    before = peak_mib()
    start, cpu = time.perf_counter(), time.process_time()
    run = experiment.Training(epsilon=epsilon).train(histories, catalogue)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    phases = {record.plan.task: record.seconds for record in run.records} | spent
    return {
        "events": len(histories.items),
        "sums": {record.plan.task: record.plan.length for record in run.records},
        "basis": len(run.learnt.basis.items),
        "columns": sum(part.vectors.shape[1] for part in run.learnt.factored.parts),
        "seconds": seconds,
        "cpu_seconds": cpu,
        "phases": phases | {"rest": seconds - sum(phases.values())},
        "peak_mib": peak_mib(),
        "peak_mib_before": before,
    }


def reference() -> dict[str, Any]:
    histories, _ = synthetic_movielens()
    start = time.perf_counter()
    fit_ease(histories, ITEMS)
    return {"seconds": time.perf_counter() - start, "peak_mib": peak_mib()}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--epsilon", type=float, default=8.0)
    options.add_argument("--once", choices=["ours", "reference"], help="measure one training in here")
    given = options.parse_args()
    if given.once:
        print(json.dumps(measure(given.epsilon) if given.once == "ours" else reference()))
        return
    runs = [in_child(__file__, "--once", "ours", "--epsilon", given.epsilon) for _ in range(given.repeats)]
    plain = [in_child(__file__, "--once", "reference") for _ in range(given.repeats)]
    seconds, central = spread([r["seconds"] for r in runs]), spread([r["seconds"] for r in plain])
    peak = max(r["peak_mib"] for r in runs)
    out = {
        **{key: runs[0][key] for key in ("events", "sums", "basis", "columns")},
        "people": PEOPLE,
        "items": ITEMS,
        "epsilon": given.epsilon,
        "seconds": seconds,
        "cpu_seconds": spread([r["cpu_seconds"] for r in runs]),
        "phases": {name: spread([r["phases"][name] for r in runs]) for name in runs[0]["phases"]},
        "peak_mib": peak,
        "peak_mib_before": runs[0]["peak_mib_before"],
        "ease_seconds": central,
        "ease_peak_mib": max(r["peak_mib"] for r in plain),
        "ratio_to_ease": seconds["median"] / central["median"],
        "target_seconds": TARGET_SECONDS,
        "target_mib": TARGET_MIB,
    }
    if given.json:
        print(json.dumps(out))
        return
    print(
        f"{PEOPLE:,} devices, {ITEMS:,} items, {out['events']:,} events, epsilon {given.epsilon}; "
        f"basis of {out['basis']:,} items, model of {out['columns']} columns\n"
        f"training {seconds['median']:.1f} s [{seconds['minimum']:.1f} to {seconds['maximum']:.1f}], CPU "
        f"{out['cpu_seconds']['median']:.1f} s; {verdict(TARGET_SECONDS / seconds['median'])}\n"
        f"peak     {peak:,.0f} MiB, of it {out['peak_mib_before']:,.0f} before it began; "
        f"{verdict(TARGET_MIB / peak)}\n"
        f"EASE     {central['median']:.1f} s [{central['minimum']:.1f} to {central['maximum']:.1f}], "
        f"{out['ease_peak_mib']:,.0f} MiB: the training takes {out['ratio_to_ease']:.1f} times as long"
    )
    for name, row in out["phases"].items():
        length = f"{out['sums'][name]:,} numbers" if name in out["sums"] else ""
        print(f"  {name:14} {row['median']:6.2f} s [{row['minimum']:.2f} to {row['maximum']:.2f}] {length}")


if __name__ == "__main__":
    main()
