"""A round ends with the exact sum of its survivors or a recorded reason, whatever devices do."""

import math

import numpy as np
import pytest
from engine_world import WIRE, Devices, World, crowd, drawn, population, send
from stores import let_wait

from confidante.coordinator.operator.view import PageSettings, Viewer
from confidante.coordinator.reports.results import results
from confidante.coordinator.rounds.engine import RoundEngine
from confidante.coordinator.rounds.selection import draw_roster
from confidante.coordinator.store import ABORTED, COLLECTING, PUBLISHED, Accepted, Late, Repeated
from confidante.coordinator.store.values import LEFT, Waiting
from confidante.core.entropy import SystemEntropy
from confidante.privacy.accounting import epsilon_of
from confidante.secagg.config import RoundConfig
from confidante.wire.plans import decode_plan
from confidante.wire.transparency_log import verify

PEOPLE = crowd(10)


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path / "world", population(), Devices(PEOPLE))
    yield made
    made.close()


def test_all_take_part_and_the_sum_is_exact(world):
    world.open()
    state = world.finish()
    assert state.phase == PUBLISHED
    assert state.survivors == tuple(range(10))
    assert np.array_equal(world.total(state), world.expected(state))
    assert np.any(world.total(state))


@pytest.mark.parametrize("phase", COLLECTING)
def test_those_who_vanish_in_a_phase_delay_it_to_its_deadline_and_no_more(world, phase):
    opened = world.open()
    began = world.now
    state = world.finish({phase: (1, 4, 7)})
    assert state.phase == PUBLISHED
    gone = set() if phase in ("CONFIRM", "REVEAL") else {1, 4, 7}
    assert set(state.survivors) == set(range(10)) - gone
    assert np.array_equal(world.total(state), world.expected(state))
    late = 60.0 * (len(COLLECTING) - COLLECTING.index(phase) if phase != "REVEAL" else 1)
    assert opened.deadline == began + 60
    assert world.now - began == 60.0 <= late
    assert world.store.operator.counts() == {"round published": 1, f"missing at {phase}": 3}


def test_those_who_leave_at_first_delay_nobody_and_are_counted(world):
    opened = world.open()
    began = world.now
    world.devices.vanish(opened, (1, 4))
    for index in (1, 4):
        send(world.store, world.bodies, opened, index, LEFT + opened.row.id + bytes([index]), world.now)
    state = world.finish()
    assert (state.phase, world.now) == (PUBLISHED, began)
    assert set(state.survivors) == set(range(10)) - {1, 4}
    assert np.array_equal(world.total(state), world.expected(state))
    assert world.store.operator.counts() == {"round published": 1, "rejected left": 2}


def test_they_may_vanish_one_by_one_in_every_phase(world):
    world.open()
    state = world.finish({"ADVERTISE": (0,), "MASK": (5,), "REVEAL": (9,)})
    assert state.phase == PUBLISHED
    assert set(state.survivors) == set(range(10)) - {0, 5}
    assert np.array_equal(world.total(state), world.expected(state))


@pytest.mark.parametrize("phase", COLLECTING)
def test_too_few_end_the_round_with_a_reason_and_cost_nothing_before_vectors_may_come(world, phase):
    world.open()
    state = world.finish({phase: (0, 1, 2, 3)})
    assert (state.phase, state.outcome) == (ABORTED, "aborted")
    assert "too_few" in state.reason
    assert "6" in state.reason
    paid = COLLECTING.index(phase) >= COLLECTING.index("MASK")
    assert len(world.store.payments.all("films")) == paid
    assert not state.result
    assert world.store.operator.counts()["round aborted"] == 1
    assert "ended without a sum" in world.engine.says["films"]
    # The devices are free again; after a rest the same task is tried anew, and paid for anew.
    world.devices.wait(world.store, world.now)
    world.settle()
    assert world.newest.row.id == state.row.id
    world.now += world.population.rest
    world.settle()
    assert world.newest.row.id != state.row.id
    assert world.newest.row.task_body == state.row.task_body
    again = world.finish()
    assert len(world.store.payments.all("films")) == paid + 1
    assert np.array_equal(world.total(again), world.expected(again))


