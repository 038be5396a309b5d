"""What the coordinator's benchmarks share: its real process, prepared rounds, and requests at full speed."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from _support import OPEN, write_population
from confidante.coordinator.store import Payment, RoundRow, Store
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.store.values import Joining
from confidante.crypto.identity import Identity
from confidante.secagg.codec import Kind, frame
from confidante.secagg.config import RoundConfig
from confidante.wire.rounds import OCTETS, phase_path, seat_digest

POPULATION = "films"
_RUN = "coordinator run --port 0 --wait 0.2 --of-this-machine 4096"


@dataclass(frozen=True, slots=True)
class Process:
    """A coordinator as an operator runs it, in a process of its own on SQLite. seconds: of one phase."""

    url: str
    port: int
    folder: Path
    pid: int

    def store(self) -> Store:
        return Store.open(f"sqlite:///{self.folder / 'films.db'}")

    def bodies(self) -> Bodies:
        return Bodies(f"file://{self.folder / 'films-bodies'}")

    def cpu(self) -> float:
        """Return the seconds of processor that it has used so far."""
        spent = psutil.Process(self.pid).cpu_times()
        return float(spent.user + spent.system)

    def resident_mib(self) -> float:
        return float(psutil.Process(self.pid).memory_info().rss) / (1 << 20)


@contextmanager
def coordinator(
    folder: Path,
    *,
    items: int = 60,
    devices: int = 200,
    dropout: float = 0.3,
    seconds: float = 600.0,
    more: str = OPEN,
) -> Iterator[Process]:
    """Run `confidante coordinator run` with a catalogue of so many items. more: tables of its file."""
    file = write_population(folder, items=items, devices=devices, dropout=dropout, seconds=seconds, more=more)
    process = subprocess.Popen(
        [sys.executable, "-m", "confidante.cli", *_RUN.split(), str(file)],
        stdout=subprocess.PIPE,
        stderr=(folder / "stderr").open("wb"),
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    first = process.stdout.readline() if process.stdout is not None else ""
    if " at http" not in first:
        process.wait()
        sys.exit((folder / "stderr").read_text())
    url = first.split()[-1]
    try:
        yield Process(url, int(url.rpartition(":")[2]), folder, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@dataclass(frozen=True, slots=True)
class Load:
    """How requests were answered. milliseconds: of each, sorted."""

    seconds: float
    statuses: dict[int, int]
    milliseconds: Sequence[float]

    @property
    def rate(self) -> float:
        return len(self.milliseconds) / self.seconds


def drive(port: int, requests: Sequence[Sequence[bytes]], connections: int = 16) -> Load:
    """Send requests, each given in parts, over so many connections that are kept, and read the answers."""
    statuses: dict[int, int] = {}
    took: list[float] = []
    left = iter(requests)
    lock = threading.Lock()

    def work() -> None:
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                with lock:
                    parts = next(left, None)
                if parts is None:
                    return
                began = time.perf_counter()
                for part in parts:
                    line.sendall(part)
                status = _answer(line)
                spent = 1e3 * (time.perf_counter() - began)
                with lock:
                    took.append(spent)
                    statuses[status] = statuses.get(status, 0) + 1

    threads = [threading.Thread(target=work) for _ in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Load(time.perf_counter() - began, statuses, sorted(took))


def _answer(line: socket.socket) -> int:
    """Read one answer and return its status; 0 when the connection ends."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = line.recv(65536)
        if not more:
            return 0
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    size = 0
    for name in head.lower().split(b"\r\n"):
        if name.startswith(b"content-length:"):
            size = int(name.partition(b":")[2])
    while len(body) < size:
        body += line.recv(65536)
    return int(head[9:12])


def head(method: str, path: str, kind: str, size: int, bearer: bytes = b"", more: str = "") -> bytes:
    """Return the head of a request. more: further header lines."""
    shown = f"authorization: Bearer {bearer.hex()}\r\n" if bearer else ""
    return (
        f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{shown}content-type: {kind}\r\n"
        f"content-length: {size}\r\n{more}\r\n"
    ).encode()


def drawn(label: str, size: int = 32) -> bytes:
    return hashlib.shake_256(label.encode()).digest(size)


def round_at_mask(store: Store, bodies: Bodies, name: str, n: int, numbers: int) -> bytes:
    """Open a round of n devices that do not exist and bring it to where it hears masked vectors."""
    config = RoundConfig.plan(
        round_id=drawn(f"round {name}"),
        graph_seed=drawn(f"graph {name}"),
        n=n,
        length=numbers,
        bits=32,
        max_abs_entry=1000,
        noise_headroom=1000,
    )
    roster = tuple(Identity.from_seed(drawn(f"{name} {i}")).public.encode() for i in range(n))
    seats = tuple(seat_digest(seat(name, i)) for i in range(n))
    now = time.time()
    store.pool.admit([Joining("prepared", *one, "large") for one in zip(roster, seats, strict=True)], now)
    row = RoundRow(config.round_id, 1, "prepared", "test", b"task", b"plan", config.encode(), roster, seats)
    if not store.rounds.open(row, now + 3600, Payment(3.0, 1.0), now):
        sys.exit("the round cannot be opened")
    ref = bodies.put(b"what the coordinator says")
    for phase, following in (("ADVERTISE", "SHARE"), ("SHARE", "MASK")):
        store.rounds.claim_due(now + 7200, "benchmark", 1.0)
        store.rounds.advance(config.round_id, phase, following, now + 3600, dict.fromkeys(range(n), ref), now)
    return config.round_id


def seat(name: str, index: int) -> bytes:
    return drawn(f"seat {name} {index}")


def uploads(round_id: bytes, name: str, n: int, numbers: int) -> list[list[bytes]]:
    """Return the requests with which n devices hand in their vectors."""
    noise = os.urandom(4 * numbers)
    made = []
    for i in range(n):
        first = frame(Kind.MASKED, i, round_id)
        path = phase_path(round_id, "mask")
        made.append([head("PUT", path, OCTETS, len(first) + len(noise), seat(name, i)) + first, noise])
    return made
