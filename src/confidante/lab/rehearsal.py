"""A rehearsal: real device processes with real vaults, a real coordinator process, and the simulator beside.

Nothing is simulated but the people, who come from a data set, and the network, which is this machine's own.
The very training is then run by the simulator, and what came out is held against it.
"""

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

import msgspec
import numpy as np

from confidante.coordinator.config.measures import PREFIX
from confidante.coordinator.config.noise import training_budget
from confidante.coordinator.config.population import Population
from confidante.coordinator.config.population_file import read_population
from confidante.coordinator.rounds.training_replay import Result
from confidante.coordinator.store import PUBLISHED, RoundState, Store
from confidante.coordinator.store.bodies import Bodies
from confidante.core.errors import DataError
from confidante.core.values import Catalogue, Event, Histories, Item
from confidante.device.device import Device
from confidante.device.privacy.budget import NO_LIMIT
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.values import Retention
from confidante.lab.entropy import SeededEntropy
from confidante.lab.simulation import Progress, Simulator
from confidante.models.scoring import PublishedScores
from confidante.packs.registry import with_features
from confidante.privacy.clipping import encode
from confidante.privacy.purposes import SUM_PURPOSES
from confidante.tasks.base import PREVIOUS, Stated
from confidante.tasks.registry import decode_task, kind_of
from confidante.training.publish import publish
from confidante.training.recipe import train
from confidante.wire.catalogue import CatalogueWire
from confidante.wire.plans import decode_plan

_LOOK = 0.2
_CONNECTIONS = 1 << 16  # all devices are on this machine
_NEVER, _SOON = 1e6, 0.01  # hours to the next training; soon is after a task that waits for no more devices
_PEOPLE = """\
name = "rehearsal"
catalogue = "items.csv"
[cohort]
devices = {devices}
[privacy]
noise = {noise}
epsilon = {limit}
[training]
epsilon = {epsilon}
every_hours = {every}
[enrolment]
verifier = "open"
[seconds]
advertise = 120.0
share = 120.0
mask = 120.0
confirm = 120.0
reveal = 120.0
"""


@final
@dataclass(frozen=True, slots=True)
class Sum:
    """One published sum against the same sum without noise, added up in the open.

    noise: standard deviation of the difference over the planned one, about 1 (a little more where the
    rounding of the devices, which differs too, is not small beside it); largest: of an entry, over the
    planned one. Both are 0 when they are the same integers, and inf when only the planned one is 0.
    """

    task: str
    devices: int
    entries: int
    noise: float
    largest: float


@final
@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What came of it.

    model, simulated: the published model, and the simulator's without noise (empty with noise: then `sums`
    tell). seconds: from the first device's start to the model; peak_bytes: of the largest device process.
    """

    model: bytes
    simulated: bytes
    sums: tuple[Sum, ...]
    seconds: float
    peak_bytes: int

    @property
    def same(self) -> bool:
        """Whether the model is the simulator's, bit for bit."""
        return self.model == self.simulated

    @property
    def as_planned(self) -> bool:
        """Whether every sum is what it has to be: the same integers, or off by the planned noise.

        False for a right one once in 30,000 rehearsals (noise pooled over all entries, 4 standard errors).
        """
        if not any(one.noise for one in self.sums):
            return self.same
        entries = sum(one.entries for one in self.sums)
        pooled = math.sqrt(sum(one.entries * one.noise**2 for one in self.sums) / entries)
        return abs(pooled - 1) < 4 / math.sqrt(2 * entries)


def rehearse(
    histories: Histories,
    catalogue: Catalogue,
    folder: Path,
    *,
    epsilon: float | None,
    task: str = "",
    limit: float = 1800.0,
    progress: Progress = lambda _what, _part: None,
) -> Rehearsal:
    """Train once over a process for each person, or twice for a task that compares models, and compare.

    epsilon: of the training, and of the task; None for no noise. task: kind of one more sum, taken with the
    settings that a `[[task]]` of it has by itself; empty for none. folder: empty or new; keeps everything.
    limit: seconds for all of it. Raises DataError when not all sums come, naming the coordinator's log, and
    for a task that cannot be rehearsed so.
    """
    population = _define(folder, catalogue, histories.people, epsilon, task)
    people = [folder / f"person-{person}" for person in range(histories.people)]
    for person, home in enumerate(people):
        progress("vaults", person / len(people))
        _move_in(home, histories.slice(person, person + 1), catalogue)
    with ExitStack() as stack:
        coordinator, url = stack.enter_context(_coordinator(folder))
        began = time.monotonic()
        command = [sys.executable, "-m", "confidante.lab.rehearsal_device"]
        devices = [
            stack.enter_context(_ended([*command, str(home), url, population.name], home / "said"))
            for home in people
        ]
        store = stack.enter_context(Store.open(f"sqlite:///{folder / 'population.db'}"))
        while True:
            model = _newest_model(store)
            rounds = [one for one in store.rounds.newest(population.name) if one.phase == PUBLISHED]
            if model is not None and (not task or any(one.row.task.startswith(PREFIX) for one in rounds)):
                break
            progress("rounds", 1 - 0.5 ** len(rounds))
            if time.monotonic() - began > limit or coordinator.poll() is not None:
                raise DataError(
                    f"not all sums within {limit:g} seconds, but {len(rounds)}: see coordinator.log in it",
                    path=folder,
                )
            if any(device.poll() is not None for device in devices):
                raise DataError("a device's process ended: see the files `said` in it", path=folder)
            time.sleep(_LOOK)
        seconds = time.monotonic() - began
        bodies = Bodies(f"file://{folder / 'population-bodies'}")
        progress("comparing", 0.9)
        sums = tuple(_compare(state, bodies, population, histories) for state in reversed(rounds))
        data = bodies.get(model.hex())
    peak = max(_peak(home / "said") for home in people)
    return Rehearsal(data, _simulate(population, histories), sums, seconds, peak)