def test_nobody_comes_and_the_round_ends(world):
    world.open()
    state = world.finish({"ADVERTISE": range(10)})
    assert state.reason.startswith("too_few: 0 clients answered in ADVERTISE")


@pytest.mark.parametrize("phase", COLLECTING)
def test_late_and_repeated_messages_change_nothing(world, phase):
    world.until(phase)
    state = world.newest
    (_, ref), *_ = world.store.messages.heard(state.row.id, phase)
    data = world.bodies.get(ref)
    assert send(world.store, world.bodies, state, 0, data, world.now) == Repeated(same=True)
    assert send(world.store, world.bodies, state, 0, data + b"!", world.now) == Repeated(same=False)
    world.engine.step(world.now)
    assert send(world.store, world.bodies, state, 0, data, world.now) in (Repeated(same=True), Late())
    ended = world.finish()
    assert len(ended.survivors) == 10
    assert np.array_equal(world.total(ended), world.expected(ended))


@pytest.mark.parametrize("phase", COLLECTING)
def test_nonsense_counts_as_silence(world, phase):
    if phase == COLLECTING[0]:
        world.open()
    else:
        world.until(COLLECTING[COLLECTING.index(phase) - 1]).engine.step(world.now)
    state = world.newest
    said = world.devices.say(world.store, world.bodies, state)
    said[2], said[3], said[4] = b"", said[5], said[4][:-1] + bytes([said[4][-1] ^ 1])
    for index, data in said.items():
        if index != 4 or phase not in (
            "MASK",
            "SHARE",
            "REVEAL",
        ):  # there, a flipped bit is for others to see
            assert send(world.store, world.bodies, state, index, data, world.now) == Accepted()
    world.now = state.deadline
    world.engine.step(world.now)
    ended = world.finish()
    assert ended.phase == PUBLISHED
    assert np.array_equal(world.total(ended), world.expected(ended))
    assert 2 not in ended.survivors or phase in ("CONFIRM", "REVEAL")


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_message_that_is_lost_ends_the_round_cleanly(world, damage):
    world.until("MASK")
    (_, ref), *_ = world.store.messages.heard(world.newest.row.id, "SHARE")
    (path,) = (world.folder / "bodies").rglob(ref)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"something else")
    world.engine.step(world.now)
    assert world.newest.phase == ABORTED
    assert "a message of phase SHARE cannot be read" in world.newest.reason


def test_nothing_that_devices_sent_is_kept_after_a_round(world):
    world.open()
    world.finish()
    sent = set()
    for phase in COLLECTING:
        sent |= {ref for _, ref in world.store.messages.heard(world.newest.row.id, phase)}
    assert len(sent) == 50
    world.settle()
    kept = {path.name for path in (world.folder / "bodies").rglob("*") if path.is_file()}
    assert kept == {world.newest.result, WIRE.digest.hex()}
    assert not any(world.store.messages.heard(world.newest.row.id, phase) for phase in COLLECTING)


def test_no_round_is_opened_before_enough_devices_wait(world):
    for one in world.devices.identities[:9]:
        let_wait(world.store, "films", one.public.encode(), drawn(repr(one.public), 32), world.now)
    world.settle()
    assert world.store.rounds.newest("films") == []
    says = "9 of 10 devices with the switch train on wait for popularity 1"
    assert world.engine.says["films"] == says


def test_a_device_that_waited_too_long_is_not_counted_on(world):
    world.devices.wait(world.store, world.now)
    world.now += world.population.waiting + 1
    world.settle()
    assert world.store.rounds.newest("films") == []
    assert world.store.pool.all("films") == []


def test_who_left_is_dropped_also_while_nothing_is_due_and_is_never_counted(world):
    world.devices.wait(world.store, world.now)
    world.store.operator.pause("films", True)
    assert [one.devices for one in world.store.operator.waiters("films", world.now)] == [10]
    world.now += world.population.waiting + 1
    oldest = world.now - world.population.waiting
    assert world.store.operator.waiters("films", oldest) == []
    world.settle()
    assert world.store.pool.sizes() == {}


