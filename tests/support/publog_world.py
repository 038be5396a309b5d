"""A coordinator at one address, behind which a test can put another one, and the way of devices to it."""

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from outward_world import START, Home
from starlette.responses import Response

from confidante.coordinator.http import Coordinator, HttpSettings
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.device.federation.coordinator_client import CoordinatorClient
from confidante.wire.rounds import SALT_BYTES, Announcement, RoundOffer, encode
from confidante.wire.transparency_log import LogEntry

POPULATION = "films"
PLAN, TASK = b"a plan", b"a task"


@dataclass
class Log:
    """One coordinator: its store, its bodies, what answers, and its time."""

    store: Store
    bodies: Bodies
    app: Any
    now: float = START

    def add(self, kind: str, at: float | None = None, **said: object) -> LogEntry:
        """Add an entry that is a map. at: now."""
        time_said = self.now if at is None else at
        return self.store.log.append(kind, encode({"population": POPULATION, **said}), time_said)

    def announce(self, salt: int = 0, population: str = POPULATION) -> LogEntry:
        """Add a round."""
        said = Announcement(
            population,
            "popularity 1",
            "train",
            hashlib.sha256(PLAN).digest(),
            hashlib.sha256(TASK).digest(),
            bytes(32),
            salt.to_bytes(SALT_BYTES, "big"),
        )
        return self.store.log.append("round", encode(said), START)

    def publish(self, data: bytes) -> bytes:
        """Keep a model, name it in the log, return its digest."""
        digest = bytes.fromhex(self.bodies.put(data))
        self.add("model", model=digest)
        return digest


@contextmanager
def log(folder: Path) -> Iterator[Log]:
    """An empty log."""
    folder.mkdir(parents=True, exist_ok=True)
    with Store.open(f"sqlite:///{folder / 'store.db'}") as store:
        store.migrate()
        bodies = Bodies(f"file://{folder / 'bodies'}")
        coordinator = Coordinator(
            store, bodies, HttpSettings((POPULATION,), wait=0.05, poll=0.2, interval=0.02)
        )
        yield Log(store, bodies, coordinator.app)
        coordinator.close()


class Door:
    """An address. `app`: who answers there. `asked`: targets and ranges, in order."""

    def __init__(self) -> None:
        self.app: Any = None
        self.asked: list[tuple[str, str]] = []
        self.url = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        query = scope["query_string"].decode()
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append((scope["path"] + (f"?{query}" if query else ""), headers.get("range", "")))
        await self.app(scope, receive, send)


@contextmanager
def door() -> Iterator[Door]:
    """Serve in a thread."""
    made = Door()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(made, log_config=None, access_log=False, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield made
        finally:
            server.should_exit = True
            thread.join()


def answering(answer: Callable[[str], Response]) -> Any:
    """An app that answers each target by a function."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        query = scope["query_string"].decode()
        await answer(scope["path"] + (f"?{query}" if query else ""))(scope, receive, send)

    return app


def line(at: Home, door: Door) -> CoordinatorClient:
    """The way to the coordinator, with time enough and no pauses."""
    made = CoordinatorClient(at.ledger, door.url, sleep=lambda _: None)
    made.allow(600)
    return made


def offer(entry: LogEntry, plan: bytes = PLAN, task: bytes = TASK) -> RoundOffer:
    """What a coordinator says of the round of an entry."""
    return RoundOffer(entry.number, b"", b"", plan, task, 60.0)
