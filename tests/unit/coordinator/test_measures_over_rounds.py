"""What a population measures is due, paid for and read back beside its trainings."""

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from engine_world import CATALOGUE, Devices, World, crowd, population

from confidante.coordinator.config.measures import Measure
from confidante.coordinator.reports.results import quality_curve, results
from confidante.coordinator.rounds.budget import standing
from confidante.coordinator.store import PUBLISHED
from confidante.models.scoring import PublishedScores
from confidante.privacy.accounting import epsilon_of
from confidante.tasks.base import NoisySum
from confidante.tasks.compare import CompareConfig
from confidante.tasks.contributors import ContributorConfig, ContributorTask
from confidante.tasks.popularity import PopularityConfig
from confidante.tasks.quality import QualityConfig, QualityTask, quality
from confidante.tasks.registry import read_form

COUNTS = Measure(ContributorConfig(name="counts", epsilon=1.0, every_hours=500 / 3600, most_items=6))
POPULAR = Measure(PopularityConfig(epsilon=0.5, every_hours=5000 / 3600))
QUALITY = Measure(QualityConfig(epsilon=1.0, every_hours=600 / 3600, model="newest", k=10))
COMPARE = Measure(CompareConfig(epsilon=1.0, every_hours=1e6 / 3600, a="previous", b="newest", k=10))
ABSENT = Measure(QualityConfig(name="absent", epsilon=1.0, every_hours=600 / 3600, model="ab" * 32, k=10))


def world_of(folder, devices=5, **other):
    world = World(folder, population(devices, **other), Devices(crowd(devices, seed=2)))
    world.devices.models = lambda digest: PublishedScores(world.bodies.get(digest.hex()), CATALOGUE)
    return world


def rounds(world, count, tier="large"):
    """Run so many rounds, each by an engine that remembers nothing; return their tasks."""
    ran = []
    for _ in range(count):
        world.engine = world.fresh()
        before = len(world.store.rounds.newest("films"))
        world.open(tier)
        assert len(world.store.rounds.newest("films")) == before + 1, world.engine.says
        ended = world.finish()
        assert ended.phase == PUBLISHED
        ran.append(ended.row.task)
    return ran


def idle(world, tier="large"):
    """Let devices wait for nothing; return what is said."""
    world.engine = world.fresh()
    before = len(world.store.rounds.newest("films"))
    world.open(tier)
    assert len(world.store.rounds.newest("films")) == before
    return world.engine.says["films"]


def test_measures_run_between_trainings_and_their_sums_are_exact(tmp_path):
    world = world_of(tmp_path, tasks=(QUALITY, COUNTS, COMPARE, ABSENT))
    training = ["popularity 1", "feature pairs 1", "item pairs 1"]
    assert rounds(world, 5) == [*training, "measure quality 1", "measure counts 1"]
    assert idle(world) == "measure counts begins in 8 minutes 20 seconds"
    people = world.devices.histories
    counts, graded, last, *others = results(world.store, world.bodies, world.population)
    assert [one.kind for one in (counts, graded, last)] == ["contributors", "quality", "training"]
    assert [one.found for one in others] == [None, None]
    wanted = ContributorTask(30, 6).client_update(people)
    exact = np.bincount(wanted.indices, minlength=30)
    assert counts.found.top[0][2] == exact.max()
    assert {item: value for item, _title, value in counts.found.top} == {
        item: exact[int(item)] for item, _title, _value in counts.found.top
    }
    assert (counts.found.error, counts.epsilon, counts.devices) == (0.0, math.inf, 5)
    [said] = [
        msgspec.msgpack.decode(entry.body) for entry in world.store.log.entries() if entry.kind == "model"
    ]
    model = said["model"]
    assert last.models == graded.models == (model.hex(),)
    rows = QualityTask(PublishedScores(world.bodies.get(model.hex()), CATALOGUE)).client_update(people)
    total = sum(rows.dense(person) for person in range(5))
    for name in ("graded", "hit_rate", "ndcg"):
        assert getattr(graded.found, name) == pytest.approx(
            getattr(quality(NoisySum(total, 0.0, 5)), name), abs=1e-4
        )

    # Other histories make another model. A measure that falls due in mid-training waits for its end.
    world.now += 1000
    world.devices.histories = crowd(5, seed=9)
    second = [name.replace("1", "2") for name in training]
    assert rounds(world, 6) == [*second, "measure compare 1", "measure counts 2", "measure quality 2"]
    compared = next(
        one for one in results(world.store, world.bodies, world.population) if one.kind == "compare"
    )
    [state] = [one for one in world.store.rounds.newest("films") if one.row.task == "measure compare 1"]
    assert compared.models == tuple(one.hex() for one in read_form(state.row.task_body).models)
    assert compared.models[0] == model.hex() != compared.models[1]
    assert compared.found.ndcg == pytest.approx(compared.found.b.ndcg - compared.found.a.ndcg)
    curve = quality_curve(world.store, world.bodies, world.population)
    assert [point.model for point in curve] == [model.hex(), *compared.models, compared.models[1]]
    assert curve[1].ndcg == compared.found.a.ndcg
    lines = ["newest model", "previous model", "newest model", "newest model"]
    assert [point.line for point in curve] == [f"{one}, lists of 10" for one in lines]
    assert [bool(point.verdict) for point in curve] == [False, False, True, False]
    assert standing(world.store, world.population).words.endswith(
        "nothing is limited; 11 rounds were paid for"
    )
    world.close()