def test_a_round_that_its_operator_ends_at_the_last_moment_is_never_said_to_be_published(world, monkeypatch):
    opened = world.open()
    publish = world.store.rounds.publish

    def too_late(*args, **more):
        assert world.store.rounds.abort(opened.row.id, "its operator ended it", world.now)
        return publish(*args, **more)

    monkeypatch.setattr(world.store.rounds, "publish", too_late)
    said = set()
    step = world.engine.step

    def heard(now):
        done = step(now)
        said.update(world.engine.says.values())
        return done

    monkeypatch.setattr(world.engine, "step", heard)
    assert world.finish().reason == "its operator ended it"
    assert not any("published" in one for one in said), said


def test_a_round_is_announced_and_opened_as_planned(world):
    opened = world.open()
    plan, config = decode_plan(opened.row.plan), RoundConfig.decode(opened.row.config)
    assert (config.n, config.length, config.bits) == (10, plan.length, 20)
    assert sorted(opened.row.roster) == sorted(world.devices.person)
    state = world.finish()
    kinds = [entry.kind for entry in world.store.log.entries()]
    assert kinds == ["round", "sum"]
    assert all(
        entry.hash == state.row.id or state.row.id in entry.body for entry in world.store.log.entries()
    )
    assert verify(world.store.log.entries())[0] == 2
    assert world.bodies.get(WIRE.digest.hex()) == WIRE.data


def test_a_roster_is_drawn_by_lot_and_repeats_no_key():
    entropy = SystemEntropy()
    waiting = [Waiting(drawn(f"who {i}", 64), drawn(f"seat {i}", 32), float(i)) for i in range(40)]
    drawn_rosters = {tuple(draw_roster(waiting, 20, entropy)) for _ in range(5)}
    assert len(drawn_rosters) == 5
    assert all(len(set(roster)) == 20 for roster in drawn_rosters)
    assert draw_roster(waiting, 41, entropy) == []
    thief = Waiting(drawn("own", 32) + waiting[3].identity[32:], drawn("seat", 32), 99.0)
    weak = Waiting(drawn("weak", 32) + bytes(32), drawn("seat", 32), 99.0)
    twin = Waiting(drawn("twin", 32) * 2, drawn("seat", 32), 99.0)
    assert sorted(draw_roster([*waiting, thief, weak, twin], 40, entropy), key=lambda w: w.since) == waiting
    assert draw_roster([*waiting, thief, weak, twin], 41, entropy) == []


def test_rounds_of_populations_that_others_serve_are_left_to_them(world):
    opened = world.open()
    others = RoundEngine(world.store, world.bodies, population(name="books"))
    assert not others.step(opened.deadline + 1)
    assert world.newest == opened
    assert world.finish().phase == PUBLISHED


def test_when_the_budget_is_spent_no_round_is_opened_and_it_is_said(tmp_path):
    """The limit holds one training: a round that was paid for and failed leaves too little for another."""
    world = World(tmp_path, population(noise=True, epsilon=4.0), Devices(PEOPLE))
    world.open()
    world.finish({"MASK": range(10)})
    world.now += world.population.rest
    world.devices.wait(world.store, world.now)
    world.settle()
    assert len(world.store.rounds.newest("films")) == len(world.store.payments.all("films")) == 1
    assert "the budget is spent: 1 rounds used up epsilon" in world.engine.says["films"]
    assert "of 4, and training needs epsilon" in world.engine.says["films"]
    paid = world.store.payments.spent("films")
    assert 0 < epsilon_of(paid, 1e-5) < 4.0
    assert len(world.store.pool.all("films")) == 10
    world.close()


def test_rounds_that_nobody_answers_cost_nothing_and_come_ever_more_seldom(tmp_path):
    world = World(tmp_path, population(noise=True, epsilon=4.0), Devices(PEOPLE))
    pauses = []
    for failed in range(1, 16):
        opened = world.open()
        assert opened.number == failed
        world.now = opened.deadline
        world.settle()
        assert world.newest.phase == ABORTED
        assert world.store.operator.paused("films") == (failed % 6 == 0)
        if world.store.operator.paused("films"):
            assert "paused by itself, as 6 rounds in a row" in world.engine.says["films"]
            world.store.operator.pause("films", False)
            world.settle()
        assert f"failures in a row: {failed}" in world.engine.says["films"]
        pauses.append(min(30.0 * 2 ** (failed - 1), 86400.0))
        world.now += pauses[-1] - 1
        assert world.open().number == failed
        world.now += 1
    assert pauses[-1] == 86400.0
    assert world.store.payments.all("films") == []
    world.open()
    assert world.finish().phase == PUBLISHED
    assert world.store.rounds.failures("films") == 0
    assert len(world.store.payments.all("films")) == 1
    world.close()


