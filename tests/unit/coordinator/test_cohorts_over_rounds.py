"""Sums over cohorts are due, paid for, published and named in the public log like any other measure."""

import hashlib
import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from engine_world import CATALOGUE, ITEMS, WIRE, Devices, World, crowd, population

from confidante.coordinator.config.measures import Measure
from confidante.coordinator.operator.pages import page
from confidante.coordinator.operator.view import PageSettings, Viewer
from confidante.coordinator.reports.results import newest_found, results
from confidante.coordinator.rounds.training_replay import Result, noisy_sum
from confidante.coordinator.store import PUBLISHED
from confidante.coordinator.store.backup import back_up, restore
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.store.database import Database
from confidante.core.errors import StoreError, WireError
from confidante.lab.entropy import SeededEntropy
from confidante.lab.simulation import Simulator
from confidante.models.snapshot import decode as read_model
from confidante.privacy.plan import Cohort
from confidante.tasks.base import NoisySum, TaskContext
from confidante.tasks.cohorts.config import CohortConfig
from confidante.tasks.cohorts.kind import Groups
from confidante.tasks.cohorts.release import CohortRelease
from confidante.tasks.cohorts.table import noisy_sizes, passes
from confidante.tasks.cohorts.task import ITEM_NORM, SIZE_NORM, CohortTask
from confidante.tasks.cohorts.tree import CohortTree, Group, everyone_by
from confidante.tasks.registry import decode_task, encode_task
from confidante.wire.plans import decode_plan

AGES = {"age": ("young", "old")}
TREE = everyone_by(AGES)
COHORTS = Measure(CohortConfig(epsilon=1.0, every_hours=500 / 3600, by=AGES, gate=2.5))
FEW = Measure(CohortConfig(name="few", epsilon=1.0, every_hours=500 / 3600, by=AGES, gate=3, columns=7))
YOUNG, OLD = 1, 2


def world_of(folder, devices=6, seed=2, **other):
    who = {"tasks": (COHORTS,), **other}
    return World(folder, population(devices, **who), Devices(crowd(devices, seed=seed)))


def next_round(world):
    world.engine = world.fresh()
    world.open()
    ended = world.finish()
    assert ended.phase == PUBLISHED, ended.reason
    return ended


def until_cohorts(world):
    while (ended := next_round(world)).row.task.partition(" ")[0] != "measure":
        pass
    return ended


def announced(world, state):
    """Return what the log says of a round, and of what came of it."""
    entries = {entry.number: entry for entry in world.store.log.entries()}
    said = msgspec.msgpack.decode(entries[state.row.entry].body)
    ended = [msgspec.msgpack.decode(one.body) for one in entries.values() if one.kind == "cohorts"]
    return said, ended


def release_of(world, state):
    kept = Result.read(world.bodies.get(state.result))
    return CohortRelease.decode(world.bodies.get(kept.release))


def test_the_sum_is_exact_and_what_is_published_follows_from_it(tmp_path):
    world = world_of(tmp_path)
    world.devices.groups = [YOUNG, OLD, YOUNG, YOUNG, OLD, 0]
    state = until_cohorts(world)
    assert state.row.task == "measure cohorts 1"
    assert (world.total(state) == world.expected(state)).all()
    said, [ended] = announced(world, state)
    assert said["purpose"] == "cohort"
    release = release_of(world, state)
    assert ended["cohorts"] == hashlib.sha256(release.encode()).digest()
    assert ended["round"] == state.row.id
    assert ended["catalogue"] == WIRE.digest
    release.check(WIRE, said["body"])
    people = world.devices.histories
    here = [i for i in range(6) if people.lengths[i]]
    groups = np.array(world.devices.groups)[here]
    wanted = [len(here), (groups == YOUNG).sum(), (groups == OLD).sum()]
    assert release.sizes == pytest.approx(wanted, abs=1e-3)
    assert release.spreads == (0.0, 0.0, 0.0)
    assert wanted[YOUNG] > 2.5 > wanted[OLD]
    assert release.table.serves == (0, YOUNG, 0)
    [model] = [one for one in world.store.log.entries() if one.kind == "model"]
    published = read_model(world.bodies.get(msgspec.msgpack.decode(model.body)["model"].hex()))
    assert release.table.prior(YOUNG).max() == pytest.approx(published.model.prior.max(), rel=1e-6)
    assert release.table.prior(OLD) is None
    world.close()


