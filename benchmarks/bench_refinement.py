"""A list refined by a server that cannot read what it is asked, over loopback, call to merged list.

Coordinator and relay are processes as an operator runs them, the coordinator with its defaults, SQLite and
one worker; questions cost tokens. Devices are real `Device`s with vault and ledger, and a history of 30
events; their model has 4,000 items, the server's offer 10,000 of 64 dimensions, and BFV encrypts.
Vectors are random, which changes nothing in the work. `first answer` is what `recommend` takes until it
returns the local list, with and without a refinement that it begins.

`at once`, twice: `questions` are encrypted, paid for and sealed before, as in life each device does that on a
processor of its own; the clock runs from when all are sent, through the relay, until each answer is here.
`devices` do all of their own work, too, on the very cores that relay and coordinator have.
"""

import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from _refining import DIMENSIONS, ITEMS, ask, person, prepared, world
from _timing import in_child, parser, spread, verdict
from confidante.crypto.oblivious_http import REQUEST_TYPE
from confidante.device.device import Device

WARM = 3
TARGETS = {"p50_ms": 150.0, "at_once_p95_ms": 1500.0}


def one(url: str, through: str, folder: Path, repeats: int, *pids: int) -> dict[str, Any]:
    """Return the milliseconds of single refinements, and of first answers with and without them.

    pids: of coordinator and relay, whose processor time is counted, too.
    """
    whole, with_it, without, rest, spent_by = [], [], [], [], []
    with person(folder, url, through, 1) as device:
        for index in range(WARM + repeats):
            if not device.refinement.status().tokens:
                device.refinement.refresh()
                device.recommend(10, refine=True).refined()  # what was fetched is read once
            before = processors(pids)
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
                after = processors(pids)
                spent_by.append({name: 1e3 * (after[name] - before[name]) for name in after})
                last = device.refinement.status().last
                rest.append((last.up, last.down) if last else (0, 0))
    return {
        "refined_ms": spread(whole),
        "first_answer_ms": {"with": spread(with_it), "without": spread(without)},
        "bytes": {"up": statistics.median(up for up, _ in rest), "down": rest[-1][1]},
        "processor_ms": {name: statistics.mean(each[name] for each in spent_by) for name in spent_by[0]},
    }


def processors(pids: tuple[int, ...]) -> dict[str, float]:
    """Return the seconds of processor that each process of a question has used so far."""
    found = {"device": time.process_time()}
    coordinator_, relay_ = (psutil.Process(pid) for pid in pids)
    processes = {"coordinator": coordinator_, "relay": relay_}
    for name, process in processes.items():
        spent = process.cpu_times()
        found[name] = spent.user + spent.system
    hands = [child.cpu_times() for child in coordinator_.children()]
    found["scoring"] = sum(spent.user + spent.system for spent in hands)
    return found


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
    return {
        **_crowd([ms for part in found for ms in part["ms"]]),
        "not_refined": [reason for part in found for reason in part["reasons"]],
    }


def questions_at_once(url: str, through: str, count: int) -> dict[str, Any]:
    """Return how it goes when so many questions, made before, are sent at one moment."""
    made, took = prepared(url, count), list[float]()
    ready, lock = threading.Barrier(count), threading.Lock()
    answers: list[Callable[[], None]] = []

    def send(number: int) -> None:
        ready.wait()
        began = time.perf_counter()
        answer = ask(through, "POST", "/", made[number].sealed.data, REQUEST_TYPE)
        spent = 1e3 * (time.perf_counter() - began)
        with lock:
            took.append(spent)
            answers.append(partial(made[number].check, answer))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for check in answers:
        check()
    return {**_crowd(took), "failed": count - len(took)}


def _crowd(took: list[float]) -> dict[str, Any]:
    return {
        "count": len(took),
        "p50_ms": statistics.median(took),
        "p95_ms": float(np.percentile(took, 95)),
        "slowest_ms": max(took),
    }


def resident(pids: list[int]) -> dict[str, float]:
    """Return the MiB of coordinator, its scoring processes, and relay."""
    whole, hands = psutil.Process(pids[0]), psutil.Process(pids[0]).children()
    named = {"coordinator": whole, "relay": psutil.Process(pids[1])}
    named |= {f"scoring {number}": child for number, child in enumerate(hands)}
    return {name: process.memory_info().rss / (1 << 20) for name, process in named.items()}


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--repeats", type=int, default=31)
    made.add_argument("--devices", type=int, default=50)
    made.add_argument("--crowds", type=int, default=3, help="how often questions are sent at once")
    made.add_argument("--device-crowds", type=int, default=1, help="how often devices refine at once")
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
        single = in_child(
            __file__, "--part", "one", url, through, folder / "one", given.repeats, *here["pids"]
        )
        asked = [questions_at_once(url, through, given.devices) for _ in range(given.crowds)]
        crowd = [
            at_once(url, through, folder / f"crowd-{k}", given.devices) for k in range(given.device_crowds)
        ]
        result = {
            "items": ITEMS,
            "dimensions": DIMENSIONS,
            "announced_after_seconds": here["ready_seconds"],
            **single,
            "questions_at_once": asked,
            "devices_at_once": crowd,
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
    used = ", ".join(f"{name} {ms:.0f}" for name, ms in single["processor_ms"].items())
    print(f"ms of processor for each: {used} (coordinator and device do other things beside)")
    print(f"bytes: {single['bytes']['up']:,.0f} up, {single['bytes']['down']:,.0f} down")
    for name, crowds in (("questions", asked), ("devices", crowd)):
        for one_crowd in crowds:
            p95, lost = (
                one_crowd["p95_ms"],
                one_crowd.get("failed", 0) + len(one_crowd.get("not_refined", ())),
            )
            print(
                f"{one_crowd['count']} {name} at once: p50 {one_crowd['p50_ms']:.0f} ms, p95 {p95:.0f} ms, "
                f"{lost} not refined, {verdict(TARGETS['at_once_p95_ms'] / p95)}"
            )
    print("resident: " + ", ".join(f"{name} {mib:.0f} MiB" for name, mib in result["resident_mib"].items()))


if __name__ == "__main__":
    main()