def test_what_does_not_fit_the_budget_is_passed_over_and_in_the_end_everything_stops(tmp_path):
    who = {"noise": True, "epsilon": 4.1, "every": 0.0}
    world = world_of(tmp_path, 10, tasks=(POPULAR, QUALITY), **who)
    assert rounds(world, 4)[3] == "measure popularity 1"
    paid = [one.noise_multiplier for one in world.store.payments.all("films")]
    assert epsilon_of(paid, 1e-5) <= 4.1
    now = standing(world.store, world.population)
    assert (now.paid, now.fits["training"], now.fits["measure quality"]) == (4, False, False)
    assert now.stopped is not now.fits["measure popularity"]
    world.now += POPULAR.every
    while not now.stopped:
        assert rounds(world, 1) == [f"measure popularity {now.paid - 2}"]
        world.now += POPULAR.every
        now = standing(world.store, world.population)
    spent = epsilon_of([one.noise_multiplier for one in world.store.payments.all("films")], 1e-5)
    assert now.spent == pytest.approx(spent)
    assert spent <= 4.1
    assert idle(world).startswith(f"the budget is spent: {now.paid} rounds used up epsilon")
    assert now.words.startswith("the budget is spent")
    found = results(world.store, world.bodies, world.population, 1)[0]
    assert 0.49 < found.epsilon <= 0.5
    assert found.found.error > 0
    world.close()


def test_small_devices_are_not_asked_for_item_pairs_and_measures_leave_a_training_what_it_needs(tmp_path):
    world = world_of(tmp_path, tasks=(COUNTS,))
    assert rounds(world, 3, "small") == ["popularity 1", "feature pairs 1", "measure counts 1"]
    assert "0 of 5 large devices with the switch train on wait for item pairs 1" in idle(world, "small")
    world.store.pool.forget("films", world.now + 1)
    assert rounds(world, 1, "large") == ["item pairs 1"]
    world.close()
    dear = world_of(tmp_path / "dear", 10, noise=True, epsilon=4.0, tasks=(POPULAR,))
    assert rounds(dear, 2, "small") == ["popularity 1", "feature pairs 1"]
    now = standing(dear.store, dear.population)
    assert (now.fits, now.stopped) == ({"training": True, "measure popularity": False}, False)
    assert "beside what the training that has begun needs for its end: measure popularity" in now.words
    said = idle(dear, "small")
    assert "0 of 10 large devices with the switch train on wait for item pairs 1" in said
    assert "skipped, as 2 rounds used up" in said
    assert "measure popularity needs" in said
    dear.close()


def test_a_training_that_can_end_no_more_keeps_nothing_from_the_measures(tmp_path):
    """Its last sum was paid for, failed, and fits no more; its budget would be kept for nothing."""
    world = world_of(tmp_path, 10, noise=True, epsilon=4.5, training_epsilon=4.0, tasks=(POPULAR,), every=1e6)
    rounds(world, 2)
    while standing(world.store, world.population).fits["training"]:
        assert world.open().row.task == "item pairs 1"
        assert world.finish({"MASK": range(10)}).outcome == "aborted"
        world.now += 86400
        world.store.operator.pause("films", paused=False)
    now = standing(world.store, world.population)
    assert now.fits == {"training": False, "measure popularity": True}
    assert not now.stopped
    assert rounds(world, 1) == ["measure popularity 1"]
    world.close()


def test_a_training_of_a_catalogue_that_changed_needs_all_of_its_cost_again(tmp_path):
    world = world_of(tmp_path, 10, noise=True, epsilon=8.0, training_epsilon=4.0, tasks=(POPULAR,))
    rounds(world, 2)
    begun = standing(world.store, replace(world.population, epsilon=4.2))
    assert begun.fits["training"]
    other = replace(CATALOGUE, titles=("Another title (1980)", *CATALOGUE.titles[1:]))
    changed = standing(world.store, replace(world.population, epsilon=4.2, catalogue=other))
    assert not changed.fits["training"]
    world.close()


def test_a_training_that_ended_before_its_operator_asked_for_picks_has_ended(tmp_path):
    """The next one needs all of its cost, and not just the one sum that the last had no use for."""
    world = world_of(tmp_path, 10, noise=True, epsilon=4.6, training_epsilon=4.0, tasks=(POPULAR,))
    rounds(world, 2)
    picking = replace(world.population, likes=0.2)
    assert standing(world.store, picking).fits["training"], "it has begun, and gets its sum of picks, too"
    rounds(world, 1)
    for asked in (world.population, picking):
        now = standing(world.store, asked)
        assert not now.fits["training"]
        assert now.trainings == 0
        assert now.fits["measure popularity"], "nothing is kept for a training that has ended"
    world.close()


def test_a_measure_that_fails_is_tried_again_under_its_number_and_paid_for_again(tmp_path):
    world = world_of(tmp_path, 10, noise=True, epsilon=8.0, training_epsilon=1.0, tasks=(POPULAR,), every=1e6)
    rounds(world, 3)
    world.open()
    assert world.newest.row.task == "measure popularity 1"
    failed = world.finish({"MASK": range(10)})
    assert failed.outcome == "aborted"
    world.now += world.population.rest
    assert rounds(world, 1) == ["measure popularity 1"]
    assert len(world.store.payments.all("films")) == 5
    assert len({one.noise_multiplier for one in world.store.payments.all("films")[3:]}) == 1
    world.close()
