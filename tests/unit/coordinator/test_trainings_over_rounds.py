"""A whole training over a coordinator's rounds is the very model of the lab, and is paid for as planned."""

import msgspec
import numpy as np
import pytest
from engine_world import CATALOGUE, Devices, World, crowd, population

from confidante.coordinator.config.refinement import RefinementTerms
from confidante.coordinator.rounds.training_history import TrainingHistory
from confidante.coordinator.rounds.training_replay import Model, PublishedSum, Result, TrainingReplay
from confidante.coordinator.store import PUBLISHED
from confidante.core.errors import WireError
from confidante.core.values import Catalogue
from confidante.lab.experiment import Training
from confidante.models.factors import PICK_PART
from confidante.models.snapshot import decode
from confidante.privacy.accounting import epsilon_of
from confidante.privacy.plan import Cohort
from confidante.tasks.base import NEWEST
from confidante.training.publish import publish
from confidante.training.recipe import BUDGET, LIKES
from confidante.wire.plans import decode_plan

SEED = 3


def train(world, rounds=3):
    """Run so many rounds; a fresh engine for each, as if the coordinator were started anew."""
    ended = []
    for _ in range(rounds):
        world.engine = world.fresh()
        world.open()
        ended.append(world.finish())
    return ended


def models(world):
    return [
        msgspec.msgpack.decode(entry.body) for entry in world.store.log.entries() if entry.kind == "model"
    ]


@pytest.mark.parametrize("picks", [0.0, 0.15])
def test_without_noise_the_model_is_that_of_the_lab_bit_for_bit(tmp_path, picks):
    histories = crowd(40)
    names = [*BUDGET, LIKES] if picks else [*BUDGET]
    world = World(tmp_path, population(40, likes=picks), Devices(histories))
    ended = train(world, len(names))
    assert [state.phase for state in ended] == [PUBLISHED] * len(names)
    assert [state.row.task for state in ended] == [f"{name} 1" for name in names]
    lab = Training(epsilon=None, seed=SEED, engine="ideal", bits=20, likes=picks).train(histories, CATALOGUE)
    for state, record in zip(ended, lab.records, strict=True):
        assert decode_plan(state.row.plan) == record.plan
    (said,) = models(world)
    data = world.bodies.get(said["model"].hex())
    assert data == publish(lab.learnt, CATALOGUE)
    assert decode(data).catalogue == CATALOGUE
    assert (PICK_PART in decode(data).model.names) == (picks > 0)
    assert said["training"] == 1
    assert said["survivors"] == 40
    world.close()


def test_devices_are_given_a_narrower_model_than_the_server_refines_with(tmp_path):
    terms = RefinementTerms(tmp_path / "store.csv", device_columns=6)
    world = World(tmp_path, population(40, refinement=terms), Devices(crowd(40)))
    train(world)
    (said,) = models(world)
    given, whole = (decode(world.bodies.get(said[name].hex())).model for name in ("model", "wide"))
    assert sum(part.vectors.shape[1] for part in given.parts) == 6
    assert sum(part.vectors.shape[1] for part in whole.parts) > 6
    trainings = TrainingHistory(world.store, world.bodies, world.population)
    assert next(trainings.models(NEWEST)) == said["model"].hex()
    assert trainings.widest(said["model"].hex()) == said["wide"].hex()
    assert {said["model"].hex(), said["wide"].hex()} <= world.store.references()
    world.close()


@pytest.mark.parametrize(("picks", "rounds"), [(0.0, 3), (0.2, 4)])
def test_with_noise_it_costs_what_was_planned_and_then_no_more(tmp_path, picks, rounds):
    who = population(noise=True, epsilon=4.0, every=0.0, likes=picks)
    world = World(tmp_path, who, Devices(crowd(10)))
    ended = train(world, rounds)
    assert [state.phase for state in ended] == [PUBLISHED] * rounds
    paid = world.store.payments.all("films")
    assert 3.9 < epsilon_of([one.noise_multiplier for one in paid], 1e-5) <= 4.0
    assert [one.noise_multiplier for one in paid] == [decode_plan(s.row.plan).noise_multiplier for s in ended]
    assert sum(one.share for one in paid) == pytest.approx(1.0)
    assert sum(one.share for one in paid[3:]) == pytest.approx(picks)
    assert len(models(world)) == 1
    for state in ended:
        assert np.array_equal(world.total(state), world.expected(state))
    world.devices.wait(world.store, world.now)
    world.settle()
    assert len(world.store.rounds.newest("films")) == rounds
    assert world.engine.says["films"].startswith(f"the budget is spent: {rounds} rounds used up epsilon")
    world.close()


def test_a_failed_round_is_tried_again_and_the_training_goes_on(tmp_path):
    world = World(tmp_path, population(5), Devices(crowd(5)))
    train(world, 1)
    world.open()
    failed = world.finish({"MASK": range(5)})
    assert failed.row.task == "feature pairs 1"
    world.now += world.population.rest
    again, last = train(world, 2)
    assert [again.row.task, last.row.task] == ["feature pairs 1", "item pairs 1"]
    assert again.row.task_body == failed.row.task_body
    assert len(models(world)) == 1
    world.close()


def test_the_next_training_begins_when_it_is_due(tmp_path):
    world = World(tmp_path, population(5), Devices(crowd(5)))
    train(world)
    world.devices.wait(world.store, world.now)
    world.settle()
    assert world.engine.says["films"] == "training 2 begins in 16 minutes 40 seconds"
    world.now += 1000
    second = train(world)
    assert [state.row.task for state in second] == [f"{name} 2" for name in BUDGET]
    assert [said["training"] for said in models(world)] == [1, 2]
    assert models(world)[0]["model"] == models(world)[1]["model"]  # the same histories
    world.close()


def test_a_catalogue_that_changes_in_the_middle_begins_the_sums_anew(tmp_path):
    world = World(tmp_path, population(5), Devices(crowd(5)))
    train(world, 2)
    turned = Catalogue(CATALOGUE.ids, CATALOGUE.titles[::-1], CATALOGUE.labels)
    world.population = population(5, catalogue=turned)
    world.engine = world.fresh()
    world.devices.wait(world.store, world.now)
    world.settle()
    assert world.newest.row.task == "popularity 1"
    assert world.newest.row.task_body != world.store.rounds.newest("films")[2].row.task_body
    world.close()


def test_sums_of_other_tasks_are_passed_over():
    training = TrainingReplay(population(5))
    first = training.go_on(())
    assert first.name == "popularity"
    plan = b"a plan that nobody reads"
    strange = PublishedSum(b"another task", plan, 5, bytes(8 * first.length))
    assert training.go_on((strange,)).name == "popularity"
    assert not isinstance(first, Model)


@pytest.mark.parametrize("data", [b"", b"\x90", msgspec.msgpack.encode(["sum 2", b"", ""]), b"\xff" * 9])
def test_a_result_that_is_damaged_is_refused(data):
    with pytest.raises(WireError):
        Result.read(data)


def test_the_noise_of_a_small_crowd_is_that_of_the_lab():
    training = TrainingReplay(population(40, noise=True))
    lab = Training(epsilon=4.0, delta=1e-5, seed=SEED, bits=20).train(crowd(40), CATALOGUE)
    assert training.population.cohort == Cohort(40, 0.3, 0.1)
    planned = [training.budget.multipliers[record.plan.task] for record in lab.records]
    assert planned == [record.plan.noise_multiplier for record in lab.records]
