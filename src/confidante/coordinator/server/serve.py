"""`confidante coordinator run`: answers devices, and moves rounds on in a thread beside, until told to stop.

Both keep nothing: several such processes, on one host or many, share a database and a store of bodies.
"""

import os
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, final

import uvicorn
from anyio import to_thread

from confidante.coordinator.enrolment.enrolment import change_ahead, enrolment_of
from confidante.coordinator.http import Coordinator, HttpSettings
from confidante.coordinator.operator.view import PageSettings
from confidante.coordinator.refinement.refinements import Refinements, check_installed, enrolments_of
from confidante.coordinator.rounds.clock import SteadyClock
from confidante.coordinator.rounds.engine import RoundEngine
from confidante.coordinator.server.garbage_collection import GarbageCollector
from confidante.coordinator.server.listening import check_certificate, listen, refuse_open
from confidante.coordinator.server.supervisor import supervise
from confidante.coordinator.server.worker import LoggedSteps, Worker
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.telemetry.metrics import Metrics
from confidante.core.address_quota import AddressQuota
from confidante.core.errors import ConfidanteError
from confidante.core.event_log import configure, crowded_log, log
from confidante.wire.http11 import MOST_OF_ONE, PublicHttpProtocol, RequestQuota

if TYPE_CHECKING:
    from types import FrameType

    from starlette.applications import Starlette

    from confidante.coordinator.config.population import Population


@final
class _Server(uvicorn.Server):
    """Says that it leaves, goes on for a while, then lets go of long polls and waits for requests to end."""

    def __init__(self, config: uvicorn.Config, coordinator: Coordinator, drain: float) -> None:
        super().__init__(config)
        self._coordinator, self._drain = coordinator, drain
        self._leaves: float | None = None

    def handle_exit(self, sig: int, frame: "FrameType | None") -> None:  # noqa: ARG002
        """End after what is being answered; at once when told so a second time by Ctrl-C."""
        if self._leaves is not None and sig == signal.SIGINT:
            self.should_exit = self.force_exit = True
        self.leave()  # and the process ends well: the signal is not raised again

    def leave(self) -> None:
        """Be unready from now on, and end `drain` seconds later."""
        if self._leaves is None:
            self._coordinator.leave()
            self._leaves = time.monotonic() + self._drain

    async def on_tick(self, counter: int) -> bool:
        """Look whether it is time to go; called ten times a second."""
        if self._leaves is not None and time.monotonic() >= self._leaves:
            self.should_exit = True
        if self.should_exit:
            self._coordinator.close()
        return await super().on_tick(counter)


@final
class BrokenError(ConfidanteError):
    """A coordinator ended because of a bug of its own."""


@final
@dataclass(frozen=True, slots=True)
class CoordinatorSettings:
    """What to serve, where, and from what. Can be handed to another process.

    database, bodies: addresses of `Store` and `Bodies`. port: 0 takes a free one. certificate, key: PEM
    files, for TLS. proxies: addresses of proxies whose word on who asks is taken, with commas between.
    of_this_machine: connections that this machine may have at a time where no proxy on it was named. wait:
    seconds for which a waiting device is held. drain: seconds from the signal to end until connections are
    refused, while /health/ready says no. public_page: whether the operator page is shown without a login.
    workers: processes. insecure_http: whether others than this machine may be answered without TLS.
    """

    populations: "tuple[Population, ...]"
    database: str = field(repr=False)
    bodies: str
    operator_key: str = field(default="", repr=False)
    host: str = "127.0.0.1"
    port: int = 8470
    certificate: Path | None = None
    key: Path | None = None
    proxies: str = ""
    of_this_machine: int = MOST_OF_ONE
    wait: float = 30.0
    drain: float = 0.0
    public_page: bool = True
    workers: int = 1
    log_format: str = "json"
    insecure_http: bool = False


