"""Several processes behind one listening socket. The parent only watches over them: it answers nobody.

They are spawned, not forked, so that no thread or connection of the parent is half copied.

Why not `uvicorn.supervisors.Multiprocess` (0.54): its workers live on when their parent is killed, and would
answer with nobody to restart them; a worker that is busy for longer than its health check allows is killed in
the middle of its work; and one that dies at once is started again without a pause, or ends all others. Ours
also tells the workers where the counters of all are kept, and logs as the coordinator does.
"""

import multiprocessing
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING, final

from confidante.coordinator.telemetry.metrics import METRICS_FOLDER
from confidante.core.errors import ConfidanteError
from confidante.core.event_log import configure, log

if TYPE_CHECKING:
    from types import FrameType

_FIRST_PAUSE, _MOST_PAUSE = 0.5, 30.0
_WELL = 60.0  # seconds after which a worker counts as one that works
_SPAWN = multiprocessing.get_context("spawn")


@final
@dataclass(slots=True)
class _Place:
    """One worker, and those that had its place before. due: when to start the next (monotonic clock)."""

    number: int
    process: SpawnProcess | None = None
    started: float = 0.0
    pause: float = 0.0
    due: float = 0.0


@final
@dataclass(slots=True)
class _Asked:
    """How often the parent was told to end, and a pipe that wakes it."""

    read: int = -1
    write: int = -1
    signals: list[int] = field(default_factory=list)

    def __call__(self, number: int, frame: "FrameType | None") -> None:  # noqa: ARG002
        """Note a signal."""
        self.signals.append(number)
        os.write(self.write, b"!")

    @property
    def at_once(self) -> bool:
        """Whether Ctrl-C was pressed twice."""
        return self.signals.count(signal.SIGINT) > 1


def supervise(
    work: Callable[[socket.socket], None], listening: socket.socket, workers: int, log_format: str
) -> None:
    """Keep `workers` processes at `work` until SIGINT or SIGTERM; then let them finish, and return.

    work: can be handed to another process; ends when that is told to. A second Ctrl-C ends all at once. A
    worker that dies is started again, after a pause that doubles with each death in a row.
    """
    target = partial(_work, work, listening, log_format)
    asked = _Asked(*os.pipe())
    before = {sort: signal.signal(sort, asked) for sort in (signal.SIGINT, signal.SIGTERM)}
    places = [_Place(number) for number in range(1, workers + 1)]
    known = os.environ.get(METRICS_FOLDER)
    try:
        with tempfile.TemporaryDirectory(prefix="confidante-metrics-") as folder:
            os.environ[METRICS_FOLDER] = folder
            while not asked.signals:
                for place in places:
                    _start_if_due(place, target)
                _wait(places, asked)
                for place in places:
                    _note_death(place)
            _end(places, asked)
    finally:
        for sort, handler in before.items():
            signal.signal(sort, handler)
        os.environ.pop(METRICS_FOLDER, None)
        if known is not None:
            os.environ[METRICS_FOLDER] = known
        os.close(asked.read)
        os.close(asked.write)


def _start_if_due(place: _Place, target: Callable[[int], None]) -> None:
    now = time.monotonic()
    if place.process is not None or now < place.due:
        return
    process = _SPAWN.Process(
        target=target, args=(place.number,), name=f"confidante {place.number}", daemon=True
    )
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # is inherited: Ctrl-C is for us to pass on
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, handler)
    place.process, place.started = process, now
    log("worker started", worker=place.number, pid=process.pid)


def _wait(places: list[_Place], asked: _Asked) -> None:
    """Return when a worker ended, one is to be started, or a signal came."""
    dues = [place.due - time.monotonic() for place in places if place.process is None]
    running = [place.process.sentinel for place in places if place.process is not None]
    wait([asked.read, *running], timeout=max(min(dues), 0.0) if dues else None)


def _note_death(place: _Place) -> None:
    process = place.process
    if process is None or process.is_alive():
        return
    process.join()
    lived = time.monotonic() - place.started
    place.pause = _FIRST_PAUSE if lived >= _WELL or not place.pause else min(place.pause * 2, _MOST_PAUSE)
    place.due, place.process = time.monotonic() + place.pause, None
    log("worker died", worker=place.number, code=process.exitcode, again_in=place.pause)
    process.close()


def _end(places: list[_Place], asked: _Asked) -> None:
    """Let all finish what they are at."""
    running = [place.process for place in places if place.process is not None]
    log("ending", workers=len(running))
    for process in running:
        process.terminate()
    os.set_blocking(asked.read, False)
    while alive := [process for process in running if process.is_alive()]:
        if asked.at_once:
            for process in alive:
                process.kill()
        wait([asked.read, *(process.sentinel for process in alive)])
        _drain(asked.read)
    for process in running:
        process.join()
        process.close()


def _drain(read: int) -> None:
    try:
        while os.read(read, 64):
            pass
    except BlockingIOError:
        return


def _work(
    work: Callable[[socket.socket], None], listening: socket.socket, log_format: str, number: int
) -> None:
    """Be a worker; ends well with the parent, however that ends."""
    configure(log_format, worker=number)
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101  (we were spawned)

    def follow(ended: Callable[[], object]) -> None:
        ended()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, args=(parent.join,), name="parent", daemon=True).start()
    try:
        work(listening)
    except ConfidanteError as error:
        log("worker cannot work", problem=str(error))
        raise SystemExit(1) from None