def test_no_exact_count_is_shown_where_there_is_noise(tmp_path):
    world = world_of(tmp_path, 12, noise=True, epsilon=1.5, training_epsilon=4.0)  # no training fits
    world.devices.groups = [YOUNG] * 8 + [OLD] * 4
    state = until_cohorts(world)
    release = release_of(world, state)
    plan = decode_plan(state.row.plan)
    task = decode_task(state.row.task_body, WIRE)
    sd = float(plan.noise_variance(12)) ** 0.5 / plan.scale / SIZE_NORM
    assert release.spreads == pytest.approx((sd * 3**0.5, sd, sd))
    assert all(abs(size - round(size)) > 1e-9 for size in release.sizes)
    [shown] = [one for one in results(world.store, world.bodies, world.population) if one.kind == "cohorts"]
    assert isinstance(shown.found, Groups)
    assert [one.name for one in shown.found.groups] == ["everyone", "age young", "age old"]
    assert [one.size for one in shown.found.groups] == list(release.sizes)
    assert sd > 12, "noise that could hide all of them"
    shown_alone = [passes(size, sd, 2.5) for size in release.sizes[1:]]  # by chance, once in 25 runs
    assert [one.folded for one in shown.found.groups] == [False, *(not one for one in shown_alone)]
    assert newest_found(world.store, world.bodies, world.population) == {"cohorts": shown.found.rows(())}
    assert json.dumps(shown.found.groups[0].size)
    assert isinstance(task, CohortTask)
    world.close()


def test_a_sum_before_any_model_says_itself_what_is_popular():
    context = TaskContext(WIRE, population(6).max_length)
    task = COHORTS.config.task(context)
    total = np.zeros(len(TREE) * (ITEMS + 1))
    total[ITEMS : ITEMS + 3] = np.array([4.0, 1.0, 0.0]) * ITEM_NORM
    total[-3:] = np.array([0.0, 5.0, 0.0]) * SIZE_NORM
    data = COHORTS.config.release(encode_task(task, WIRE), NoisySum(total, 0.0, 6), context)
    prior = CohortRelease.decode(data).table.prior(YOUNG)
    assert prior[:3] == pytest.approx([1.0, 0.5, 0.0], abs=0.05)