def serve(hosting: CoordinatorSettings, *, started: Callable[[str], None] = lambda _: None) -> None:
    """Serve until SIGINT or SIGTERM. started: told the address.

    Raises DataError when the port is taken or the certificate cannot be used, StoreError when the database
    cannot, and BrokenError when it ended because of a bug.
    """
    if hosting.certificate is None and not hosting.proxies and not hosting.insecure_http:
        refuse_open(hosting.host)
    configure(hosting.log_format)
    os.umask(0o077)  # whatever is made from now on is its owner's only
    check_certificate(hosting.certificate, hosting.key)
    check_installed(hosting.populations)
    Bodies(hosting.bodies)
    with Store.open(hosting.database) as store:
        store.migrate()
        for one in hosting.populations:  # what cannot be is said now, not by each worker
            enrolment_of(store, one.name, one.enrolment)
            enrolments_of(store, one)
            if ahead := change_ahead(store, one.name, one.enrolment, time.time()):
                log("enrolment", level="warning", population=one.name, says=ahead)
    with listen(hosting.host, hosting.port) as listening:
        scheme = "http" if hosting.certificate is None else "https"
        shown = f"[{hosting.host}]" if ":" in hosting.host else hosting.host
        started(f"{scheme}://{shown}:{listening.getsockname()[1]}")
        if hosting.workers > 1:
            supervise(partial(work, hosting), listening, hosting.workers, hosting.log_format)
        else:
            work(hosting, listening)


def work(hosting: CoordinatorSettings, listening: socket.socket) -> None:
    """Answer what comes in at a socket, and move rounds on in a thread beside, until told to end."""
    metrics = Metrics()
    bodies = Bodies(hosting.bodies)
    servers: list[_Server] = []

    def end() -> None:
        for server in servers:
            server.leave()

    with Store.open(hosting.database) as store:
        engine = RoundEngine(
            store,
            bodies,
            *hosting.populations,
            worker=f"worker {secrets.token_hex(8)}",
            phase_ended=lambda phase, seconds: metrics.phases.labels(phase.lower()).observe(seconds),
        )
        clock = SteadyClock(stepped=lambda by: log("clock set", seconds=round(by)))
        enrolments = {
            one.name: enrolment
            for one in hosting.populations
            if (enrolment := enrolment_of(store, one.name, one.enrolment, now=clock.now)) is not None
        }
        for one in hosting.populations:
            enrolments |= enrolments_of(store, one, now=clock.now)
        told, sweep = LoggedSteps(engine), GarbageCollector(store, bodies)
        refinements = None
        if any(one.refinement is not None for one in hosting.populations):
            refinements = Refinements(store, bodies, hosting.populations, now=clock.now, died=end)

        def step(now: float) -> float:
            for enrolment in enrolments.values():
                enrolment.keep_up()
            pause = told(now)
            if pause > 0.0:
                sweep(now)
            return pause

        worker = Worker(step, metrics, died=end, stepped=lambda: coordinator.nudge(), now=clock.now)

        @asynccontextmanager
        async def lifespan(_app: "Starlette") -> AsyncIterator[None]:
            worker.start()
            if refinements is not None:
                refinements.start()
            try:
                yield
            finally:
                await to_thread.run_sync(worker.stop)
                if refinements is not None:
                    await to_thread.run_sync(refinements.stop)

        page_settings = PageSettings(
            hosting.populations, hosting.bodies, lambda: engine.says, hosting.public_page
        )
        serving = HttpSettings(
            tuple(one.name for one in hosting.populations),
            hosting.operator_key,
            wait=hosting.wait,
            enrolments=enrolments,
        )
        coordinator = Coordinator(
            store,
            bodies,
            serving,
            metrics,
            lifespan=lifespan,
            page_settings=page_settings,
            wake=worker.wake,
            now=clock.now,
            refinements=refinements,
        )
        config = uvicorn.Config(
            RequestQuota(coordinator.app) if hosting.proxies else coordinator.app,
            http=PublicHttpProtocol.limited(
                AddressQuota(MOST_OF_ONE, hosting.of_this_machine), crowded_log(named=hosting.proxies)
            ),
            access_log=False,  # a log of requests would link a device's address across rounds
            log_config=None,
            server_header=False,
            date_header=False,
            proxy_headers=bool(hosting.proxies),
            forwarded_allow_ips=hosting.proxies,
            ws="none",
            lifespan="on",
            limit_concurrency=4096,
            timeout_graceful_shutdown=10,
            ssl_certfile=hosting.certificate,
            ssl_keyfile=hosting.key,
        )
        servers.append(_Server(config, coordinator, hosting.drain))
        servers[0].run(sockets=[listening])
    if worker.broken or (refinements is not None and refinements.broken):
        raise BrokenError("the worker met a bug and cannot go on: see the log, start it again, and report it")
