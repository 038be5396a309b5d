"""Scoring in secret: time at server and client, bytes, memory, overlap with plain scores.

    python benchmarks/bench_scoring.py [--json] [--quick]

Vectors of 64 columns come from a model trained at epsilon 8 on synthetic people of MovieLens-1M's shape, and
on MovieLens-1M itself where CONFIDANTE_SHARED names its folder; rows are drawn again with noise until there
are 10,000 items. Beside them random ones. Overlap is of the best 100 by the integers that a device decrypts
with the best 100 by float64 scores, over 100 people's histories. Times are medians of one process; on a
machine that is busy with other things look at the time of the processor beside them. Work of a client
is making a question, keys included, and reading its answer.
Memory is what a process of its own grows by when it builds a table. `at once` is the questions answered in a
second by one thread, by two, and by two processes. Needs the extra `he`; `--quick` leaves
out overlap and 100,000 items.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

import _movielens as movielens
import _timing as timing
from bench_training import synthetic_movielens
from confidante.core.values import Catalogue, Histories
from confidante.crypto.he.bfv import BfvScheme
from confidante.crypto.he.scheme import ScoringTable
from confidante.lab.experiment import Training
from confidante.models.refinement.build import build, narrowed
from confidante.models.served import ServedModel, ServedPart
from confidante.models.snapshot import Published, decode

COLUMNS, ITEMS, MANY = 64, 10_000, 100_000
BEST, PEOPLE, EPSILON = 100, 100, 8.0
REPEATS, SECONDS = 21, 3.0
TARGETS = {
    "server, 10,000 items": 20.0,  # ms
    "client, 10,000 items": 25.0,
    "up, 10,000 items": 2.2,  # MB
    "down, 10,000 items": 200.0,  # KB
    "server, 100,000 items": 90.0,
}


def drawn(items: int, seed: int = 0) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(-127, 128, (items, COLUMNS))


def clocked(call: Callable[[], object], repeats: int) -> dict[str, float]:
    """Return the medians of milliseconds on the wall and of the processor."""
    call()
    wall, processor = [], []
    for _ in range(repeats):
        start, busy = time.perf_counter(), time.process_time()
        call()
        processor.append(1e3 * (time.process_time() - busy))
        wall.append(1e3 * (time.perf_counter() - start))
    return {"median": statistics.median(wall), "processor": statistics.median(processor)}


def work(items: int) -> dict[str, Any]:
    """Return times of server and client, and bytes."""
    scheme, query = BfvScheme(), drawn(1, 1)[0]
    table, asking = scheme.table(drawn(items)), scheme.ask(query)
    answer = table.answer(asking.request)
    if not (asking.read(answer, items) == drawn(items) @ query).all():
        sys.exit("the products are not exact")

    def both() -> None:
        scheme.ask(query)
        asking.read(answer, items)

    return {
        "server": clocked(lambda: table.answer(asking.request), REPEATS),
        "client": clocked(both, REPEATS),
        "ask": clocked(lambda: scheme.ask(query), REPEATS),
        "read": clocked(lambda: asking.read(answer, items), REPEATS),
        "up": len(asking.request) / 1e6,
        "down": len(answer) / 1e3,
    }


# --- memory and many questions


def memory(items: int) -> dict[str, float]:
    """Return MiB and seconds of building a table; call it in a process of its own."""
    scheme, vectors = BfvScheme(), drawn(items).astype(np.int8)
    scheme.table(vectors[:1])
    held = psutil.Process().memory_info
    before, start = held().rss, time.perf_counter()
    table = scheme.table(vectors)
    seconds, mib = time.perf_counter() - start, (held().rss - before) / (1 << 20)
    return {"mib": mib, "seconds": seconds, "items": table.items}


def answered(table: ScoringTable, request: bytes) -> int:
    """Return how many times a request was answered in `SECONDS`."""
    end, count = time.perf_counter() + SECONDS, 0
    while time.perf_counter() < end:
        table.answer(request)
        count += 1
    return count


def answered_alone(_: int) -> int:
    scheme = BfvScheme()
    return answered(scheme.table(drawn(ITEMS)), scheme.ask(drawn(1, 1)[0]).request)


def at_once() -> dict[str, float]:
    scheme = BfvScheme()
    table, request = scheme.table(drawn(ITEMS)), scheme.ask(drawn(1, 1)[0]).request
    found = {"one thread": answered(table, request) / SECONDS}
    with ThreadPoolExecutor(2) as pool:
        found["two threads"] = sum(pool.map(lambda _: answered(table, request), range(2))) / SECONDS
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(abs, range(2)))
        found["two processes"] = sum(pool.map(answered_alone, range(2))) / SECONDS
    return found


# --- overlap


def spread_out(published: Published, items: int) -> Published:
    """Return the model with rows drawn again, with noise, until there are so many."""
    rng = np.random.default_rng(0)
    rows = np.concatenate(
        (np.arange(published.model.rows), rng.integers(0, published.model.rows, items - published.model.rows))
    )
    model = published.model.subset(rows)
    again = np.arange(len(rows)) >= published.model.rows

    def noisy(part: ServedPart) -> ServedPart:
        noise = rng.normal(0, 0.3, part.vectors.shape) * part.vectors.std(axis=0) * again[:, None]
        return replace(part, vectors=np.rint(part.vectors + noise).clip(-127, 127).astype(np.int8))

    names = tuple(map(str, range(items)))
    model = ServedModel(tuple(noisy(part) for part in model.parts), model.prior)
    return Published(model, Catalogue(names, names, ((),) * items), None, "")


def overlap(published: Published, histories: Histories) -> dict[str, float]:
    """Return how many of the best 100 stay so when all is rounded and encrypted."""
    wide = spread_out(published, ITEMS)
    catalogue = wide.catalogue
    if catalogue is None:
        sys.exit("a model comes without its catalogue")
    side, items = build(wide, catalogue, dimensions=COLUMNS)
    narrow = narrowed(wide, COLUMNS).model
    scheme, table = BfvScheme(), BfvScheme().table(items.vectors)
    rows = np.arange(ITEMS)
    found = []
    longest = np.flatnonzero(histories.lengths >= 20)
    for person in np.random.default_rng(1).choice(longest, PEOPLE, replace=False).tolist():
        start, stop = histories.indptr[person : person + 2].tolist()
        events = histories.items[start:stop].astype(np.int64)
        ages, ones = np.arange(len(events), dtype=np.float64)[::-1], np.ones(len(events))
        plain = narrow.scores(rows, narrow.queries(events, ages, ones)) - narrow.prior
        rounded = side.rounded(side.query(events, ages, ones))
        asking = scheme.ask(rounded.values)
        products = asking.read(table.answer(asking.request), ITEMS)
        found.append(shared(plain, products))
    return said(found)


def overlap_at_random() -> dict[str, float]:
    """Return the same for normal vectors and queries, columns brought to 8 bits by their largest entries."""
    rng = np.random.default_rng(0)
    vectors, queries = rng.normal(size=(ITEMS, COLUMNS)), rng.normal(size=(PEOPLE, COLUMNS))
    scale = np.abs(vectors).max(axis=0) / 127
    table, found = BfvScheme().table(np.rint(vectors / scale).astype(np.int64)), []
    for query in queries:
        scaled = query * scale
        asking = BfvScheme().ask(np.rint(scaled / np.abs(scaled).max() * 127).astype(np.int64))
        found.append(shared(vectors @ query, asking.read(table.answer(asking.request), ITEMS)))
    return said(found)


def shared(one: NDArray[Any], other: NDArray[Any]) -> int:
    best = [set(np.argsort(-scores, kind="stable")[:BEST].tolist()) for scores in (one, other)]
    return len(best[0] & best[1])


def said(found: list[int]) -> dict[str, float]:
    return {"mean": float(np.mean(found)), "median": float(np.median(found)), "least": min(found)}


def overlaps() -> dict[str, dict[str, float]]:
    histories, catalogue = synthetic_movielens()
    published = Training(epsilon=EPSILON, seed=0).train(histories, catalogue).published
    found = {"synthetic people": overlap(decode(published), histories)}
    if os.environ.get("CONFIDANTE_SHARED"):
        data = movielens.load("ml-1m", "valid")
        if data is not None:
            found["MovieLens-1M"] = overlap(decode(movielens.trained(data, EPSILON)), data.visible)
    found["random vectors"] = overlap_at_random()
    return found


# --- what is shown


def report(results: dict[str, Any]) -> None:
    for items, one in results["work"].items():
        for name in ("server", "client"):
            aimed(f"{name}, {items} items", one[name]["median"], one[name]["processor"])
        print(f"  of it asking {one['ask']['median']:.1f} ms, reading {one['read']['median']:.1f} ms")
        aimed(f"up, {items} items", one["up"])
        aimed(f"down, {items} items", one["down"])
    for one in results["memory"]:
        print(f"a table of {one['items']:,} items: {one['mib']:.0f} MiB, built in {one['seconds']:.2f} s")
    print("at once: " + ", ".join(f"{name} {rate:.0f}/s" for name, rate in results["at once"].items()))
    for name, one in results.get("overlap", {}).items():
        print(
            f"best {BEST} shared, {name}: mean {one['mean']:.2f}, median {one['median']:.0f}, least "
            f"{one['least']}; {timing.verdict(one['median'] / 98)}"
        )


def aimed(name: str, value: float, processor: float | None = None) -> None:
    wanted = TARGETS.get(name)
    unit = {"up": "MB", "down": "KB"}.get(name.partition(",")[0], "ms")
    beside = "" if processor is None else f", processor {processor:.2f} ms"
    end = "" if wanted is None else f" (at most {wanted:g}); {timing.verdict(wanted / value)}"
    print(f"{name}: {value:.2f} {unit}{beside}{end}")


def main() -> None:
    arguments = timing.parser(__doc__)
    arguments.add_argument("--quick", action="store_true", help="leave out overlap and 100,000 items")
    arguments.add_argument("--memory", type=int, help="print what a table of so many items takes, and end")
    given = arguments.parse_args()
    if given.memory:
        movielens.dump(memory(given.memory))
        return
    sizes = (ITEMS,) if given.quick else (ITEMS, MANY)
    results: dict[str, Any] = {
        "work": {f"{items:,}": work(items) for items in sizes},
        "memory": [timing.in_child(__file__, "--memory", items) for items in sizes],
        "at once": at_once(),
    }
    if not given.quick:
        results["overlap"] = overlaps()
    if given.json:
        movielens.dump(results)
    else:
        report(results)


if __name__ == "__main__":
    main()
