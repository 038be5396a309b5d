"""A list refined by a server that cannot read what it is asked, over loopback, call to merged list.

Coordinator and relay are processes as an operator runs them, the coordinator with its defaults, SQLite and
one worker; questions cost tokens. Devices are real `Device`s with vault and ledger, and a history of 30
events; their model has 4,000 items, the server's offer 10,000 of 64 dimensions, and BFV encrypts.
Vectors are random, which changes nothing in the work. `first answer` is what `recommend` takes until it
returns the local list, with and without a refinement that it begins. `at once`: so many devices, in a few
processes as there are cores, all call at one moment; the clock of each runs from then. Devices, relay, and
coordinator share the cores of this machine: in life each device has its own.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from _rounds import POPULATION, coordinator
from _timing import in_child, parser, spread, verdict
from confidante.coordinator.bodies import Bodies
from confidante.coordinator.store import Store
from confidante.core.types import Catalogue
from confidante.device.consent import PERSON
from confidante.device.device import Device
from confidante.device.values import Event, Purpose
from confidante.device.vault.keys import KeyBeside
from confidante.testing.published_model import made_up_model, publish_model

ITEMS, MODEL_ITEMS, DIMENSIONS, EVENTS = 10_000, 4_000, 64, 30
WARM = 3
MORE = f"""
[enrolment]
verifier = "address"
tokens = 100000
[refinement]
items = "store.csv"
dimensions = {DIMENSIONS}
tokens = 100000
"""
TARGETS = {"p50_ms": 150.0, "at_once_p95_ms": 1500.0}


def items_of(count: int) -> Catalogue:
    return Catalogue(
        tuple(f"item-{index}" for index in range(count)),
        tuple(f"Title {index}" for index in range(count)),
        tuple(("a", "b")[index % 2 :] for index in range(count)),
    )


@contextmanager
def relay(gateway: str) -> Iterator[tuple[str, int]]:
    """Run a relay, and give its address and number."""
    words = ["relay", "--gateway", gateway, "--port", "0", "--at-once", "64", "--seconds", "30"]
    process = subprocess.Popen(
        [sys.executable, "-m", "confidante.cli", *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        first = process.stdout.readline() if process.stdout is not None else ""
        yield first.split()[-1], process.pid
    finally:
        process.terminate()
        process.communicate(timeout=60)


@contextmanager
def world(folder: Path) -> Iterator[dict[str, Any]]:
    """Run a coordinator that refines and a relay to it."""
    offer = items_of(ITEMS)
    folder.mkdir(parents=True)
    rows = zip(offer.ids, offer.titles, offer.labels, strict=True)
    lines = [f"{item},{title},{'|'.join(labels)},1,0.1" for item, title, labels in rows]
    (folder / "store.csv").write_text("item,title,labels,stock,boost\n" + "\n".join(lines) + "\n")
    with Store.open(f"sqlite:///{folder / POPULATION}.db") as store:  # nobody else is at work on it yet
        store.migrate()
        publish_model(store, Bodies(f"file://{folder / POPULATION}-bodies"), POPULATION, model(), time.time())
    with ExitStack() as stack:
        here = stack.enter_context(coordinator(folder, items=60, devices=5, more=MORE))
        began = time.perf_counter()
        with here.store() as store:
            until_announced(store)
        ready = time.perf_counter() - began
        time.sleep(2.0)  # until the scoring process has its tables
        through, number = stack.enter_context(relay(here.url + "/v1/oblivious"))
        yield {"url": here.url, "relay": through, "pids": [here.pid, number], "ready_seconds": ready}


def until_announced(store: Store) -> None:
    end = time.monotonic() + 120
    while not store.refinement.standing(POPULATION).said:
        if time.monotonic() > end:
            sys.exit(f"nothing was announced: {store.refinement.standing(POPULATION).problem}")
        time.sleep(0.05)


def model() -> bytes:
    return made_up_model(items_of(MODEL_ITEMS), DIMENSIONS)


@contextmanager
def person(folder: Path, url: str, through: str, seed: int) -> Iterator[Device]:
    """A device that is ready to have a list refined."""
    with Device(folder, KeyBeside()) as device:
        device.install_model(model())
        rng = np.random.default_rng(seed)
        chosen = rng.choice(MODEL_ITEMS, EVENTS, replace=False)
        now = time.time()
        device.record_many(
            [Event(0, f"item-{item}", "view", now - index * 1000.0) for index, item in enumerate(chosen)]
        )
        device.consents.switch(Purpose.REFINE, True, how=PERSON)
        device.refine_with(url, POPULATION, relay=through, policy="ask", seconds=30.0)
        device.refresh_refinement()
        device.recommend(10)
        yield device


def one(url: str, through: str, folder: Path, repeats: int) -> dict[str, Any]:
    """Return the milliseconds of single refinements, and of first answers with and without them."""
    whole, with_it, without, rest = [], [], [], []
    with person(folder, url, through, 1) as device:
        for index in range(WARM + repeats):
            device.refresh_refinement()  # gets tokens when there are few
            began = time.perf_counter()
            device.recommend(10)
            alone = time.perf_counter() - began
            began = time.perf_counter()
            answer = device.recommend(10, refine=True)
            local = time.perf_counter() - began
            refined = answer.refined()
            spent = time.perf_counter() - began
            if answer.refinement is None or answer.refinement.reason is not None or refined is answer:
                sys.exit(f"it was not refined: {answer.refinement and answer.refinement.said}")
            if index >= WARM:
                whole.append(1e3 * spent)
                with_it.append(1e3 * local)
                without.append(1e3 * alone)
                last = device.refinement_status().last
                rest.append((last.up, last.down) if last else (0, 0))
    return {
        "refined_ms": spread(whole),
        "first_answer_ms": {"with": spread(with_it), "without": spread(without)},
        "bytes": {"up": statistics.median(up for up, _ in rest), "down": rest[-1][1]},
    }


def many(url: str, through: str, folder: Path, first: int, count: int) -> dict[str, Any]:
    """Return the milliseconds of devices that refine at once, and why others were not refined."""
    took, reasons = [], []
    with ExitStack() as stack:
        devices = [
            stack.enter_context(person(folder / str(number), url, through, number))
            for number in range(first, first + count)
        ]
        ready = threading.Barrier(count + 1)
        lock = threading.Lock()

        def ask(device: Device) -> None:
            ready.wait()
            began = time.perf_counter()
            answer = device.recommend(10, refine=True)
            answer.refined()
            spent = 1e3 * (time.perf_counter() - began)
            reason = answer.refinement.reason if answer.refinement else "none"
            with lock:
                took.append(spent)
                if reason is not None:
                    reasons.append(f"{reason}: {answer.refinement.said if answer.refinement else ''}")

        threads = [threading.Thread(target=ask, args=(device,)) for device in devices]
        for thread in threads:
            thread.start()
        (folder / f"ready-{first}").touch()
        while not (folder / "go").exists():
            time.sleep(0.002)
        ready.wait()
        for thread in threads:
            thread.join()
    return {"ms": took, "reasons": reasons}


def at_once(url: str, through: str, folder: Path, devices: int) -> dict[str, Any]:
    """Return how it goes when so many devices refine at one moment."""
    folder.mkdir()
    processes = max(os.cpu_count() or 1, 1)
    firsts = [devices * k // processes for k in range(processes + 1)]
    found: list[dict[str, Any]] = []

    failed: list[str] = []

    def run(first: int, count: int) -> None:
        try:
            found.append(in_child(__file__, "--part", "many", url, through, folder, first, count))
        except SystemExit as error:
            failed.append(str(error))

    threads = [threading.Thread(target=run, args=(first, after - first)) for first, after in pairwise(firsts)]
    for thread in threads:
        thread.start()
    while len(list(folder.glob("ready-*"))) < processes:
        if not all(thread.is_alive() for thread in threads):
            sys.exit("\n".join(failed) or "a device could not be made ready")
        time.sleep(0.05)
    (folder / "go").touch()
    for thread in threads:
        thread.join()
    if failed:
        sys.exit("\n".join(failed))
    took = sorted(ms for part in found for ms in part["ms"])
    return {
        "devices": len(took),
        "not_refined": [reason for part in found for reason in part["reasons"]],
        "p50_ms": statistics.median(took),
        "p95_ms": float(np.percentile(took, 95)),
        "slowest_ms": took[-1],
    }


def resident(pids: list[int]) -> dict[str, float]:
    """Return the MiB of coordinator, its scoring process, and relay."""
    whole, hands = psutil.Process(pids[0]), psutil.Process(pids[0]).children()
    sizes = [process.memory_info().rss / (1 << 20) for process in (whole, *hands, psutil.Process(pids[1]))]
    return dict(zip(("coordinator", "scoring", "relay"), sizes, strict=False))


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--repeats", type=int, default=31)
    made.add_argument("--devices", type=int, default=50)
    made.add_argument("--crowds", type=int, default=3)
    made.add_argument("--part", nargs="+", help="for itself")
    given = made.parse_args()
    if given.part:
        kind, url, through, place, *numbers = given.part
        found = (one if kind == "one" else many)(url, through, Path(place), *map(int, numbers))
        print(json.dumps(found))
        return
    with tempfile.TemporaryDirectory() as name, world(Path(name) / "coordinator") as here:
        folder = Path(name)
        url, through = here["url"], here["relay"]
        single = in_child(__file__, "--part", "one", url, through, folder / "one", given.repeats)
        crowd = [at_once(url, through, folder / f"crowd-{k}", given.devices) for k in range(given.crowds)]
        result = {
            "items": ITEMS,
            "dimensions": DIMENSIONS,
            "announced_after_seconds": here["ready_seconds"],
            **single,
            "at_once": crowd,
            "resident_mib": resident(here["pids"]),
        }
    if given.json:
        print(json.dumps(result))
        return
    p50, local = single["refined_ms"]["median"], single["first_answer_ms"]
    print(f"{ITEMS:,} items of {DIMENSIONS} dimensions, BFV, through a relay, on this machine")
    print(f"whole refined answer: median {p50:.0f} ms, {verdict(TARGETS['p50_ms'] / p50)}")
    print(
        f"first answer: median {local['with']['median']:.2f} ms with a refinement begun, "
        f"{local['without']['median']:.2f} ms without"
    )
    print(f"bytes: {single['bytes']['up']:,.0f} up, {single['bytes']['down']:,.0f} down")
    for one_crowd in crowd:
        p95 = one_crowd["p95_ms"]
        print(
            f"{one_crowd['devices']} devices at once: p50 {one_crowd['p50_ms']:.0f} ms, p95 {p95:.0f} ms, "
            f"{len(one_crowd['not_refined'])} not refined, {verdict(TARGETS['at_once_p95_ms'] / p95)}"
        )
    print("resident: " + ", ".join(f"{name} {mib:.0f} MiB" for name, mib in result["resident_mib"].items()))


if __name__ == "__main__":
    main()