@pytest.mark.parametrize("published", [True, False])
def test_a_clock_that_is_set_right_again_stops_nothing(tmp_path, published):
    """A round ended in what is now the future: its rest and its turn are counted from now."""
    world = World(tmp_path, population(rest=500.0), Devices(PEOPLE))
    world.now += 30 * 86400
    names = []
    for _ in range(3 if published else 1):
        world.open()
        names.append(world.finish({} if published else {"ADVERTISE": range(10)}).row.task)
    world.now -= 30 * 86400
    world.engine = world.fresh()
    world.open()
    assert len(world.store.rounds.newest("films")) == len(names)
    said = (
        "training 2 begins in 16 minutes 40 seconds" if published else "may be opened in 8 minutes 20 seconds"
    )
    assert said in world.engine.says["films"]
    world.now += 1000
    world.open()
    assert world.newest.number == len(names) + 1
    world.close()


def test_a_sum_that_is_lost_stops_its_population_and_no_other(world):
    world.open()
    lost = world.finish().result
    world.bodies.delete(lost)
    engine = RoundEngine(world.store, world.bodies, population(), population(name="books"))
    for number, one in enumerate(Devices(crowd(10, 5)).identities):
        seat = drawn(f"seat of books {number}", 32)
        let_wait(world.store, "books", one.public.encode(), seat, world.now)
    while engine.step(world.now):
        pass
    assert len(world.store.rounds.newest("books")) == 1
    assert engine.says["films"].startswith(f"no round is opened: there is no body {lost}")
    [told] = results(world.store, world.bodies, world.population)
    assert told.damaged.startswith(f"there is no body {lost}")
    assert told.found is None
    page_settings = PageSettings((world.population,), world.bodies_url)
    assert Viewer(world.store, world.bodies, page_settings).view(world.now).populations


def test_a_round_that_fits_no_more_when_it_is_to_be_paid_ends_and_pays_nothing(tmp_path):
    """Its operator lowered the limit while it gathered its devices."""
    world = World(tmp_path, population(noise=True, epsilon=4.0), Devices(PEOPLE)).until("SHARE")
    world.population = population(noise=True, epsilon=0.1, training_epsilon=0.1)
    world.engine = world.fresh()
    world.settle()
    assert world.newest.phase == ABORTED
    assert world.newest.reason.startswith("the budget is spent: 0 rounds used up epsilon 0 of 0.1")
    assert world.store.payments.all("films") == []
    world.close()


def test_a_sum_without_noise_leaves_nothing_for_noise(tmp_path):
    world = World(tmp_path, population(), Devices(PEOPLE))
    world.open()
    world.finish()
    world.population = population(noise=True)
    world.engine = world.fresh()
    world.devices.wait(world.store, world.now)
    world.settle()
    assert "used up epsilon inf of 8" in world.engine.says["films"]
    assert "no finite epsilon" in world.engine.says["films"]
    assert math.isinf(epsilon_of(world.store.payments.spent("films"), 1e-5))
    world.close()


def test_a_plan_that_cannot_be_kept_opens_no_round_and_is_named(tmp_path):
    world = World(tmp_path, population(100, noise=True, bits=8), Devices(PEOPLE))
    world.settle()
    assert world.store.rounds.newest("films") == []
    assert world.engine.says["films"].startswith("no round is opened: popularity:")
    world.close()


def test_a_worker_whose_clock_is_slow_makes_no_round_be_opened_twice(tmp_path):
    world = World(tmp_path, population(), Devices(crowd(24)))
    world.open()
    world.finish()
    world.devices.wait(world.store, world.now - 30)
    assert world.fresh().step(world.now)  # clears up
    assert world.fresh().step(world.now - 30)
    assert not world.fresh().step(world.now)
    assert [state.row.task for state in world.store.rounds.newest("films")] == [
        "feature pairs 1",
        "popularity 1",
    ]
    world.close()
