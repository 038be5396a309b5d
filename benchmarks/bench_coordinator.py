"""A coordinator over real HTTP on this machine: rounds from opening to published, uploads, check-ins, memory.

The coordinator is `confidante coordinator run` in a process of its own, on SQLite, with its defaults but
for `--wait 0.2` and the upload's size. The devices of the rounds are the protocol's real clients, with no
vault and no ledger (tests/support/round_clients.py); the one whose memory is measured is a real `Device`.
Uploads are 400 KB, acknowledged when they are on disk, and of made-up devices: their bodies are random. The
reference is a bare Starlette application, which reads the same bodies and keeps nothing. Check-ins ask to be
answered at once rather than held.
"""

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

import _rounds as rounds
from _support import VanishedError, play, raw_devices, small_vector
from _timing import in_child, parser, spread
from confidante.crypto.identity import Identity
from confidante.device.device import Device
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.values import Purpose
from confidante.wire.rounds import MSGPACK, Tier, check_in

PHASE_SECONDS = 5.0
NUMBERS = 100_000
REFERENCE = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
async def read(request):
    await request.body()
    return Response(status_code=202)
app = Starlette(routes=[Route("/{rest:path}", read, methods=["PUT", "POST"])])
uvicorn.run(app, fd=int(sys.argv[1]), access_log=False, log_level="error", http="httptools")
"""
DEVICE = """
import sys, time
begun = float(sys.argv[3])
from confidante.core.values import Catalogue
from confidante.device.device import Device
from confidante.device.federation.policy import ParticipationPolicy
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.wire.catalogue import CatalogueWire
import psutil, threading
catalogue = Catalogue(tuple(f"item-{i}" for i in range(60)), tuple(f"Title {i}" for i in range(60)),
    tuple(("ab"[i % 2],) for i in range(60)))
with Device(sys.argv[1], InsecurePlaintextKey(), create=False) as device:
    def look():
        while not device.ledger.departures():
            time.sleep(0.005)
        print(time.time() - begun, flush=True)
    thread = threading.Thread(target=look)
    thread.start()
    wire = CatalogueWire(catalogue)
    terms = ParticipationPolicy(wire, least_noise=0.1, least_devices=3, least_collusion=0.0)
    device.federation.participate(sys.argv[2], "films", terms, patience=2.0)
    thread.join()
    print(psutil.Process().memory_info().rss / (1 << 20), flush=True)
"""


def uploads(count: int) -> dict[str, Any]:
    """Return how many durable uploads of 400 KB a second are acknowledged, and the reference's figure."""
    with tempfile.TemporaryDirectory() as folder, rounds.coordinator(Path(folder) / "here") as here:
        with here.store() as store:
            store.operator.pause(rounds.POPULATION, True)
            round_id = rounds.round_at_mask(store, here.bodies(), "a", count + 1, NUMBERS)
        requests = rounds.uploads(round_id, "a", count, NUMBERS)
        found = loaded(here.port, requests, here.cpu)
        with here.store() as store:
            kept = store.messages.heard(round_id, "MASK")
        if found["statuses"] != {"202": count} or len(kept) != count:
            sys.exit(f"{len(kept)} of {count} uploads were kept: {found['statuses']}")
        found["resident_mib"] = here.resident_mib()
    with reference() as (port, cpu):
        found["reference"] = loaded(port, requests, cpu)
    return found


def check_ins(count: int) -> dict[str, Any]:
    """Return how many check-ins a second are answered: of new devices, and of the same again."""
    requests = []
    for index in range(count):
        identity = Identity.from_seed(rounds.drawn(f"device {index}"))
        body = check_in(identity, rounds.POPULATION, rounds.seat("check-in", index))
        requests.append(
            [rounds.head("POST", "/v1/check-in", MSGPACK, len(body), more="prefer: wait=0\r\n") + body]
        )
    with tempfile.TemporaryDirectory() as folder, rounds.coordinator(Path(folder) / "here") as here:
        with here.store() as store:
            store.operator.pause(rounds.POPULATION, True)
        found = loaded(here.port, requests, here.cpu)
        found["again"] = loaded(here.port, requests, here.cpu)
        with here.store() as store:
            waiting = len(store.pool.all(rounds.POPULATION))
        if found["statuses"] != {"200": count} or waiting != count:
            sys.exit(f"{waiting} of {count} devices wait: {found['statuses']}")
    with reference() as (port, cpu):
        found["reference"] = loaded(port, requests, cpu)
    return found


