"""Find the 10 best of 100,000 and 1,000,000 items x 64, flat and by graph, and what adding and removing cost.

Random numbers in two parts of 24 and 40 columns, of 200 kinds; a request is a history of 30 events, its own
items left out. Rows in random order are the flat scan's worst case: nothing can be left out. `by
popularity` has rows that get lighter from first to last, as a catalogue ordered by popularity has. The
reference is numpy's float32 product of the same numbers, without selection: four times the memory. All are
measured in turn in one process. The graph of the larger size takes minutes to build and is left out unless
`--large-graph` is given.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _support import brute_force, random_model
from _timing import parser, verdict
from confidante.device.catalog.index import FlatIndex, Index
from confidante.device.catalog.index.ann import AnnIndex
from confidante.models.served import ServedModel

COLUMNS, EVENTS, WANTED, TARGET_MS, TARGET_BYTES = (24, 40), 30, 10, 1.5, 8_388_608
SIZES = {100_000: 300, 1_000_000: 30}  # items: requests
GRADED = 20  # requests whose answer is compared with brute force


def measure(items: int, requests: int, *, graph: bool) -> dict[str, Any]:
    model = random_model(items, COLUMNS, seed=1, kinds=200)
    popular = random_model(items, COLUMNS, seed=1, kinds=200, ordered=True)
    indexes: dict[str, Index] = {"flat": FlatIndex(model), "flat, by popularity": FlatIndex(popular)}
    built = dict.fromkeys(indexes, 0.0)
    if graph:
        start = time.perf_counter()
        indexes["usearch"] = AnnIndex(model)
        built["usearch"] = time.perf_counter() - start
    asked = [question(model, k) for k in range(requests)]
    floats = np.concatenate([part.vectors * part.item_weights[:, None] for part in model.parts], axis=1)
    vectors = [np.concatenate(queries).astype(np.float32) for queries, _ in asked]

    def search(index: Index) -> Callable[[int], object]:
        return lambda k: index.search(asked[k][0], WANTED, allowed=asked[k][1])

    work: dict[str, Callable[[int], object]] = {"float32 product alone": lambda k: floats @ vectors[k]}
    work |= {name: search(index) for name, index in indexes.items()}
    spent: dict[str, list[float]] = {name: [] for name in work}
    for k in range(requests):
        for name, one in work.items():  # in turn, so that a busy machine is busy for all
            start = time.perf_counter()
            one(k)
            spent[name].append(1e3 * (time.perf_counter() - start))
    rows: dict[str, Any] = {}
    reference = float(np.median(spent["float32 product alone"]))
    for name, values in spent.items():
        p25, p50, p75, p99 = np.percentile(values[len(values) // 10 :], [25, 50, 75, 99])
        rows[name] = {
            "p50_ms": p50,
            "quartile_1_ms": p25,
            "quartile_3_ms": p75,
            "p99_ms": p99,
            "ratio_to_product": p50 / reference,
        }
    rows["float32 product alone"]["bytes"] = floats.nbytes
    for name, index in indexes.items():
        of = popular if name == "flat, by popularity" else model
        rows[name] |= {"bytes": index.nbytes, "build_s": built[name], "recall": recall(index, of, asked)}
    for name in ("flat", "usearch"):
        if name in indexes:
            rows[name] |= changes(indexes[name], model)
    return rows


def question(model: ServedModel, k: int) -> tuple[tuple[NDArray[np.float64], ...], NDArray[np.bool_]]:
    """Return the queries of a random history, and which rows may be found."""
    rows = np.random.default_rng(k).integers(0, model.rows, EVENTS)
    allowed = np.ones(model.rows, dtype=np.bool_)
    allowed[rows] = False
    return model.queries(rows, np.arange(EVENTS)[::-1].astype(np.float64), np.ones(EVENTS)), allowed


def recall(index: Index, model: ServedModel, asked: list[Any]) -> float:
    hits = 0
    for queries, allowed in asked[:GRADED]:
        found, _ = index.search(queries, WANTED, allowed=allowed)
        hits += len(np.intersect1d(found, brute_force(model, queries, WANTED, allowed=allowed)))
    return hits / (WANTED * min(GRADED, len(asked)))


def changes(index: Index, model: ServedModel) -> dict[str, float]:
    """Return the microseconds that removing one row and adding a hundred cost."""
    start = time.perf_counter()
    for row in range(100):
        index.remove(np.array([row]))
    removing = (time.perf_counter() - start) / 100
    longer = model.with_rows(model.prior[:100], {})
    start = time.perf_counter()
    index.add(longer)
    return {"remove_us": 1e6 * removing, "add_100_us": 1e6 * (time.perf_counter() - start)}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--large-graph", action="store_true", help="build the graph of a million rows too")
    given = arguments.parse_args()
    sizes = {
        items: measure(items, requests, graph=items <= 100_000 or given.large_graph)
        for items, requests in SIZES.items()
    }
    if given.json:
        print(json.dumps({"target_p50_ms": TARGET_MS, "target_bytes": TARGET_BYTES, "sizes": sizes}))
        return
    for items, rows in sizes.items():
        print(f"{WANTED} of {items:,} items x {' + '.join(map(str, COLUMNS))}, {SIZES[items]} requests")
        for name, row in rows.items():
            print(
                f"  {name:22} p50 {row['p50_ms']:7.3f} ms [{row['quartile_1_ms']:.3f}, "
                f"{row['quartile_3_ms']:.3f}], p99 {row['p99_ms']:7.3f} ms, "
                f"{row['ratio_to_product']:5.2f} of the product, {row['bytes'] / 1e6:6.1f} MB"
                + (
                    f", recall {row['recall']:.3f}, built in {row['build_s']:.1f} s"
                    if "recall" in row
                    else ""
                )
            )
            if "remove_us" in row:
                print(
                    f"  {'':22} remove {row['remove_us']:.1f} us a row, add 100: {row['add_100_us']:.0f} us"
                )
    flat = sizes[100_000]["flat"]
    print(
        f"flat, 100,000: time {verdict(TARGET_MS / flat['p50_ms'])}; "
        f"bytes {verdict(TARGET_BYTES / flat['bytes'])}"
    )


if __name__ == "__main__":
    main()
