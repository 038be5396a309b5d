"""`confidante coordinator run`: answers devices, and moves rounds on in a thread beside, until told to stop.

Both keep nothing: several such processes, on one host or many, share a database and a store of bodies.
"""

import json
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, final

import uvicorn

from confidante.coordinator.bodies import Bodies
from confidante.coordinator.engine import Engine
from confidante.coordinator.http import Coordinator, Serving
from confidante.coordinator.metrics import Metrics
from confidante.coordinator.store import Store
from confidante.core.errors import DataError, StoreError

if TYPE_CHECKING:
    from types import FrameType

    from starlette.applications import Starlette

    from confidante.coordinator.population import Population

_IDLE = 0.05
_MOST_IDLE = 5.0
_KEY_BYTES = 32


@final
class Worker:
    """A thread that takes one step after the other. Any number may work on one database."""

    def __init__(
        self,
        work: Callable[[float], bool],
        metrics: Metrics,
        *,
        died: Callable[[], None] = lambda: None,
        idle: float = _IDLE,
        now: Callable[[], float] = time.time,
    ) -> None:
        """work: one step at a time given, True when there was something to do; died: called if it raises."""
        self._work, self._metrics, self._died, self._idle, self._now = work, metrics, died, idle, now
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._go, name="coordinator worker")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the step at hand, and end."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _go(self) -> None:
        pause = 0.0
        try:
            while not self._stopped.wait(pause):
                try:
                    pause = 0.0 if self._work(self._now()) else self._idle
                    self._metrics.steps.labels("done").inc()
                except StoreError as error:  # it may come back; another worker may have what this one held
                    self._metrics.steps.labels("store").inc()
                    pause = min(max(pause * 2, self._idle * 4), _MOST_IDLE)
                    log("step failed", problem=str(error), again_in=pause)
        finally:
            if not self._stopped.is_set():
                self._died()


@final
class Told:
    """The steps of an engine; what it says of its populations is logged whenever it changes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._said: dict[str, str] = {}

    def __call__(self, now: float) -> bool:
        """Take one step."""
        done = self._engine.step(now)
        for name, says in self._engine.says.items():
            if done and self._said.get(name) != says:
                log("round", population=name, says=says)
                self._said[name] = says
        return done


@final
class _Server(uvicorn.Server):
    """Lets go of long polls before it waits for requests to end."""

    def __init__(self, config: uvicorn.Config, leaving: Callable[[], None]) -> None:
        super().__init__(config)
        self._leaving = leaving

    def handle_exit(self, sig: int, frame: "FrameType | None") -> None:  # noqa: ARG002
        """End after what is being answered; at once when told so a second time by Ctrl-C."""
        self._leaving()
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True  # and the process ends well: the signal is not raised again


def serve(
    population: "Population",
    store: Store,
    bodies: Bodies,
    *,
    host: str = "127.0.0.1",
    port: int = 8470,
    certificate: Path | None = None,
    key: Path | None = None,
    operator_key: str = "",
    wait: float = 5.0,
    started: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    wait: seconds after which a device asks again; started: told the address.

    Raises DataError when the port is taken or the certificate cannot be used.
    """
    if (certificate is None) != (key is None):
        raise DataError("TLS needs both a certificate and its key: give --certificate and --key")
    metrics = Metrics()
    servers: list[_Server] = []

    def end() -> None:
        for server in servers:
            server.should_exit = True

    engine = Engine(store, bodies, population, worker=f"worker {secrets.token_hex(8)}")
    worker = Worker(Told(engine), metrics, died=end)

    @asynccontextmanager
    async def lifespan(_app: "Starlette") -> AsyncIterator[None]:
        worker.start()
        try:
            yield
        finally:
            worker.stop()

    coordinator = Coordinator(
        store, bodies, Serving((population.name,), operator_key, wait=wait), metrics, lifespan=lifespan
    )
    with _listen(host, port) as listening:
        config = uvicorn.Config(
            coordinator.app,
            access_log=False,  # a log of requests would link a device's address across rounds
            log_level="error",
            server_header=False,
            date_header=False,
            proxy_headers=False,
            ws="none",
            lifespan="on",
            limit_concurrency=4096,
            timeout_graceful_shutdown=10,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
        if certificate is not None:
            try:
                config.load()
            except OSError as error:  # ssl.SSLError is one
                raise DataError(f"cannot be used for TLS ({error})", path=certificate) from None
        servers.append(_Server(config, coordinator.close))
        scheme = "http" if certificate is None else "https"
        shown = f"[{host}]" if ":" in host else host
        started(f"{scheme}://{shown}:{listening.getsockname()[1]}")
        servers[0].run(sockets=[listening])


def operator_key(path: Path) -> str:
    """Return the key in a file, made at the first call: random, readable by its owner only."""
    try:
        path.touch(0o600, exist_ok=False)
    except FileExistsError:
        pass
    except OSError as error:
        raise DataError(f"cannot be made ({error.strerror})", path=path) from None
    else:
        path.write_text(secrets.token_hex(_KEY_BYTES) + "\n", encoding="ascii")
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        raise DataError("cannot be read as a key", path=path) from None
    if len(key) < _KEY_BYTES:
        raise DataError("has no key of 32 characters or more: delete it to have one made", path=path)
    return key


def log(event: str, **fields: object) -> None:
    """Write one line of JSON about the coordinator itself; nothing about a device belongs in it."""
    sys.stderr.write(json.dumps({"at": round(time.time(), 3), "event": event, **fields}, default=str) + "\n")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        raise DataError(f"cannot listen on {host}, port {port}: {error}; take another port") from error