def _define(folder: Path, catalogue: Catalogue, devices: int, epsilon: float | None, task: str) -> Population:
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["item,title,labels"]
    for item, title, labels in zip(catalogue.ids, catalogue.titles, catalogue.labels, strict=True):
        row = (part.replace('"', '""') for part in (item, title, "|".join(labels)))
        lines.append(",".join(f'"{part}"' for part in row))
    (folder / "items.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    population = _read(folder, devices, epsilon, task, _NEVER)
    if population.catalogue != with_features(catalogue):
        raise DataError("this catalogue cannot be a CSV file: take other titles and labels", path=folder)
    if not any(PREVIOUS in one.config.models for one in population.tasks):
        return population
    if epsilon is None:  # the same histories and no noise: every training gives the same model
        raise DataError(
            f"{task} compares two models that differ, and without noise each training gives the same one: "
            "rehearse it with noise",
            path=folder,
        )
    return _read(folder, devices, epsilon, task, _SOON)


def _read(folder: Path, devices: int, epsilon: float | None, task: str, every: float) -> Population:
    """Write the population's file, and return what it says."""
    noise, wanted = ("true", epsilon) if epsilon is not None else ("false", 1.0)
    limit = 2 * wanted if task else wanted
    said = _PEOPLE.format(devices=devices, noise=noise, epsilon=wanted, limit=limit, every=every)
    if task:
        said += f"[[task]]\nkind = {json.dumps(task)}\nepsilon = {wanted}\nevery_hours = 1e6\n"
    definition = folder / "population.toml"
    definition.write_text(said, encoding="utf-8")
    return read_population(definition)


def _move_in(home: Path, person: Histories, catalogue: Catalogue) -> None:
    """Make a vault with a person's history, who lets training have everything."""
    with Device(home, InsecurePlaintextKey()) as device:
        met = person.items.tolist()
        device.settings.retention = Retention(max(len(met), 1))  # as the simulator, which forgets nothing
        device.items.add(
            Item(catalogue.ids[item], catalogue.titles[item], catalogue.labels[item])
            for item in dict.fromkeys(met)
        )
        device.history.record_many(
            Event(0, catalogue.ids[item], "view", float(at))
            for item, at in zip(met, person.times.tolist(), strict=True)
        )
        device.ledger.set_budget(NO_LIMIT)
        for purpose in SUM_PURPOSES:
            device.consents.switch(purpose, True, how="person")


@contextmanager
def _coordinator(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    command = [sys.executable, "-m", "confidante.cli", "coordinator", "run", str(folder / "population.toml")]
    told = folder / "coordinator.log"
    options = ["--port", "0", "--wait", "1", "--of-this-machine", str(_CONNECTIONS)]
    with _ended([*command, *options], told) as process:
        while " at http" not in told.read_text(encoding="utf-8"):
            if process.poll() is not None:
                raise DataError("the coordinator did not start: see this file", path=told)
            time.sleep(_LOOK)
        line = next(line for line in told.read_text(encoding="utf-8").splitlines() if " at http" in line)
        yield process, line.split()[-1]


@contextmanager
def _ended(command: list[str], told: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended with the block; what it says is in a file."""
    with told.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)  # noqa: S603  # our own
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def _newest_model(store: Store) -> bytes | None:
    for entry in reversed(store.log.entries(0, 1000)):
        if entry.kind == "model":
            return bytes(msgspec.msgpack.decode(entry.body)["model"])
    return None


def _compare(state: RoundState, bodies: Bodies, population: Population, histories: Histories) -> Sum:
    plan = decode_plan(state.row.plan)
    catalogue = population.catalogue
    task = decode_task(
        state.row.task_body,
        CatalogueWire(catalogue),
        lambda model: PublishedScores(bodies.get(model.hex()), catalogue),
    )
    if place := kind_of(task).place:
        task, _ = place(task, Stated({}))  # these people stated nothing
    total = np.frombuffer(Result.read(bodies.get(state.result)).total, dtype="<i8")
    dither = np.zeros(histories.people, dtype=np.uint64)
    off = (total - encode(task.client_update(histories), plan, dither).sum()).astype(np.float64)
    planned, people = math.sqrt(float(plan.noise_variance(len(state.survivors)))), len(state.survivors)
    if planned == 0:
        wrong = math.inf if off.any() else 0.0
        return Sum(state.row.task, people, plan.length, wrong, wrong)
    return Sum(
        state.row.task, people, plan.length, float(off.std()) / planned, float(np.abs(off).max()) / planned
    )


def _simulate(population: Population, histories: Histories) -> bytes:
    if population.noise:
        return b""
    budget = training_budget(population)
    simulator = Simulator(
        histories,
        budget.multipliers,
        SeededEntropy(0, "rehearsal"),
        engine="ideal",
        cohort=population.cohort,
        bits=population.bits,
        max_upload=-(-population.max_length * population.bits // 8),
        max_rounds=1,
    )
    return publish(train(population.catalogue, simulator, budget.settings), population.catalogue)


def _peak(said: Path) -> int:
    lines = said.read_text(encoding="utf-8").splitlines()
    return max((json.loads(line)["peak_bytes"] for line in lines if line.startswith("{")), default=0)
