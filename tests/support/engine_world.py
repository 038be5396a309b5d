"""A coordinator without HTTP: a store, bodies, an engine, and devices that run the protocol's real client."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
from stores import hear, let_wait, sent_to

from confidante.coordinator.config.population import Population
from confidante.coordinator.rounds.engine import RoundEngine
from confidante.coordinator.rounds.training_replay import Result
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.store.values import COLLECTING
from confidante.core.values import Catalogue, Histories
from confidante.crypto.identity import Identity, PublicIdentity
from confidante.device.federation.agreement import Agreement, Offer, agreed_config
from confidante.device.values import Purpose
from confidante.models.scoring import ModelName
from confidante.privacy.clipping import encode
from confidante.privacy.mechanisms.skellam import sample
from confidante.privacy.plan import Cohort
from confidante.secagg.client import RANDOM_BYTES, Client
from confidante.secagg.config import RoundSetup
from confidante.secagg.in_memory import client_step
from confidante.secagg.phases import Phase
from confidante.tasks.cohorts.task import CohortTask
from confidante.tasks.registry import decode_task, kind_of
from confidante.wire.catalogue import CatalogueWire
from confidante.wire.plans import decode_plan

ITEMS = 30
CATALOGUE = Catalogue(
    tuple(map(str, range(ITEMS))),
    tuple(f"Title {i} ({1980 + i})" for i in range(ITEMS)),
    tuple((f"kind-{i % 2}",) for i in range(ITEMS)),
)
WIRE = CatalogueWire(CATALOGUE)
LEASE = 100.0


def drawn(label: str, size: int) -> bytes:
    return hashlib.shake_256(label.encode()).digest(size)


def population(devices: int = 10, **other) -> Population:
    fields = {
        "name": "films",
        "catalogue": CATALOGUE,
        "repeat": False,
        "cohort": Cohort(devices, 0.3, 0.1),
        "noise": False,
        "epsilon": 8.0,
        "delta": 1e-5,
        "training_epsilon": 4.0,
        "every": 1000.0,
        "bits": 20,
        "max_bytes": 262144,
        "phases": tuple((phase, 60.0) for phase in COLLECTING),
        "rest": 30.0,
        "waiting": 10_000.0,
    }
    return Population(**(fields | other))


def crowd(count: int, seed: int = 0) -> Histories:
    rng = np.random.default_rng(seed)
    events = [rng.integers(0, ITEMS, rng.integers(0, 12)).tolist() for _ in range(count)]
    items = np.array([item for one in events for item in one], dtype=np.int32)
    return Histories(np.cumsum([0, *map(len, events)], dtype=np.int64), items, np.arange(len(items)))


class Devices:
    """Devices that wait, answer and remember their part in a round.

    models: gives what a task grades. groups: where each person stands, for tasks over cohorts.
    """

    def __init__(self, histories: Histories) -> None:
        self.histories = histories
        self.people = histories.people
        self.models = ModelName
        self.groups = [0] * self.people
        self.identities = [Identity.from_seed(drawn(f"device {i}", 32)) for i in range(self.people)]
        self.person = {one.public.encode(): i for i, one in enumerate(self.identities)}
        self.clients: dict[bytes, dict[int, Client]] = {}
        self.joined = 0

    def wait(self, store: Store, now: float, tier: str = "large") -> None:
        self.joined += 1
        for i, one in enumerate(self.identities):
            let_wait(store, "films", one.public.encode(), drawn(f"seat {self.joined} {i}", 32), now, tier)

    def join(self, state) -> dict[int, Client]:
        """Check the offer as a device does, and make each device's client."""
        row = state.row
        if row.id not in self.clients:
            roster = tuple(map(PublicIdentity.decode, row.roster))
            plan, task = decode_plan(row.plan), decode_task(row.task_body, WIRE, self.models)
            Agreement(plan, task, CATALOGUE.ids, Purpose(kind_of(task).purposes[0]), "pairs")
            setup = RoundSetup(agreed_config(plan, Offer(row.config, roster)), roster)
            self.clients[row.id] = {
                i: Client(
                    setup, i, self.identities[self.person[one]], drawn(f"{row.id.hex()} {i}", RANDOM_BYTES)
                )
                for i, one in enumerate(row.roster)
            }
        return self.clients[row.id]

    def vector(self, state, index: int) -> np.ndarray:
        """What device `index` of a round adds to the sum, its noise included."""
        plan, task = decode_plan(state.row.plan), decode_task(state.row.task_body, WIRE, self.models)
        person = self.person[state.row.roster[index]]
        if isinstance(task, CohortTask):
            task = task.placed(self.groups[person])
        rows = task.client_update(self.histories.slice(person, person + 1))
        dither = np.frombuffer(drawn(f"dither {plan.task} {person}", 8), dtype="<u8").astype(np.uint64)
        own = encode(rows, plan, dither).dense(0)
        noise = drawn(f"noise {state.row.id.hex()} {index}", 32)
        return own + sample(plan.share_variance, plan.length, noise)

    def say(self, store, bodies, state) -> dict[int, bytes]:
        """Let every device that is still there work out its message of the phase."""
        said = {}
        for index, client in self.join(state).items():
            message = b""
            if state.phase != "ADVERTISE":
                ref = sent_to(store, state.row.id, state.phase, index)
                if ref is None:
                    continue
                message = bodies.get(ref)
            said[index] = client_step(client, Phase[state.phase], message, lambda i: self.vector(state, i))
        return said

    def vanish(self, state, indices) -> None:
        for index in indices:
            self.join(state).pop(index, None)


