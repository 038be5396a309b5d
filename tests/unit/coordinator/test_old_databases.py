"""What version 0.1 left behind: today's code opens its database, reads it, and ends the round that ran."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from paths import TESTS

from confidante.coordinator.config.population import Population
from confidante.coordinator.config.population_file import read_population
from confidante.coordinator.enrolment.enrolment import enrolment_of
from confidante.coordinator.enrolment.verifiers import Subject, verifier_of
from confidante.coordinator.refinement.gateway_keys import GatewayKeys
from confidante.coordinator.reports.results import results
from confidante.coordinator.rounds.budget import standing
from confidante.coordinator.rounds.engine import RoundEngine, replay
from confidante.coordinator.rounds.training_replay import Result
from confidante.coordinator.store import Store
from confidante.coordinator.store.backup import back_up, restore
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.store.database import Database
from confidante.tasks.popularity import ItemCounts
from confidante.wire.rounds import Refusal

OLD = TESTS / "fixtures" / "coordinator-0.1"
SAID: dict[str, Any] = json.loads((OLD / "expected.json").read_text())


class Old(SimpleNamespace):
    """A copy of the old coordinator, opened and brought to today's tables."""

    folder: Path
    store: Store
    bodies: Bodies
    films: Population


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Old]:
    shutil.copytree(OLD, tmp_path / "old")
    folder = tmp_path / "old"
    with Store.open(f"sqlite:///{folder}/store.db") as store:
        store.migrate()
        films = read_population(folder / "films.toml")
        yield Old(folder=folder, store=store, bodies=Bodies(f"file://{folder}/bodies"), films=films)


def test_its_log_holds_together_and_its_budget_is_what_it_was(old: Old) -> None:
    assert old.store.log.verify() == SAID["log"]
    assert old.store.log.tail(1)[0].hash.hex() == SAID["head"]
    assert old.store.payments.spent("films") == SAID["spent"]
    assert standing(old.store, old.films).words == SAID["budget"]
    assert old.store.operator.counts() == SAID["counts"]
    assert old.store.operator.paused("films")


def test_its_published_rounds_are_read(old: Old) -> None:
    found = results(old.store, old.bodies, old.films)
    assert [one.kind for one in found] == SAID["kinds"]
    assert [list(one.models) for one in found] == SAID["model"]
    measured = found[0].found
    assert isinstance(measured, ItemCounts)
    assert [list(row) for row in measured.top[:3]] == SAID["top"]
    sums = [Result.read(old.bodies.get(one.result)).total for one in old.store.rounds.published("films")]
    assert [hashlib.sha256(one).hexdigest() for one in sums] == SAID["sums"]
    rounds = [
        [one.row.id.hex(), one.row.task, one.phase, len(one.survivors)]
        for one in old.store.rounds.newest("films")
    ]
    assert rounds == SAID["rounds"]


def test_its_waiting_devices_wait_on_and_the_round_that_ran_goes_on(old: Old) -> None:
    assert [one.identity.hex() for one in old.store.pool.all("films")] == SAID["waiting"]
    running = old.store.rounds.newest("films", 1)[0]
    server, refused = replay(old.store, old.bodies, running)
    assert not refused
    assert not server.waiting_for
    assert RoundEngine(old.store, old.bodies, old.films).step(SAID["now"])
    assert old.store.rounds.newest("films", 1)[0].phase == "MASK"
    assert len(old.store.payments.all("films")) == len(SAID["spent"]) + 1


def test_its_invitations_and_keys_are_good(old: Old) -> None:
    verifier = verifier_of("invitation", old.store, "films")
    assert isinstance(verifier.check(SAID["invitation"].encode(), ""), Subject)
    assert isinstance(verifier.check(SAID["revoked"].encode(), ""), Refusal)
    before = old.store.tokens.keys("films")
    assert before[-1].id.hex() == SAID["token_key"]
    assert enrolment_of(old.store, "films", old.films.enrolment, now=lambda: before[-1].made) is not None
    assert old.store.tokens.keys("films") == before
    row = old.store.refinement.standing("films")
    assert (row.items, row.said.hex()) == (SAID["refinement"]["items"], SAID["refinement"]["said"])
    keys = old.store.refinement.keys()
    assert [one.number for one in keys] == SAID["gateway_keys"]
    assert GatewayKeys(old.store, now=lambda: SAID["now"]).config in row.said


def test_it_can_be_backed_up_and_restored(old: Old, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{old.folder}/store.db")
    made = back_up(database, old.bodies, tmp_path / "backup.zip", SAID["now"])
    database.close()
    assert made.log == SAID["log"]
    empty = Database(f"sqlite:///{tmp_path}/new.db")
    restore(tmp_path / "backup.zip", empty, Bodies(f"file://{tmp_path}/new"), SAID["now"])
    empty.close()
    with Store.open(f"sqlite:///{tmp_path}/new.db") as again:
        assert again.log.verify() == SAID["log"]