def loaded(port: int, requests: list[list[bytes]], cpu: Callable[[], float]) -> dict[str, Any]:
    before = cpu()
    load = rounds.drive(port, requests)
    spent = cpu() - before
    answered = load.milliseconds
    return {
        "rate": load.rate,
        "statuses": {str(status): count for status, count in load.statuses.items()},
        "median_ms": statistics.median(answered),
        "p95_ms": answered[int(0.95 * len(answered))],
        "cpu_ms": 1e3 * spent / len(answered),
        "bytes": sum(len(part) for part in requests[0]),
    }


@contextmanager
def reference() -> Iterator[tuple[int, Callable[[], float]]]:
    """Serve the bare application; give its port, and how to ask for the processor that it has used."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        command = [sys.executable, "-c", REFERENCE, str(door.fileno())]
        process = subprocess.Popen(command, pass_fds=[door.fileno()])
        port = door.getsockname()[1]
        rounds.drive(port, [[rounds.head("PUT", "/", MSGPACK, 0)]], 1)  # answered once it is up
        try:
            yield port, lambda: float(sum(psutil.Process(process.pid).cpu_times()[:2]))
        finally:
            process.terminate()
            process.wait()


def round_of(devices: int, numbers: int, processes: int, kill: bool) -> dict[str, Any]:
    """Return the seconds from a round's opening to its end; kill: one stops before the masked vector."""
    seconds = PHASE_SECONDS if kill else 600.0
    with (
        tempfile.TemporaryDirectory() as folder,
        rounds.coordinator(Path(folder) / "here", items=numbers, devices=devices, seconds=seconds) as here,
    ):
        before, arguments = here.cpu(), (here.url, devices // processes)
        children = [
            subprocess.Popen(
                [sys.executable, __file__, "--play", *map(str, (*arguments, place, int(kill and not place)))]
            )
            for place in range(processes)
        ]
        for child in children:
            child.wait()
        with here.store() as store:
            state = store.rounds.newest(rounds.POPULATION)[-1]
        if state.outcome != "published" or len(state.survivors) != devices - kill:
            sys.exit(f"the round ended otherwise: {state.outcome} {state.reason} {len(state.survivors)}")
        return {
            "seconds": state.ended - state.opened,
            "cpu_s": here.cpu() - before,
            "resident_mib": here.resident_mib(),
        }


def played(url: str, count: int, place: int, kill: bool) -> None:
    """Be `count` devices of one round, in this process."""
    devices = [replace(one, tier=Tier.LARGE) for one in raw_devices(count, small_vector, f"process {place}")]

    async def stop(member: Any, phase: str, moment: str, _message: bytes) -> None:
        if kill and (phase, moment) == ("mask", "before") and member.number == 0:
            raise VanishedError

    play([url], rounds.POPULATION, devices, patience=300.0, hook=stop if kill else None, wait=0.2)


def device(_count: int) -> dict[str, Any]:
    """Return the seconds from a device process's start to its first check-in, and its memory then."""
    with tempfile.TemporaryDirectory() as folder, rounds.coordinator(Path(folder) / "here") as here:
        with Device(f"{folder}/device", InsecurePlaintextKey()) as made:
            made.consents.switch(Purpose.TRAIN, True, how="person")
            made.ledger.set_budget(100.0)
        arguments = [sys.executable, "-c", DEVICE, f"{folder}/device", here.url]
        ran = subprocess.run([*arguments, str(time.time())], check=True, capture_output=True, text=True)
        seconds, resident = map(float, ran.stdout.split())
    return {"seconds": seconds, "resident_mib": resident}


def measure(quick: bool) -> dict[str, Any]:
    repeats = 1 if quick else 5

    def child(*arguments: object) -> list[dict[str, Any]]:
        return [in_child(__file__, *arguments) for _ in range(repeats)]

    return {
        "uploads": child("--uploads", 300 if quick else 1500),
        "check-ins": child("--check-ins", 500 if quick else 4000),
        "3 processes": child("--round", 3, NUMBERS, 3, 0),
        "200 devices, 10,000": child("--round", 200, 10_000, 1, 0),
        "200 devices, 100,000": [] if quick else child("--round", 200, NUMBERS, 1, 0),
        "one killed": child("--round", 12, 1000, 1, 1),
        "device": child("--device", 1),
    }


def table(measured: dict[str, Any]) -> list[tuple[str, float, float, float]]:
    """Return (what, wanted, measured, ratio; 1 or more is well) for each figure."""

    def middle(name: str, *keys: str) -> float:
        values = []
        for one in measured[name]:
            for key in keys:
                one = one[key]
            values.append(one)
        return spread(values)["median"] if values else float("nan")

    usual = middle("3 processes", "seconds")
    most = [
        ("round of 3 processes, 100,000 numbers, s", 2.0, usual),
        ("round of 200 devices, 10,000 numbers, s", 20.0, middle("200 devices, 10,000", "seconds")),
        ("round of 200 devices, 100,000 numbers, s", 20.0, middle("200 devices, 100,000", "seconds")),
        ("round in which one of 12 is killed, s", PHASE_SECONDS + usual, middle("one killed", "seconds")),
        ("device process, start to check-in, s", 0.6, middle("device", "seconds")),
        ("device process, resident MiB", 90.0, middle("device", "resident_mib")),
    ]
    least = [
        ("durable uploads of 400 KB a second", 300.0, middle("uploads", "rate")),
        ("  part of a bare application's rate", 0.0, ratio(measured["uploads"])),
        ("check-ins of new devices a second", 1000.0, middle("check-ins", "rate")),
        ("check-ins of waiting devices a second", 1000.0, middle("check-ins", "again", "rate")),
        ("  new ones, part of a bare application's", 0.0, ratio(measured["check-ins"])),
    ]
    found = [(what, wanted, got, wanted / got) for what, wanted, got in most]
    return found + [(what, wanted, got, got / wanted if wanted else 1.0) for what, wanted, got in least]


def ratio(ran: list[dict[str, Any]]) -> float:
    return statistics.median(one["rate"] / one["reference"]["rate"] for one in ran)


def report(measured: dict[str, Any]) -> None:
    print(f"{'':44} {'wanted':>9} {'measured':>9}  ratio")
    for what, wanted, got, well in table(measured):
        if got == got:  # not left out
            short = "" if well >= 1 else "  FALLS SHORT"
            print(f"{what:44} {wanted or float('nan'):9.1f} {got:9.2f} {well:6.2f}{short}")
    for name in ("uploads", "check-ins"):
        one = measured[name][0]
        print(
            f"{name}: {one['bytes']:,} bytes each; median {one['median_ms']:.1f} ms, "
            f"p95 {one['p95_ms']:.1f} ms; {one['cpu_ms']:.2f} ms of processor each, "
            f"reference {one['reference']['cpu_ms']:.2f}"
        )
    for name, ran in measured.items():
        if ran and "cpu_s" in ran[0]:
            print(
                f"{name}: coordinator {ran[0]['cpu_s']:.1f} s of processor, {ran[0]['resident_mib']:.0f} MiB"
            )


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--quick", action="store_true", help="once each, and fewer requests")
    parts: dict[str, Callable[..., dict[str, Any]]] = {
        "uploads": uploads,
        "check-ins": check_ins,
        "device": device,
    }
    for name in parts:
        arguments.add_argument(f"--{name}", type=int, help="measure one part in this process, and print JSON")
    arguments.add_argument("--round", type=int, nargs=4, help="devices, numbers, processes, kill one")
    arguments.add_argument(
        "--play", nargs=4, help="be devices of a round: address, how many, place, kill one"
    )
    given = arguments.parse_args()
    for name, part in parts.items():
        if count := getattr(given, name.replace("-", "_")):
            print(json.dumps(part(count)))
            return
    if given.round:
        many, numbers, processes, kill = given.round
        print(json.dumps(round_of(many, numbers, processes, bool(kill))))
    elif given.play:
        url, count, place, kill = given.play
        played(url, int(count), int(place), bool(int(kill)))
    else:
        measured = measure(given.quick)
        print(json.dumps(measured)) if given.json else report(measured)


if __name__ == "__main__":
    main()