def send(store, bodies, state, index: int, data: bytes, now: float):
    digest = hashlib.sha256(data).digest()
    return hear(store, state.row.id, state.phase, index, digest, len(data), bodies.put(data), now)


class World:
    """One folder with all that a coordinator keeps, and a clock that the test moves."""

    def __init__(self, folder: Path, who: Population, devices: Devices) -> None:
        self.folder, self.population, self.devices = folder, who, devices
        folder.mkdir(parents=True, exist_ok=True)
        self.now = 1_000_000.0
        self.store = Store.open(self.url)
        self.store.migrate()
        self.bodies = Bodies(self.bodies_url)
        self.engine = self.fresh()

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/store.db"

    @property
    def bodies_url(self) -> str:
        return f"file://{self.folder}/bodies"

    def fresh(self, store=None, bodies=None) -> RoundEngine:
        return RoundEngine(store or self.store, bodies or self.bodies, self.population, lease=LEASE)

    def copy(self, folder: Path) -> "World":
        """The same in another folder, as a backup taken while nobody writes. Devices stay the same."""
        self.store.close()
        shutil.copytree(self.folder, folder)
        self.store = Store.open(self.url)
        self.engine = self.fresh()
        twin = World(folder, self.population, self.devices)
        twin.now = self.now
        return twin

    @property
    def newest(self):
        return self.store.rounds.newest("films", 1)[0]

    def settle(self) -> None:
        while self.engine.step(self.now):
            pass

    def collect(self) -> None:
        """Let the devices answer the phase that the newest round is in."""
        state = self.newest
        for index, data in self.devices.say(self.store, self.bodies, state).items():
            send(self.store, self.bodies, state, index, data, self.now)

    def open(self, tier: str = "large"):
        self.devices.wait(self.store, self.now, tier)
        self.settle()
        return self.newest

    def until(self, phase: str) -> "World":
        """Open a round and bring it to where the devices have answered `phase`, and nobody ended it."""
        self.open()
        while True:
            self.collect()
            if self.newest.phase == phase:
                return self
            self.engine.step(self.now)

    def finish(self, drop=None):
        """Bring the running round to its end; drop: {phase: devices that vanish in it}."""
        while not self.newest.outcome:
            state = self.newest
            gone = (drop or {}).get(state.phase, ())
            self.devices.vanish(state, gone)
            self.collect()
            if not self.engine.step(self.now):
                self.now = state.deadline
                assert self.engine.step(self.now)
        return self.newest

    def total(self, state) -> np.ndarray:
        return np.frombuffer(Result.read(self.bodies.get(state.result)).total, dtype="<i8")

    def expected(self, state) -> np.ndarray:
        return sum(self.devices.vector(state, i) for i in state.survivors)

    def outbox(self, round_id: bytes, phase: str) -> dict[int, str]:
        """Names of the bodies that devices find in a phase: hashes of their bytes."""
        found = {i: sent_to(self.store, round_id, phase, i) for i in range(self.devices.people)}
        return {i: ref for i, ref in found.items() if ref is not None}

    def close(self) -> None:
        self.store.close()


class KilledError(BaseException):
    """Stands for the end of a process: nothing of ours catches it."""


class Calls:
    """Counts calls to the real store and bodies, and stops the process at one of them, before or after it."""

    def __init__(self, stop_at: int = -1, *, after: bool = False, stop=None) -> None:
        self.made, self.stop_at, self.after = [], stop_at, after
        self.stop = stop or self._raise

    def watch(self, real):
        return _Watched(real, self)

    def _raise(self) -> None:
        raise KilledError

    def call(self, name, method, args, more):
        number = len(self.made)
        self.made.append(name)
        if number == self.stop_at and not self.after:
            self.stop()
        result = method(*args, **more)
        if number == self.stop_at:
            self.stop()
        return result


class _Watched:
    def __init__(self, real, calls: Calls) -> None:
        self._real, self._calls = real, calls

    def __getattr__(self, name):
        method = getattr(self._real, name)
        if not callable(method):  # a repository of the store
            return _Watched(method, self._calls)
        return lambda *args, **more: self._calls.call(name, method, args, more)