def test_the_most_popular_items_are_counted_where_not_all_have_room(tmp_path):
    world = world_of(tmp_path, tasks=(FEW,))
    first = world.engine._schedules["films"]._trainings.task_of(world.population.tasks[0])
    assert first.columns.tolist() == list(range(7)), "before there is a model"
    state = until_cohorts(world)
    task = decode_task(state.row.task_body, WIRE)
    [model] = [one for one in world.store.log.entries() if one.kind == "model"]
    prior = read_model(world.bodies.get(msgspec.msgpack.decode(model.body)["model"].hex())).model.prior
    assert task.width == 7
    assert prior[task.columns].min() >= np.delete(prior, task.columns).max()
    assert (world.total(state) == world.expected(state)).all()
    narrow = population(6, tasks=(COHORTS,), max_bytes=8400, cohort=Cohort(6, 0.3, 0.1))
    room = max(narrow.max_length // 3 - 1, 1)
    assert COHORTS.config.width(3, ITEMS, narrow.max_length) == min(ITEMS, room)
    assert CohortTask(TREE, ITEMS, np.arange(5)).length == 3 * 6
    world.close()


def test_another_worker_finds_the_same_release(tmp_path):
    world = world_of(tmp_path)
    world.devices.groups = [YOUNG] * 6
    for _ in range(3):
        next_round(world)
    world.engine = world.fresh()
    world.until("REVEAL")
    twin = world.copy(tmp_path / "twin")
    for one in (world, twin):
        one.engine.step(one.now)
        assert one.newest.phase == PUBLISHED
    assert world.newest.result == twin.newest.result
    twin.close()
    world.close()


def test_a_sum_of_another_catalogue_is_a_sum_and_no_table(tmp_path):
    world = world_of(tmp_path)
    for _ in range(3):
        next_round(world)
    world.engine = world.fresh()
    world.until("REVEAL")
    world.population = replace(
        world.population, catalogue=replace(CATALOGUE, titles=("Other", *CATALOGUE.titles[1:]))
    )
    world.engine = world.fresh()
    world.engine.step(world.now)
    assert world.newest.phase == PUBLISHED
    assert not Result.read(world.bodies.get(world.newest.result)).release
    assert [one.kind for one in world.store.log.entries()][-1] == "sum"
    assert results(world.store, world.bodies, world.population)[0].found is None
    world.close()


def test_a_release_of_something_else_than_was_announced_is_refused(tmp_path):
    world = world_of(tmp_path)
    world.devices.groups = [YOUNG] * 6
    state = until_cohorts(world)
    said, _ = announced(world, state)
    release = release_of(world, state)
    with pytest.raises(WireError, match="another task"):
        release.check(WIRE, bytes(32))
    renamed = CohortTree((TREE.groups[0], Group("men", 0, "sex", ("m",)), TREE.groups[2]))
    other = replace(release, table=replace(release.table, tree=renamed))
    assert CohortRelease.decode(other.encode()).table.tree == renamed
    with pytest.raises(WireError, match="another tree"):
        other.check(WIRE, said["body"])
    foreign = replace(release, table=replace(release.table, catalogue=bytes(32)))
    with pytest.raises(WireError, match="another catalogue"):
        foreign.check(WIRE, said["body"])
    assert noisy_sizes(decode_task(state.row.task_body, WIRE), _sum(world, state))[0] == pytest.approx(
        release.sizes
    )
    world.close()


def _sum(world, state):
    kept = Result.read(world.bodies.get(state.result))
    return noisy_sum(kept.total, state.row.plan, len(state.survivors))


def test_with_noise_large_groups_stand_and_small_ones_fold():
    """Many devices, the lab's seeded noise, and what the coordinator makes of their sum."""
    people = crowd(900, seed=5)
    here = np.flatnonzero(people.lengths)
    groups = np.where(np.arange(900) < 700, 1, np.where(np.arange(900) < 880, 2, 3))
    config = CohortConfig(epsilon=1.0, by={"age": ("many", "some", "few")}, gate=50.0)
    context = TaskContext(WIRE, population(6).max_length)
    task = config.task(context)

    def where(some):
        """The groups of some of the people, each known by the time of a first event."""
        found = np.zeros(some.people, dtype=np.int64)
        there = np.flatnonzero(some.lengths)
        first = some.times[some.indptr[there]]
        found[there] = groups[np.searchsorted(people.indptr, first, side="right") - 1]
        return found

    wanted = np.bincount(groups[here], minlength=4)
    wanted[0] = len(here)
    for seed in range(5):
        sums = Simulator(
            people,
            {"cohorts": 2.0},
            SeededEntropy(seed, "cohorts"),
            cohort=Cohort(900),
            max_upload=1 << 18,
        )
        total = sums.take(task.placed(where))
        found = CohortRelease.decode(config.release(encode_task(task, WIRE), total, context))
        apart = np.abs(np.array(found.sizes) - wanted) / np.array(found.spreads)
        assert apart.max() < 5
        assert found.table.serves == (0, 1, 2, 0)
        assert min(found.spreads) > 1


def test_the_page_shows_the_groups_and_a_backup_keeps_their_tables(tmp_path):
    world = world_of(tmp_path / "world")
    world.devices.groups = [YOUNG] * 5 + [OLD]
    state = until_cohorts(world)
    kept = Result.read(world.bodies.get(state.result))
    page_settings = PageSettings((world.population,), world.bodies_url)
    view = Viewer(world.store, world.bodies, page_settings).view(1.0)
    text = bytes(page("now.html", view=view, inside=False, token="").body).decode()
    assert '<th scope="row">age young</th><td class="num">' in text
    assert "<td>everyone (folded)</td>" in text
    file = tmp_path / "backup.zip"
    database = Database(world.url)
    back_up(database, world.bodies, file, world.now)
    elsewhere = Bodies(f"file://{tmp_path / 'elsewhere'}")
    other = Database(f"sqlite:///{tmp_path / 'restored.db'}")
    restore(file, other, elsewhere, world.now + 1)
    assert elsewhere.get(kept.release) == world.bodies.get(kept.release)
    world.bodies.delete(kept.release)
    with pytest.raises(StoreError):
        back_up(database, world.bodies, tmp_path / "second.zip", world.now)
    [damaged] = [one for one in results(world.store, world.bodies, world.population) if one.damaged]
    assert damaged.task == "measure cohorts 1"
    assert newest_found(world.store, world.bodies, world.population) == {}
    for one in (database, other):
        one.close()
    world.close()
