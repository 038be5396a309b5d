"""Cohorts from a coordinator process to lists on real devices, over HTTP: sound, and nothing of a group."""

import json
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from populations import OPEN
from test_end_to_end import CATALOGUE, DEVICES, ITEMS, all_take_part, coordinator, met, person
from warm import run

from confidante.coordinator.rounds.training_replay import Result
from confidante.coordinator.store.bodies import Bodies
from confidante.core.errors import PlanError
from confidante.device.device import Device
from confidante.device.federation.policy import ParticipationPolicy
from confidante.device.privacy.budget import NO_LIMIT
from confidante.device.values import Purpose, ReasonKind
from confidante.privacy.plan import Cohort, plan_sum
from confidante.tasks.cohorts.release import CohortRelease
from confidante.tasks.cohorts.task import ITEM_NORM, SIZE_NORM, CohortTask
from confidante.tasks.cohorts.tree import everyone_by
from confidante.tasks.registry import decode_task, encode_task
from confidante.wire.catalogue import CatalogueWire
from confidante.wire.plans import decode_plan, encode_plan

WIRE = CatalogueWire(CATALOGUE)
TERMS = ParticipationPolicy(
    WIRE, least_noise=0.0, least_devices=DEVICES, least_collusion=0.0, least_dropout=0.0
)
COHORTS = (
    '\n[[task]]\nkind = "cohorts"\nepsilon = 100.0\nevery_hours = 0.0003\ngate = 1\n'
    'by = {age = ["18-24", "25-34", "35+"]}\n' + OPEN
)
AGES = ["18-24"] * 4 + ["25-34"] * 3 + [""]
GROUPS = {"18-24": 1, "25-34": 2, "": 0}


def member(folder: Path, index: int) -> Device:
    device = person(folder, index, on=False)
    device.consents.switch(Purpose.COHORT, True, how="person")
    device.ledger.set_budget(NO_LIMIT)
    device.settings.attributes = {"age": AGES[index]} if AGES[index] else {}
    return device


def subjects(device: Device) -> set[str]:
    reasons = [reason for one in device.recommend(5).suggestions for reason in one.reasons]
    assert max(abs(one.unexplained) for one in device.recommend(5).suggestions) < 1e-9
    return {reason.subject for reason in reasons if reason.kind is ReasonKind.POPULARITY}


def test_devices_of_different_groups_say_the_same_and_each_reads_its_own_table(tmp_path: Path) -> None:
    with (
        ExitStack() as stack,
        coordinator(tmp_path / "c", more=COHORTS, dropout=0.0, epsilon=100.0) as running,
    ):
        devices = [stack.enter_context(member(tmp_path, index)) for index in range(DEVICES)]
        ended = all_take_part(devices, running.url, terms=TERMS)
        assert [getattr(one, "state", one) for one in ended] == ["published"] * DEVICES, ended
        with running.store() as store:
            [state] = [one for one in store.rounds.newest("films") if one.outcome == "published"]
        bodies = Bodies(f"file://{running.folder / 'films-bodies'}")
        kept = Result.read(bodies.get(state.result))
        plan, task = decode_plan(state.row.plan), decode_task(state.row.task_body, WIRE)
        assert isinstance(task, CohortTask)
        total = np.frombuffer(kept.total, dtype="<i8") / plan.scale
        own = np.zeros((4, ITEMS))
        sizes = np.zeros(4)
        for index, age in enumerate(AGES):
            own[GROUPS[age], met(index)] += min(ITEM_NORM / np.sqrt(len(met(index))), plan.linf_bound)
            sizes[GROUPS[age]] += SIZE_NORM
        sd = np.sqrt(float(plan.noise_variance(DEVICES))) / plan.scale
        off = (total - np.concatenate((own.ravel(), sizes))) / sd
        assert np.abs(off).max() < 6
        assert 0.7 < off.std() < 1.3
        release = CohortRelease.decode(bodies.get(kept.release))
        assert release.sizes == pytest.approx((8, 4, 3, 0), abs=6 * 2 * sd / SIZE_NORM)
        assert release.table.serves == (0, 1, 2, 0)

        sent = [
            [
                (one.content, one.size, one.visible, one.task, one.epsilon)
                for one in device.ledger.departures()
                if one.round
            ]
            for device in devices
        ]
        assert [len(one) for one in sent] == [5] * DEVICES
        assert all(one == sent[0] for one in sent), "nothing visible tells groups apart"
        assert not [one for one in ("age 18", "18-24", "25-34") if one in json.dumps(sent)]
        notes = [device.ledger.local_note(state.row.id) for device in devices]
        said = [note["your group, which only this device knows"] for note in notes if note]
        assert said == [*["age 18-24"] * 4, *["age 25-34"] * 3, "everyone"]

        for device in devices:
            assert device.cohorts.current is None
            device.federation.update_model(running.url, "films", purpose=Purpose.COHORT)
        asked = [
            [(one.content, one.size, one.visible) for one in device.ledger.departures(2)]
            for device in devices
        ]
        assert all(one == asked[0] for one in asked), "everybody fetches all tables"
        assert [device.cohorts.current and device.cohorts.current.name for device in devices] == [
            *["age 18-24"] * 4,
            *["age 25-34"] * 3,
            "everyone",
        ]
        assert [subjects(device) for device in devices[3:5]] == [
            {"people like: age 18-24"},
            {"people like: age 25-34"},
        ]
        assert subjects(devices[7]) == {""}
        devices[7].settings.attributes = {"age": "35+"}
        assert devices[7].cohorts.current is not None
        assert devices[7].cohorts.current.folded
        shown = results_of(running.folder)
    assert "everyone (folded)" in shown
    assert "age 18-24" in shown
    whole = "".join(running.said)
    assert not [one for one in ("age 18", "18-24", "25-34") if one in whole]
    assert running.process.returncode == 0


def results_of(folder: Path) -> str:
    done = run("-m", "confidante.cli", "coordinator", "results", folder / "films.toml")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_asked_for_under_its_own_switch_and_no_other() -> None:
    task = CohortTask(everyone_by({"age": ("a", "b")}), ITEMS)
    plan = plan_sum(task.name, task.length, task.l2_bound, task.linf_bound, 2.0, Cohort(32), 24)
    said = encode_plan(plan), encode_task(task, WIRE), WIRE
    assert ParticipationPolicy().agreement(*said, purpose=Purpose.COHORT).task.name == "cohorts"
    for purpose in (Purpose.TRAIN, Purpose.QUALITY, Purpose.REFINE):
        with pytest.raises(PlanError, match="announced for the purpose"):
            ParticipationPolicy().agreement(*said, purpose=purpose)
