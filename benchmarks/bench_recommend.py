"""Recommend 10 of 4,000 items with exact reasons, on a device, for a history of 100 events.

One request is what a device does when somebody opens the page: score every item from the folded state, leave
out own items, take the 10 best, and split each score over the own events and parts. Every request has another
history; the model's numbers are random, which changes nothing in the work. Two sizes: the learnt basis that
eps 8 leaves on MovieLens-1M, and the one without noise, each beside the public feature basis.

`from events` also works out the state anew; `one by one` asks the model for each item's reasons in turn.
The reference is the least that scoring can cost: numpy's float32 product of the item matrix and the state.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from _timing import parser, peak_mib, verdict
from confidante.models.recommend import recommend
from confidante.models.sequential import Part, SequentialModel

ITEMS, EVENTS, WANTED, REQUESTS, WARM = 4_000, 100, 10, 2_000, 50
SIZES = {"eps 8": (47, 57), "no noise": (1024, 57)}
TARGET_MS = 1.0


def percentiles(work: Callable[[int], object]) -> dict[str, float]:
    """Return p50, quartiles and p99 of the milliseconds of single requests."""
    for k in range(WARM):
        work(k)
    spent = np.empty(REQUESTS)
    for k in range(REQUESTS):
        start = time.perf_counter()
        work(k)
        spent[k] = time.perf_counter() - start
    p25, p50, p75, p99 = np.percentile(1e3 * spent, [25, 50, 75, 99])
    return {"p50_ms": p50, "quartile_1_ms": p25, "quartile_3_ms": p75, "p99_ms": p99}


def measure(sizes: tuple[int, int]) -> dict[str, Any]:
    rng = np.random.default_rng(1)

    def matrix(size: int) -> np.ndarray:
        return (rng.normal(size=(ITEMS, size)) / np.sqrt(size)).astype(np.float32)

    parts = tuple(
        Part(name, matrix(d), matrix(d), 2.0) for name, d in zip(("items", "features"), sizes, strict=True)
    )
    model = SequentialModel(parts, np.abs(rng.normal(size=ITEMS)).astype(np.float32) / 20)
    histories = [rng.choice(ITEMS, EVENTS, replace=False) for _ in range(max(REQUESTS, WARM))]
    states = [model.state(events) for events in histories]
    singles = [state.astype(np.float32) for state in states]

    def one_by_one(k: int) -> list[object]:
        scores = model.score_state(states[k])
        scores[histories[k]] = -np.inf
        best = np.argpartition(-scores, WANTED)[:WANTED]
        return [model.contributions(histories[k], int(item)) for item in best[np.argsort(-scores[best])]]

    work: dict[str, Callable[[int], object]] = {
        "numpy product alone": lambda k: model.item @ singles[k],
        "recommend": lambda k: recommend(model, histories[k], WANTED, state=states[k]),
        "recommend, from events": lambda k: recommend(model, histories[k], WANTED),
        "recommend, one by one": one_by_one,
        "score_state": lambda k: model.score_state(states[k]),
        "fold_in": lambda k: model.fold_in(states[k], int(histories[k][0])),
    }
    result: dict[str, Any] = {name: percentiles(one) for name, one in work.items()}
    reference = result["numpy product alone"]["p50_ms"]
    for row in result.values():
        row["ratio_to_product"] = row["p50_ms"] / reference
    return result


def main() -> None:
    given = parser(__doc__).parse_args()
    sizes = {name: {"d": list(d), "work": measure(d)} for name, d in SIZES.items()}
    out = {
        "items": ITEMS,
        "events": EVENTS,
        "wanted": WANTED,
        "requests": REQUESTS,
        "target_p50_ms": TARGET_MS,
        "sizes": sizes,
        "peak_mib": peak_mib(),
    }
    if given.json:
        print(json.dumps(out))
        return
    print(
        f"{WANTED} of {ITEMS:,} items, {EVENTS} events, {REQUESTS:,} requests; peak {out['peak_mib']:.0f} MiB"
    )
    for size, case in sizes.items():
        print(f"{size}: {' + '.join(map(str, case['d']))} columns")
        for name, row in case["work"].items():
            judged = f"; {verdict(TARGET_MS / row['p50_ms'])}" if name == "recommend" else ""
            print(
                f"  {name:22} p50 {row['p50_ms']:7.4f} ms [{row['quartile_1_ms']:.4f}, "
                f"{row['quartile_3_ms']:.4f}], p99 {row['p99_ms']:7.4f} ms, "
                f"{row['ratio_to_product']:6.2f} of the product{judged}"
            )


if __name__ == "__main__":
    main()
