"""Real coordinator processes that a test may kill, and what they published, integer for integer."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import sqlalchemy
from populations import write_population
from round_clients import RawDevice, Seen, play, raw_devices, small_vector
from warm import Process

from confidante.coordinator.rounds.training_replay import Result
from confidante.coordinator.store import RoundState, Store
from confidante.coordinator.store.bodies import Bodies
from confidante.core.errors import StoreError
from confidante.secagg.config import RoundConfig

NAME = "films"
ITEMS = 24
DEVICES = 8


@dataclass
class Running:
    """One coordinator process."""

    process: Process
    url: str
    out: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return how the process ended."""
        self.process.send_signal(how)
        code = self.process.wait()
        self.process.close()
        return code


@dataclass
class Faults:
    """A folder, a database, and the coordinators on it."""

    folder: Path
    database: str
    seconds: float = 60.0
    devices: int = DEVICES
    noise: bool = False
    running: list[Running] = field(default_factory=list)

    def __post_init__(self) -> None:
        write_population(
            self.folder,
            items=ITEMS,
            devices=self.devices,
            noise=self.noise,
            every_hours=0.0,
            seconds=self.seconds,
            rest=0.0,
        )
        self.store = Store.open(self.database)
        self.store.migrate()
        self.bodies = Bodies(self.bodies_url)
        self.sql = sqlalchemy.create_engine(self.database.replace("postgresql:", "postgresql+psycopg:"))

    @property
    def bodies_url(self) -> str:
        return f"file://{self.folder / 'bodies'}"

    def start(self, *more: str, port: int = 0) -> Running:
        """Start one more coordinator, and wait until it listens."""
        out = self.folder / f"said-{len(self.running)}"
        arguments = [
            "-m",
            "confidante.cli",
            "coordinator",
            "run",
            str(self.folder / "films.toml"),
            "--port",
            str(port),
            "--wait",
            "0.1",
        ]
        arguments += ["--database", self.database, "--bodies", self.bodies_url, *more]
        begun = Running(Process(*arguments, output=out), "", out)
        self.running.append(begun)
        wait_until(lambda: " at http" in out.read_text() if out.exists() else False, out)
        begun.url = next(line for line in out.read_text().splitlines() if " at http" in line).split()[-1]
        return begun

    def stop(self, one: Running, how: signal.Signals = signal.SIGTERM) -> int:
        self.running.remove(one)
        return one.end(how)

    def close(self) -> None:
        for one in list(self.running):
            self.stop(one, signal.SIGKILL)
        self.store.close()
        self.sql.dispose()

    # --- what is asked of a round

    def play(
        self, urls: Sequence[str], devices: Sequence[RawDevice] | None = None, **more: object
    ) -> list[Seen]:
        who = people(self.devices) if devices is None else devices
        return play(urls, NAME, who, **{"patience": 120.0, **more})  # type: ignore[arg-type]

    def newest(self) -> RoundState | None:
        return next(iter(self.store.rounds.newest(NAME, 1)), None)

    def expire(self, phase: str) -> None:
        """Let the deadline of a phase be now, if a round is in it."""
        change = sqlalchemy.text("UPDATE rounds SET deadline = :now WHERE outcome = '' AND phase = :phase")
        with self.sql.begin() as sql:
            sql.execute(change, {"now": time.time(), "phase": phase})

    def forget_leases(self) -> None:
        """Let the time be over for which a dead worker keeps others from a round."""
        with self.sql.begin() as sql:
            sql.execute(sqlalchemy.text("UPDATE rounds SET leased_until = 0"))

    def ended(self, round_id: bytes) -> RoundState:
        """Return a round once it is over."""
        wait_until(lambda: (found := self.store.rounds.get(round_id)) is not None and bool(found.outcome))
        state = self.store.rounds.get(round_id)
        assert state is not None
        return state

    def total(self, state: RoundState) -> np.ndarray:
        return np.frombuffer(Result.read(self.bodies.get(state.result)).total, dtype="<i8")

    def check_exact(self, state: RoundState, devices: Sequence[RawDevice] | None = None) -> None:
        """The published integers are the sum of what the survivors hold, and it was paid and logged once."""
        assert state.outcome == "published", state.reason
        by_key = {one.identity.public.encode(): one for one in devices or people(self.devices)}
        config = RoundConfig.decode(state.row.config)
        own = [by_key[state.row.roster[index]].vector(config) for index in state.survivors]
        assert len(own) >= config.min_survivors
        assert np.array_equal(self.total(state), np.sum(own, axis=0))
        logged = [entry for entry in self.store.log.entries(limit=1000) if state.row.id in entry.body]
        assert len(logged) == 1
        self.check_paid()

    def check_paid(self) -> None:
        """What was published was paid for, once; no more was paid than rounds were opened."""
        found = self.store.rounds.newest(NAME, 1000)
        published = sum(one.outcome == "published" for one in found)
        assert published <= len(self.store.payments.all(NAME)) <= len(found)

    def check_aborted(self, state: RoundState) -> None:
        assert state.outcome == "aborted"
        assert state.reason
        assert state.result == ""
        assert state.survivors == ()
        assert not [entry for entry in self.store.log.entries(limit=1000) if state.row.id in entry.body]
        self.check_paid()


def people(count: int) -> list[RawDevice]:
    return raw_devices(count, small_vector)


def wait_until(true: Callable[[], bool], out: Path | None = None, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not _holds(true):
        if time.monotonic() > end:
            raise AssertionError(
                out.read_text() if out and out.exists() else "nothing happened for two minutes"
            )
        time.sleep(0.02)


def _holds(true: Callable[[], bool]) -> bool:
    try:
        return true()
    except StoreError as error:  # a database that is away for the moment
        if not error.retry:
            raise
        return False


@contextmanager
def beside(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run something in a thread meanwhile; it is told when to end, and what it raises is raised here."""
    over, broken = threading.Event(), list[BaseException]()

    def go() -> None:
        try:
            work(over)
        except BaseException as error:  # noqa: BLE001  (raised where it is seen)
            broken.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if broken:
        raise broken[0]


@contextmanager
def deadlines(world: Faults, heard: dict[str, int]) -> Iterator[None]:
    """Let the deadline of a phase pass as soon as it has heard so many: no test waits for a clock."""

    def push(over: threading.Event) -> None:
        while not over.wait(0.02):
            for fact in world.store.operator.rounds(NAME, 1):
                if heard.get(fact.phase, DEVICES) <= fact.heard < fact.expected:
                    world.expire(fact.phase)

    with beside(push):
        yield
