"""Tables of cohorts over the films of `device_world`, and a coordinator that announces and publishes them."""

import hashlib

import numpy as np
from device_world import KNOWN, catalogue, snapshot
from publog_world import POPULATION, Log

from confidante.models.snapshot import decode
from confidante.tasks.base import NoisySum
from confidante.tasks.cohorts.release import CohortRelease
from confidante.tasks.cohorts.table import cohort_table, noisy_sizes
from confidante.tasks.cohorts.task import ITEM_NORM, SIZE_NORM, CohortTask
from confidante.tasks.cohorts.tree import CohortTree, Group
from confidante.tasks.registry import encode_task
from confidante.wire.catalogue import CatalogueWire
from confidante.wire.rounds import SALT_BYTES, Announcement, encode

TREE = CohortTree(
    (
        Group("everyone", -1),
        Group("age 18-24", 0, "age", ("18-24",)),
        Group("age 25-34", 0, "age", ("25-34",)),
        Group("sea lovers", 0, labels=("Sea",)),
        Group("food lovers", 0, labels=("Food",)),
        Group("young sailors", 1, labels=("Sea",)),
    )
)
SIZES = {0: 500, 1: 300, 2: 10, 3: 200, 4: 250, 5: 20}
GENRES = {1: 0, 2: 1, 3: 4, 4: 2, 5: 4}
WIRE = CatalogueWire(catalogue())
TASK = encode_task(CohortTask(TREE, KNOWN), WIRE)


def total(shift: int = 0) -> NoisySum:
    """A sum in which each group likes a genre of its own most. shift: of the genres."""
    sums = np.full((len(TREE), KNOWN), 1.0)
    for group, genre in GENRES.items():
        sums[group] += np.where(np.arange(KNOWN) % 5 == (genre + shift) % 5, 40.0, 0.0)
    sums[0] = 60.0
    sizes = np.array([SIZES[group] for group in range(len(TREE))], dtype=np.float64)
    values = np.concatenate(((sums * ITEM_NORM).ravel(), sizes * SIZE_NORM))
    return NoisySum(values, 1e-6, 1280)


def release(shift: int = 0) -> CohortRelease:
    """What a coordinator publishes of it: groups 2 and 5 are too small, and fold."""
    task = CohortTask(TREE, KNOWN)
    prior = decode(snapshot()).model.prior.astype(np.float64)
    table = cohort_table(task, total(shift), prior, catalogue=WIRE.digest, gate=50.0)
    sizes, spreads = noisy_sizes(task, total(shift))
    return CohortRelease(TASK, 50.0, tuple(sizes.tolist()), tuple(spreads.tolist()), table)


def announce(
    log: Log,
    task: bytes = TASK,
    population: str = POPULATION,
    salt: int = 0,
    wire: CatalogueWire = WIRE,
) -> bytes:
    """Announce a round over cohorts; return its id."""
    said = Announcement(
        population,
        "measure cohorts 1",
        "cohort",
        bytes(32),
        hashlib.sha256(task).digest(),
        wire.digest,
        salt.to_bytes(SALT_BYTES, "big"),
    )
    log.bodies.put(wire.data)
    return log.store.log.append("round", encode(said), log.now).hash


def publish(log: Log, data: bytes, round_id: bytes, **said: object) -> bytes:
    """Publish tables of a round."""
    digest = bytes.fromhex(log.bodies.put(data))
    log.add("cohorts", cohorts=digest, round=round_id, **said)
    return digest
