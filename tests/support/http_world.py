"""A coordinator's HTTP side behind a real socket, rounds that a test moves by hand, and their members."""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn

from confidante.coordinator.http import Coordinator, HttpSettings
from confidante.coordinator.store import Payment, RoundRow, Store
from confidante.coordinator.store.bodies import Bodies
from confidante.core.errors import ConfidanteError
from confidante.crypto.identity import Identity, PublicIdentity
from confidante.secagg.client import RANDOM_BYTES, Client
from confidante.secagg.config import RoundConfig, RoundSetup
from confidante.secagg.phases import Phase
from confidante.secagg.server import Server, SumResult
from confidante.wire.rounds import (
    MSGPACK,
    OCTETS,
    CheckedIn,
    Refusal,
    check_in,
    decode,
    phase_path,
)

POPULATION = "films"
KEY = "an operator's key of thirty-two.."


def drawn(label: str, size: int = 32) -> bytes:
    return hashlib.shake_256(label.encode()).digest(size)


def person(index: int) -> Identity:
    return Identity.from_seed(drawn(f"person {index}"))


def vector(index: int, length: int) -> np.ndarray:
    return np.random.default_rng(index).integers(-100, 101, length)


@dataclass
class Here:
    url: str
    store: Store
    bodies: Bodies
    coordinator: Coordinator
    port: int

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, trust_env=False, verify=False)

    def refused(self) -> dict[str, float]:
        """How often each reason was counted."""
        return {
            sample.labels["reason"]: sample.value
            for family in self.coordinator.metrics.refused.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        }

    def check_in(self, index: int, seat: bytes | None = None, population: str = POPULATION) -> httpx.Response:
        data = check_in(person(index), population, seat or drawn(f"seat {index}"))
        with self.http() as http:
            return http.post("/v1/check-in", content=data, headers={"content-type": MSGPACK})

    def open_round(self, n: int = 5, length: int = 50, name: str = "one", seconds: float = 60.0) -> "Held":
        """Seat the n that waited longest (all must wait already)."""
        config = RoundConfig.plan(
            round_id=drawn(f"round {name}"),
            graph_seed=drawn(f"graph {name}"),
            n=n,
            length=length,
            bits=20,
            max_abs_entry=100,
            noise_headroom=50,
            max_dropout=0.34,
            max_collusion=0.0,
        )
        waiting = {one.identity: one.seat for one in self.store.pool.all(POPULATION)}
        roster = tuple(person(i).public.encode() for i in range(n))
        seats = tuple(waiting[who] for who in roster)
        row = RoundRow(
            config.round_id, 1, POPULATION, "test", b"task", b"plan", config.encode(), roster, seats
        )
        now = time.time()
        assert self.store.rounds.open(row, now + seconds, Payment(3.0, 1.0), now)
        setup = RoundSetup(config, tuple(map(PublicIdentity.decode, roster)))
        return Held(self, setup)


@dataclass
class Held:
    """One open round."""

    here: Here
    setup: RoundSetup

    @property
    def id(self) -> bytes:
        return self.setup.config.round_id

    def member(self, index: int) -> "Member":
        client = Client(self.setup, index, person(index), drawn(f"fresh {index}", RANDOM_BYTES))
        return Member(self, index, client)

    def members(self) -> list["Member"]:
        return [self.member(index) for index in range(self.setup.config.n)]

    def move_on(self) -> SumResult | None:
        """End the phase as a worker does: by replaying all messages."""
        now = time.time()
        state = self.here.store.rounds.claim_due(now + 1000, "test", 1.0)
        assert state is not None
        server = Server(self.setup)
        out: dict[int, bytes] = {}
        while True:
            phase = server.phase
            for index, ref in self.here.store.messages.heard(self.id, phase.name):
                try:
                    server.receive(index, self.here.bodies.get(ref))
                except ConfidanteError:
                    continue
            out = server.advance()
            if phase.name == state.phase:
                break
        if server.phase is Phase.DONE:
            ref = self.here.bodies.put(b"sum")
            assert self.here.store.rounds.publish(self.id, ref, server.result.survivors, None, now)
            return server.result
        refs = {index: self.here.bodies.put(data) for index, data in out.items()}
        assert self.here.store.rounds.advance(self.id, state.phase, server.phase.name, now + 60, refs, now)
        return None


@dataclass
class Member:
    held: Held
    index: int
    client: Client

    @property
    def seat(self) -> bytes:
        return drawn(f"seat {self.index}")

    def headers(self, **more: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.seat.hex()}", "content-type": OCTETS, **more}

    def get(self, path: str) -> httpx.Response:
        with self.held.here.http() as http:
            return http.get(path, headers=self.headers())

    def put(self, phase: Phase, data: Any, **headers: str) -> httpx.Response:
        with self.held.here.http() as http:
            return http.put(phase_path(self.held.id, phase), content=data, headers=self.headers(**headers))

    def make(self, phase: Phase) -> bytes:
        """Return the honest message of a phase."""
        if phase == Phase.ADVERTISE:
            return self.client.advertise()
        answer = self.get(phase_path(self.held.id, phase) + "/in")
        assert answer.status_code == 200, answer.status_code
        match phase:
            case Phase.SHARE:
                return self.client.share_keys(answer.content)
            case Phase.MASK:
                return self.client.mask(answer.content, vector(self.index, self.held.setup.config.length))
            case Phase.CONFIRM:
                return self.client.confirm(answer.content)
            case _:
                return self.client.reveal(answer.content)


def reason(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, decode(answer.content, Refusal).reason


def seated(answer: httpx.Response) -> bytes | None:
    assert answer.status_code == 200, answer.content
    return decode(answer.content, CheckedIn).round


@contextmanager
def listening(coordinator: Coordinator) -> Iterator[int]:
    """Serve in a thread, and give the port."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        server = uvicorn.Server(
            uvicorn.Config(coordinator.app, log_config=None, access_log=False, lifespan="off", ws="none")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield door.getsockname()[1]
        finally:
            coordinator.close()
            server.should_exit = True
            thread.join()


@contextmanager
def here(folder: Path, **more: Any) -> Iterator[Here]:
    given = {"operator_key": KEY, "poll": 0.3, "body": 3.0, "interval": 0.01, **more}
    serving = HttpSettings((POPULATION,), **{"wait": 0.05, **given})
    with Store.open(f"sqlite:///{folder / 'store.db'}") as store:
        store.migrate()
        bodies = Bodies(f"file://{folder / 'bodies'}")
        coordinator = Coordinator(store, bodies, serving)
        with listening(coordinator) as port:
            yield Here(f"http://127.0.0.1:{port}", store, bodies, coordinator, port)
