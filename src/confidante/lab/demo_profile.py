"""The demo's person to be: a real device with a real vault, that took part in one real private sum.

The device holds one person's public ratings, the model that the demo learnt, and the record of a round in
which it and up to 39 others, all in this process, summed up how good their lists are. What it sent is in its
ledger; the others are plain clients of the same protocol.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.entropy import SystemEntropy
from confidante.core.errors import DataError
from confidante.core.values import Catalogue, Histories
from confidante.crypto.identity import Identity
from confidante.device.device import Device
from confidante.device.federation.agreement import Agreement, Offer
from confidante.device.federation.participation import Route
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.values import Purpose
from confidante.lab.data.dataset import Dataset
from confidante.models.scoring import PublishedScores
from confidante.privacy.accounting import calibrate
from confidante.privacy.clipping import decode, encode
from confidante.privacy.plan import Cohort, plan_sum
from confidante.secagg.client import RANDOM_BYTES, Client
from confidante.secagg.config import ROUND_ID_BYTES, SEED_BYTES, RoundConfig, RoundSetup
from confidante.secagg.in_memory import client_step
from confidante.secagg.phases import PHASES
from confidante.secagg.server import Server
from confidante.tasks.base import NoisySum
from confidante.tasks.quality import Quality, QualityTask, quality

DEVICES = 40  # in the round, where there are so many people
EPSILON = 1.0
DELTA = 1e-5
COORDINATOR = "a coordinator of the demo itself"
NOTE = "demo.md"

_WORDS = """This profile was made by `confidante demo` of public data (MovieLens-100K), so its key lies beside
it: whoever can read this folder can read the history. Another run of the demo replaces it.
"""


@final
@dataclass(frozen=True, slots=True)
class DemoProfile:
    """The profile that was made. bytes_sent: by its device in the round; quality: what the round told."""

    folder: str
    events: int
    bytes_sent: int
    epsilon: float
    quality: Quality


def check_profile_folder(folder: Path) -> None:
    """Raise DataError unless `folder` is free, or holds a profile that an earlier demo made."""
    if folder.exists() and any(folder.iterdir()) and not (folder / NOTE).is_file():
        raise DataError("is not empty, and no demo created it: name another folder for --out", path=folder)


def make_profile(
    folder: Path, dataset: Dataset, history: Histories, published: bytes, person: int
) -> DemoProfile:
    """Make the profile of `person` (a row of `history`) in `folder`, in place of an earlier demo's."""
    check_profile_folder(folder)
    if folder.exists():
        shutil.rmtree(folder)
    catalogue = dataset.catalogue
    mine = history.slice(person, person + 1)
    with Device(folder, InsecurePlaintextKey()) as device:
        (folder / NOTE).write_text(_WORDS)
        device.federation.install_model(published)
        for item, at in zip(mine.items.tolist(), mine.times.tolist(), strict=True):
            device.record(catalogue.ids[item], "rated", at=float(at))
        device.consents.switch(Purpose.QUALITY, True, how="app")
        others = np.flatnonzero(np.arange(history.people) != person)[: DEVICES - 1]
        found, sent = _round(device, catalogue, published, history.select(others))
        spent = device.ledger.budget().epsilon_spent
    return DemoProfile(str(folder), len(mine.items), sent, spent, found)


def _round(device: Device, catalogue: Catalogue, published: bytes, others: Histories) -> tuple[Quality, int]:
    """Take one private sum of the device and others; return its result and the bytes the device sent."""
    task = QualityTask(PublishedScores(published, catalogue))
    noise = calibrate(EPSILON, DELTA, (1.0,))[0]
    cohort = Cohort(others.people + 1)
    plan = plan_sum(task.name, task.length, task.l2_bound, task.linf_bound, noise, cohort, 32)
    peers = [Identity.from_seed(SystemEntropy().draw(SEED_BYTES)) for _ in range(others.people)]
    roster = (device.federation.identity(COORDINATOR), *(peer.public for peer in peers))
    setup = RoundSetup(
        RoundConfig.of_plan(plan, SystemEntropy().draw(ROUND_ID_BYTES), SystemEntropy().draw(SEED_BYTES)),
        roster,
    )
    clients = {
        index: Client(setup, index, peer, SystemEntropy().draw(RANDOM_BYTES))
        for index, peer in enumerate(peers, start=1)
    }
    agreement = Agreement(
        plan, task, catalogue.ids, Purpose.QUALITY, "lists graded, hits, and hits by their place in the list"
    )
    route = Route(COORDINATOR, seen="It stayed within the process of the demo: no network was used.")
    mine = device.federation.join(agreement, Offer(setup.config.encode(), roster), route)
    server = Server(setup)
    incoming: dict[int, bytes] = dict.fromkeys(range(cohort.devices), b"")
    sent = 0

    def noised(index: int) -> NDArray[np.int64]:
        row = task.client_update(others.slice(index - 1, index))
        own = encode(row, plan, np.zeros(1, dtype=np.uint64)).dense(0)
        fresh = SystemEntropy().draw(plan.mechanism.entropy_bytes)
        return own + plan.mechanism.share(plan.share_variance, plan.length, fresh)

    for phase in PHASES:
        outgoing = mine.answer(incoming[0])
        sent += len(outgoing.data)
        device.ledger.begin_sending(outgoing.departure.number, outgoing.data)
        server.receive(0, outgoing.data)
        for index, client in clients.items():
            server.receive(index, client_step(client, phase, incoming[index], noised))
        incoming = server.advance()
    result = server.result
    survivors = len(result.survivors)
    variance = float(plan.noise_variance(survivors)) / plan.scale**2
    total = NoisySum(decode(result.sum, plan), variance, survivors)
    mine.attach_receipt({"devices in the sum": survivors})
    return quality(total), sent
