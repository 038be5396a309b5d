"""Picks count where a sum is over what people met, and not where it is over what came after what."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from outward_world import ITEMS, START, drawn, fill, history, home

from confidante.core.entropy import SystemEntropy
from confidante.core.values import Histories
from confidante.crypto.identity import Identity
from confidante.device.federation.agreement import Agreement, Offer
from confidante.device.federation.participation import Participation, Route, device_identity
from confidante.device.values import Purpose
from confidante.packs.signals import LIKE
from confidante.privacy.plan import Cohort, plan_sum
from confidante.secagg.client import RANDOM_BYTES, Client
from confidante.secagg.config import RoundConfig, RoundSetup
from confidante.secagg.server import Server
from confidante.tasks.base import Task
from confidante.tasks.cohorts.task import CohortTask
from confidante.tasks.cohorts.tree import CohortTree, Group
from confidante.tasks.compare import CompareTask
from confidante.tasks.contributors import ContributorTask
from confidante.tasks.feature_pairs import FeaturePairTask
from confidante.tasks.item_pairs import ItemPairTask
from confidante.tasks.likes import LikesTask
from confidante.tasks.popularity import PopularityTask
from confidante.tasks.quality import QualityTask
from confidante.tasks.registry import kind_of

VIEWED, PICKED = (3, 5, 8), (21, 4, 9)
PEOPLE = 8
FEATURES = np.random.default_rng(1).normal(size=(len(ITEMS), 4)).astype(np.float32)


class Favourites:
    """Foretells item 8 to who met 3 and 5 alone, and nothing to others."""

    def score(self, histories: Histories) -> NDArray[np.float64]:
        found = np.zeros((histories.people, len(ITEMS)))
        found[:, 8] = set(histories.items.tolist()) == {3, 5}
        return found


def note_of(folder: Path, task: Task, kind: str = LIKE) -> dict[str, Any]:
    """What the person reads of their own vector in one round: some views, and newer events of a kind."""
    purpose = Purpose(kind_of(task).purposes[-1])
    cohort = Cohort(PEOPLE, 0.0, 0.0)
    plan = plan_sum(task.name, task.length, task.l2_bound, task.linf_bound, 3.0, cohort, 24)
    agreement = Agreement(plan, task, ITEMS, purpose, "how you met items")
    config = RoundConfig.plan(
        round_id=drawn("round"),
        graph_seed=drawn("graph"),
        n=PEOPLE,
        length=plan.length,
        bits=plan.bits,
        max_abs_entry=plan.linf_int,
        noise_headroom=plan.headroom,
        max_dropout=0.0,
        max_collusion=0.0,
    )
    with home(folder, purpose) as at:
        fill(at.vault, VIEWED)
        with at.vault.write() as sql:
            for item in PICKED:
                sql(
                    "INSERT INTO event (item, kind, at, context) VALUES (?, ?, ?, '{}')",
                    (item + 1, kind, START - 500),
                )
        me = device_identity(at.vault, "https://example.org")
        identities = [me, *(Identity.from_seed(drawn(f"other {n}")) for n in range(1, PEOPLE))]
        offer = Offer(config.encode(), tuple(one.public for one in identities))
        setup = RoundSetup(config, offer.roster)
        mine = Participation(
            at.vault,
            at.consents,
            at.ledger,
            SystemEntropy(),
            me,
            agreement,
            offer,
            Route("https://example.org"),
        )
        server = Server(setup)
        others = [
            Client(setup, n, identities[n], drawn(f"fresh {n}", RANDOM_BYTES)) for n in range(1, PEOPLE)
        ]
        server.receive(0, mine.begin().data)
        for one in others:
            server.receive(one.index, one.advertise())
        sent = server.advance()
        server.receive(0, mine.answer(sent[0]).data)
        for one in others:
            server.receive(one.index, one.share_keys(sent[one.index]))
        mine.answer(server.advance()[0])
        found = at.ledger.local_note(mine.round_id)
        assert found is not None
        return dict(found)


def expected(task: Task, items: tuple[int, ...]) -> dict[int, float]:
    """Entries of the vector over these events, not zero."""
    rows = (task.placed(0) if isinstance(task, CohortTask) else task).client_update(history(items))
    clipped = np.clip(rows.values, -task.linf_bound, task.linf_bound)
    return {int(i): float(v) for i, v in zip(rows.indices, clipped, strict=True) if abs(v) > 1e-6}


def check(note: dict[str, Any], task: Task, items: tuple[int, ...]) -> None:
    entries = expected(task, items)
    assert note["own events counted"] == len(items)
    assert note["entries that are not zero"] == len(entries)
    shown = {one["entry"]: one["value"] for one in note["largest own entries before noise and masks"]}
    assert len(shown) == min(10, len(entries))
    assert all(value == pytest.approx(entries[entry], rel=0.05) for entry, value in shown.items())


SEQUENCES = [
    FeaturePairTask(FEATURES, window=10, half_life=3.0, history=100),
    ItemPairTask(
        np.arange(30), np.ones(30), len(ITEMS), window=10, half_life=3.0, history=100, linf_bound=1.0
    ),
    QualityTask(Favourites()),
    CompareTask(Favourites(), Favourites()),
]
SETS = [
    PopularityTask(len(ITEMS)),
    ContributorTask(len(ITEMS), 20),
    CohortTask(CohortTree((Group("everyone", -1),)), len(ITEMS)),
    LikesTask(np.array([4, 5, 9]), len(ITEMS)),
]


@pytest.mark.parametrize("task", SEQUENCES, ids=lambda task: task.name)
def test_a_sum_over_what_came_after_what_is_of_events_alone(tmp_path: Path, task: Task) -> None:
    check(note_of(tmp_path / "picks", task), task, VIEWED)
    assert expected(task, VIEWED) != expected(task, VIEWED + PICKED)
    check(note_of(tmp_path / "views", task, "view"), task, VIEWED + PICKED)


@pytest.mark.parametrize("task", SETS, ids=lambda task: task.name)
def test_a_sum_over_what_was_met_counts_picks(tmp_path: Path, task: Task) -> None:
    assert expected(task, VIEWED) != expected(task, VIEWED + PICKED)
    check(note_of(tmp_path, task), task, VIEWED + PICKED)
