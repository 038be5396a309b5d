"""A device with 100,000 items: how soon it answers, starts and changes, and what it holds in memory.

The library is made up: random 8-bit vectors in two parts of 16 and 48 columns, of 200 kinds, published as a
model of 100,000 items in random order, which is the flat scan's worst case; titles of three made-up words,
two labels each; a history of 200 events. `words too` is the same with one more item, which the model does
not know: then the words of all titles, 64 more columns, are part of the index. The vault has a passphrase.
The reference, in the same process and in turn, is numpy's float32 product of the same 64 columns with
argpartition: no reasons, no filter by label, four times the memory.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _timing import in_child, milliseconds, parser, peak_mib, seconds_of, spread, verdict
from confidante import Device, Item
from confidante.device.recommend.recommender import Request

ITEMS, COLUMNS, KINDS, EVENTS, N = 100_000, (16, 48), 200, 200, 10
REQUESTS, STARTS = 400, 11
PASSPHRASE = "a passphrase of a benchmark"  # noqa: S105
TARGETS = {
    "recommend_ms": 3.0,
    "index_bytes": 8_388_608,
    "cold_start_ms": 600.0,
    "cold_start_mib": 150.0,
    "import_ms": 300.0,
    "open_ms": 100.0,
}
IMPORT = """
import sys, time
start = time.perf_counter()
import confidante
between = time.perf_counter()
from confidante import Device
print(1e3 * (between - start), 1e3 * (time.perf_counter() - start))
"""
COLD_START = """
import resource, sys
from confidante import Device
with Device(sys.argv[1], sys.argv[2], create=False) as device:
    print(device.recommend(10).suggestions[0].item.title, flush=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
"""


def published() -> bytes:
    """Return the made-up model with its catalogue."""
    from _support import random_model
    from confidante.core.values import Catalogue
    from confidante.models.snapshot import encode

    labels = [f"label {k}" for k in range(20)]
    carried = np.random.default_rng(2).integers(0, len(labels), (ITEMS, 2)).tolist()
    catalogue = Catalogue(
        tuple(f"item-{k:06d}" for k in range(ITEMS)),
        titles(ITEMS, seed=0),
        tuple(tuple(sorted({labels[k] for k in row})) for row in carried),
    )
    return encode(random_model(ITEMS, COLUMNS, seed=1, kinds=KINDS), catalogue, None)


def titles(count: int, seed: int) -> tuple[str, ...]:
    words = [
        begin + middle + end
        for begin in ("Br", "Cl", "Dr", "Fl", "Gr", "Pl", "St", "Tr", "Sh", "Ch")
        for middle in ("a", "e", "i", "o", "u", "ai", "ea", "oo")
        for end in ("nd", "rk", "st", "lm", "ne", "ck", "rt", "ll", "sh", "mp")
    ]
    picked = np.random.default_rng(seed).integers(0, len(words), (count, 3)).tolist()
    return tuple(" ".join(words[k] for k in row) for row in picked)


def make(folder: Path, unknown: int) -> dict[str, Any]:
    """Make the profile, in a process of its own, and say what it took."""
    data = published()
    with Device(folder, PASSPHRASE) as device:
        installed = seconds_of(lambda: device.federation.install_model(data), 1, warm=0)[0]
        added = seconds_of(lambda: device.items.add(new_items(unknown, "first")), 1, warm=0)[0]
        for k in np.random.default_rng(3).integers(0, ITEMS, EVENTS).tolist():
            device.record(f"item-{k:06d}")
    return {"install_model_s": installed, "first_unknown_item_s": added, "snapshot_bytes": len(data)}


def new_items(count: int, name: str) -> list[Item]:
    return [Item(f"{name}-{k}", title, ("label 3",)) for k, title in enumerate(titles(count, seed=9))]


def answers(folder: Path) -> dict[str, Any]:
    """Measure what is only read, in turn with the reference."""
    with Device(folder, PASSPHRASE, create=False) as device:
        liked = [event.item for event in device.history.events(limit=5)]
        newest = device.history.events(limit=1)[0].number
        best = device.recommend(N).suggestions[0].item.id
        work: dict[str, Callable[[], object]] = {
            "recommend": lambda: device.recommend(N),
            "reference": reference(device),
            "recommend, one label": lambda: device.recommend(N, labels=("label 7",)),
            "recommend, diversity 0.5": lambda: device.recommend(N, diversity=0.5),
            "recommend, filter": lambda: device.recommend(N, filter=lambda item: len(item.title) > 12),
            "what_if": lambda: device.recommender.what_if(without=[newest], n=N),
            "session": lambda: device.recommender.session(liked, N),
        }
        spent: dict[str, list[float]] = {name: [] for name in work}
        for k in range(REQUESTS + 20):
            for name, one in work.items():
                start = time.perf_counter()
                one()
                if k >= 20:
                    spent[name].append(1e3 * (time.perf_counter() - start))
        found: dict[str, Any] = {name: percentiles(values) for name, values in spent.items()}
        found["explain"] = milliseconds(lambda: device.explain(best), 9)
        found["similar_items"] = milliseconds(lambda: device.recommender.similar_items(best, N), 9)
        library, index = device._serving.library, device._serving.index
        errors = [abs(s.unexplained) for s in device.recommend(N).suggestions]
        return {
            "spent": found,
            "index_bytes": index.nbytes,
            "parts": {part.name: part.vectors.shape[1] for part in library.model.parts},
            "peak_mib": peak_mib(),
            "additivity_error": max(errors),
        }


def reference(device: Device) -> Callable[[], NDArray[np.int64]]:
    """Return the least that a recommender without any of the rest must do."""
    library = device._serving.library
    parts = library.model.parts[: len(COLUMNS)]
    floats = np.concatenate([part.vectors * part.item_weights[:, None] for part in parts], axis=1)
    profile = device.recommender._query(Request()).profile
    ages = np.arange(len(profile.rows), dtype=np.float64)[::-1]
    queries = library.model.queries(profile.rows, ages, profile.weights)[: len(COLUMNS)]
    query = np.concatenate(queries).astype(np.float32)

    def best() -> NDArray[np.int64]:
        scores = floats @ query + library.model.prior
        scores[profile.rows] = -np.inf
        found = np.argpartition(-scores, N)[:N]
        return found[np.argsort(-scores[found])]

    return best


def changes(folder: Path) -> dict[str, Any]:
    """Measure what changes the vault. Every call is on disk when it returns."""
    spent: dict[str, Any] = {}
    opened, closed = [], []
    for _ in range(7):
        start = time.perf_counter()
        device = Device(folder, PASSPHRASE, create=False)
        opened.append(1e3 * (time.perf_counter() - start))
        start = time.perf_counter()
        device.close()
        closed.append(1e3 * (time.perf_counter() - start))
    spent["open"], spent["close"] = spread(opened), spread(closed)
    with Device(folder, PASSPHRASE, create=False) as device:
        device.recommend(N)
        items = iter(range(0, ITEMS, 97))
        spent["record"] = milliseconds(lambda: device.record(f"item-{next(items):06d}"), 50)
        spent["record, then recommend"] = milliseconds(
            lambda: (device.record(f"item-{next(items):06d}"), device.recommend(N)), 25
        )
        spent["forget one event"] = milliseconds(
            lambda: device.forget(event=device.history.events(limit=1)[0].number), 5
        )
        spent["forget one event, undo in a minute"] = milliseconds(
            lambda: device.forget(event=device.history.events(limit=1)[0].number, undo_seconds=60), 9
        )
        spent["less_like, then recommend"] = milliseconds(
            lambda: (device.taste.less(f"item-{next(items):06d}"), device.recommend(N)), 7
        )
        spent["add_items of 1, the first unknown one"] = milliseconds_once(
            lambda: device.items.add(new_items(1, "unknown"))
        )
        batches = iter(range(1000))
        spent["add_items of 1"] = milliseconds(
            lambda: device.items.add(new_items(1, f"one {next(batches)}")), 7
        )
        spent["add_items of 1,000"] = milliseconds(
            lambda: device.items.add(new_items(1000, f"many {next(batches)}")), 3
        )
        spent["find_items"] = milliseconds(lambda: device.items.find("brand"), 5)
    spent["close, with rows to store"] = spread([time_to_close(folder)])
    return {
        "spent": spent,
        "peak_mib": peak_mib(),
        "vault_bytes": sum(f.stat().st_size for f in folder.iterdir()),
    }


def milliseconds_once(work: Callable[[], object]) -> dict[str, float]:
    return spread([1e3 * seconds_of(work, 1, warm=0)[0]])


def time_to_close(folder: Path) -> float:
    device = Device(folder, PASSPHRASE, create=False)
    device.items.add(new_items(1, "last"))
    start = time.perf_counter()
    device.close()
    return 1e3 * (time.perf_counter() - start)


def percentiles(values: list[float]) -> dict[str, float]:
    low, median, high, late = np.percentile(values, [25, 50, 75, 95]).tolist()
    return {"median": median, "quartile_1": low, "quartile_3": high, "p95": late, "repeats": len(values)}


def starts(folder: Path) -> dict[str, Any]:
    """Start fresh processes: from the call to the first recommendation printed, and memory at its peak."""
    seconds, memory = [], []
    for _ in range(STARTS):
        start = time.perf_counter()
        command = [sys.executable, "-c", COLD_START, str(folder), PASSPHRASE]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None  # noqa: S101
            process.stdout.readline()
            seconds.append(1e3 * (time.perf_counter() - start))
            memory.append(int(process.stdout.readline()) / (1 << 20 if sys.platform == "darwin" else 1 << 10))
    return {"cold_start_ms": spread(seconds), "cold_start_mib": spread(memory)}


def imports() -> dict[str, Any]:
    """Import in fresh processes, next to numpy alone."""
    package, device, numpy_alone = [], [], []
    numpy_only = IMPORT.replace("import confidante\n", "import numpy\n").replace(
        "from confidante import Device", ""
    )
    for _ in range(STARTS):
        first, both = map(float, printed(IMPORT).split())
        package.append(first)
        device.append(both)
        numpy_alone.append(float(printed(numpy_only).split()[0]))
    return {
        "import confidante": spread(package),
        "from confidante import Device": spread(device),
        "import numpy, alone": spread(numpy_alone),
    }


def printed(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        folders = {"known": Path(temporary) / "known", "words too": Path(temporary) / "words"}
        measured: dict[str, Any] = {"imports_ms": imports()}
        for name, folder in folders.items():
            made = in_child(__file__, "--make", folder, "--unknown", int(name != "known"))
            measured[name] = {**made, **in_child(__file__, "--answers", folder), **starts(folder)}
        measured["changes"] = in_child(__file__, "--changes", folders["known"])
    return measured


def report(measured: Mapping[str, Any]) -> None:
    print(f"{ITEMS:,} items, {EVENTS} events, {N} recommended; medians [quartiles]")
    for name in ("known", "words too"):
        one = measured[name]
        columns = " + ".join(f"{width} {part!r}" for part, width in one["parts"].items())
        print(f"\n{name}: columns {columns}; index {one['index_bytes'] / 1e6:.3f} MB")
        against = one["spent"]["reference"]["median"]
        for what, row in one["spent"].items():
            print(f"  {what:26} {shown(row)} ms, {row['median'] / against:5.2f} of the reference")
        print(f"  {'cold start':26} {shown(one['cold_start_ms'])} ms, {shown(one['cold_start_mib'])} MiB")
        print(
            f"  {'install_model':26} {one['install_model_s']:.2f} s of {one['snapshot_bytes'] / 1e6:.1f} MB"
        )
        print(f"  {'first unknown item':26} {one['first_unknown_item_s']:.2f} s")
        print(f"  reasons add up to the score to {one['additivity_error']:.1e}")
    print(f"\nchanges, durable when they return; vault {measured['changes']['vault_bytes'] / 1e6:.0f} MB")
    for what, row in measured["changes"]["spent"].items():
        print(f"  {what:38} {shown(row)} ms")
    print(f"  {'memory at its peak':38} {measured['changes']['peak_mib']:.0f} MiB")
    print("\nimports, ms")
    for what, row in measured["imports_ms"].items():
        print(f"  {what:38} {shown(row)}")
    print()
    for name in ("known", "words too"):
        one = measured[name]
        print(
            f"{name}: recommend {verdict(TARGETS['recommend_ms'] / one['spent']['recommend']['median'])}; "
            f"index {verdict(TARGETS['index_bytes'] / one['index_bytes'])}; "
            f"cold start {verdict(TARGETS['cold_start_ms'] / one['cold_start_ms']['median'])}; "
            f"memory {verdict(TARGETS['cold_start_mib'] / one['cold_start_mib']['median'])}"
        )
    imported = measured["imports_ms"]["from confidante import Device"]["median"]
    opened = measured["changes"]["spent"]["open"]["median"]
    print(f"import {verdict(TARGETS['import_ms'] / imported)}; open {verdict(TARGETS['open_ms'] / opened)}")


def shown(row: Mapping[str, float]) -> str:
    late = f", p95 {row['p95']:.2f}" if "p95" in row else ""
    return f"{row['median']:8.2f} [{row['quartile_1']:.2f}, {row['quartile_3']:.2f}]{late}"


def main() -> None:
    arguments = parser(__doc__)
    for child in ("--make", "--answers", "--changes"):
        arguments.add_argument(child, type=Path, help="measure one part in this process, and print JSON")
    arguments.add_argument("--unknown", type=int, default=0, help="with --make: items the model lacks")
    given = arguments.parse_args()
    if given.make:
        print(json.dumps(make(given.make, given.unknown)))
    elif given.answers:
        print(json.dumps(answers(given.answers)))
    elif given.changes:
        print(json.dumps(changes(given.changes)))
    else:
        measured = measure()
        if given.json:
            print(json.dumps({"targets": TARGETS, **measured}))
        else:
            report(measured)


if __name__ == "__main__":
    main()
