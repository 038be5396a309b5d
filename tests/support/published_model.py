"""A model that a coordinator has published, without the rounds that would have made it."""

import hashlib
from itertools import pairwise

import msgspec
import numpy as np

from confidante.coordinator.rounds.training_replay import Result
from confidante.coordinator.store import Payment, RoundRow, Store
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.store.values import COLLECTING, Joining
from confidante.core.values import Catalogue
from confidante.models import snapshot
from confidante.models.features import feature_basis
from confidante.models.served import LARGEST, ServedModel, ServedPart
from confidante.models.snapshot import FeatureSpace
from confidante.packs.registry import with_features
from confidante.wire.rounds import IDENTITY_BYTES, SEAT_BYTES

_PART = "pairs"
_HALF_LIFE = 4.0
_COST = Payment(0.0, 1.0)


def made_up_model(catalogue: Catalogue, columns: int = 64, seed: int = 0) -> bytes:
    """Return the snapshot of a model with random vectors, int8 [items, columns], for tests and benchmarks."""
    rng, items = np.random.default_rng(seed), len(catalogue)
    names = feature_basis(with_features(catalogue)).names
    falling = 1.0 / np.sqrt(np.arange(1, columns + 1))
    vectors = np.rint(rng.standard_normal((items, columns)) * falling * LARGEST / 4).clip(-LARGEST, LARGEST)
    weights = np.full(items, 1.0 / LARGEST, dtype=np.float32)
    part = ServedPart(
        _PART, vectors.astype(np.int8), np.ones(columns, dtype=np.float32), weights, weights, _HALF_LIFE
    )
    prior = rng.standard_normal(items).astype(np.float32)
    axes = rng.standard_normal((len(names), columns)).astype(np.float32)
    features = FeatureSpace(_PART, names, axes, float(weights[0]), 0.0)
    return snapshot.encode(ServedModel((part,), prior), catalogue, features)


def publish_model(store: Store, bodies: Bodies, population: str, data: bytes, now: float) -> str:
    """Add a training that ended with the snapshot in `data`, and return its name.

    now: seconds since 1970; three devices that never were took part. No round of the population may run.
    """
    name = hashlib.sha256(data).hexdigest()
    bodies.put(data)
    roster = tuple(
        hashlib.shake_256(f"{name} {now} {index}".encode()).digest(IDENTITY_BYTES) for index in range(3)
    )
    seats = tuple(who[:SEAT_BYTES] for who in roster)
    store.pool.admit([Joining(population, *one, "large") for one in zip(roster, seats, strict=True)], now)
    number = len(store.rounds.newest(population)) + 1
    row = RoundRow(
        hashlib.sha256(roster[0]).digest(), 1, population, f"{_PART} {number}", b"", b"", b"", roster, seats
    )
    store.rounds.open(row, now + 1.0, _COST, now)
    for before, after in pairwise(COLLECTING):
        store.rounds.claim_due(now + 2.0, "made up", 1.0)
        store.rounds.advance(row.id, before, after, now + 1.0, {}, now)
    store.rounds.claim_due(now + 2.0, "made up", 1.0)
    kept = Result.of(np.zeros(1, dtype=np.int64), name)
    said = {"population": population, "task": row.task, "training": number, "model": bytes.fromhex(name)}
    entry = ("model", msgspec.msgpack.encode(said))
    if not store.rounds.publish(row.id, bodies.put(kept.encode()), (0, 1, 2), entry, now):
        raise AssertionError
    return name
