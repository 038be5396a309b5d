"""A worker may be killed anywhere, and others may race it: the same bytes leave, the same sum comes out."""

import threading

import numpy as np
import pytest
from engine_world import LEASE, Calls, Devices, KilledError, World, crowd, population
from paths import SUPPORT
from warm import run

from confidante.coordinator.rounds.engine import RoundEngine
from confidante.coordinator.store import COLLECTING, PUBLISHED, Store
from confidante.coordinator.store.bodies import Bodies
from confidante.core.errors import StoreError
from confidante.wire.transparency_log import verify

HERE = SUPPORT
PEOPLE = crowd(5)


def at(folder, phase) -> World:
    """A world whose devices have answered a phase that nobody has ended yet."""
    return World(folder, population(5), Devices(PEOPLE)).until(phase)


def left(world):
    """What a step leaves behind for devices and for the public, but for when."""
    state = world.newest
    boxes = {phase: world.outbox(state.row.id, phase) for phase in COLLECTING}
    log = [(entry.kind, entry.body) for entry in world.store.log.entries()]
    return state.phase, boxes, state.result, state.survivors, log, len(world.store.payments.all("films"))


def one_step(world):
    """End the phase at hand, and nothing more."""
    assert world.engine.step(world.now)
    return left(world)


@pytest.mark.parametrize("phase", COLLECTING)
def test_killed_at_any_call_of_a_step_and_done_again_the_same_bytes_leave(tmp_path, phase):
    world = at(tmp_path / "world", phase)
    twin = world.copy(tmp_path / "twin")
    calls = Calls()
    twin.engine = twin.fresh(calls.watch(twin.store), calls.watch(twin.bodies))
    expected = one_step(twin)
    twin.close()
    assert {"claim_due", "publish" if phase == "REVEAL" else "advance"} <= set(calls.made)
    # Right after a call is right before the next; reading a message changes nothing, so once is enough.
    stops = [(0, False), *((i, True) for i, name in enumerate(calls.made) if name not in ("get", "heard"))]
    stops.append((calls.made.index("get"), True))
    for number, (stop_at, after) in enumerate(stops):
        killed = world.copy(tmp_path / f"killed {number}")
        trap = Calls(stop_at, after=after)
        with pytest.raises(KilledError):
            killed.fresh(trap.watch(killed.store), trap.watch(killed.bodies)).step(killed.now)
        before_vectors = killed.newest.phase in ("ADVERTISE", "SHARE")
        assert len(killed.store.payments.all("films")) == (0 if before_vectors else 1)
        if killed.newest.phase == phase:  # not committed: whoever comes when the lease is over does it again
            if killed.newest.closed:
                assert not killed.engine.step(killed.now)
            killed.now += LEASE
            killed.engine.step(killed.now)
        assert left(killed) == expected, (calls.made[stop_at], after)
        if number == len(stops) - 1:
            state = killed.finish()
            assert state.phase == PUBLISHED
            assert np.array_equal(killed.total(state), killed.expected(state))
        killed.close()
    world.close()


def test_killed_at_any_call_of_an_opening_it_is_opened_once_and_costs_nothing(tmp_path):
    world = World(tmp_path / "world", population(5), Devices(PEOPLE))
    world.devices.wait(world.store, world.now)
    twin = world.copy(tmp_path / "twin")
    calls = Calls()
    assert twin.fresh(calls.watch(twin.store), calls.watch(twin.bodies)).step(twin.now)
    twin.close()
    assert "open" in calls.made
    for number, name in enumerate(calls.made):
        killed = world.copy(tmp_path / f"killed {number}")
        trap = Calls(number, after=name == "open")
        with pytest.raises(KilledError):
            killed.fresh(trap.watch(killed.store), trap.watch(killed.bodies)).step(killed.now)
        killed.settle()
        assert len(killed.store.rounds.newest("films")) == 1
        assert not killed.store.payments.all("films")
        announced = [entry for entry in killed.store.log.entries() if entry.hash == killed.newest.row.id]
        assert len(announced) == 1
        killed.close()
    world.close()


@pytest.mark.parametrize(
    ("phase", "call", "after"),
    [
        ("MASK", "advance", "after"),
        ("REVEAL", "publish", ""),
    ],
)
def test_a_process_that_is_really_killed_is_made_up_for(tmp_path, phase, call, after):
    world = at(tmp_path / "world", phase)
    twin = world.copy(tmp_path / "twin")
    expected = one_step(twin)
    twin.close()
    world.store.close()
    done = run(SUPPORT / "engine_killed.py", world.folder, world.now, call, after)
    assert done.returncode == -9, done.stderr
    world = World(world.folder, world.population, world.devices)
    if world.newest.phase == phase:
        world.now += LEASE
        world.engine.step(world.now)
    assert left(world) == expected
    state = world.finish()
    assert np.array_equal(world.total(state), world.expected(state))
    world.close()


class Meanwhile:
    """The real store, but another worker steps in right before one call."""

    def __init__(self, real, name, other):
        self._real, self._name, self._other = real, name, other

    def __getattr__(self, name):
        method = getattr(self._real, name)
        if not callable(method):  # a repository of the store
            return Meanwhile(method, self._name, self._other)
        if name != self._name:
            return method

        def called(*args, **more):
            self._other()
            return method(*args, **more)

        return called


@pytest.mark.parametrize("phase", COLLECTING)
def test_a_worker_that_comes_second_changes_nothing(tmp_path, phase):
    world = at(tmp_path / "world", phase)
    seen = []
    rival = world.fresh()

    def overtake():
        assert rival.step(world.now + LEASE)
        seen.append(left(world))

    store = Meanwhile(world.store, "publish" if phase == "REVEAL" else "advance", overtake)
    assert world.fresh(store).step(world.now)
    assert seen == [left(world)]
    state = world.finish()
    assert np.array_equal(world.total(state), world.expected(state))
    assert world.store.operator.counts()["round published"] == 1
    world.close()


def test_two_workers_cannot_open_the_same_round_twice(tmp_path):
    """Not even with devices for both: who comes second sees that another was opened meanwhile."""
    world = World(tmp_path / "world", population(5), Devices(crowd(12)))
    world.devices.wait(world.store, world.now)
    rival = world.fresh()
    store = Meanwhile(world.store, "open", lambda: rival.step(world.now))
    assert not world.fresh(store).step(world.now)
    assert len(world.store.rounds.newest("films")) == 1
    assert len(world.store.pool.all("films")) == 7
    world.close()


def test_two_workers_in_two_threads_take_a_training_to_its_model(tmp_path):
    world = World(tmp_path / "world", population(5), Devices(PEOPLE))
    over, broken = threading.Event(), []

    def work():
        store, clock = Store.open(world.url), world.now
        engine = RoundEngine(store, Bodies(world.bodies_url), world.population, lease=1e6)
        try:
            while not over.is_set():
                try:
                    if not engine.step(clock):
                        over.wait(0.01)
                except StoreError as error:
                    if not error.retry:
                        raise
        except BaseException as error:
            broken.append(error)
            raise
        finally:
            store.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        for number in range(1, 4):
            world.devices.wait(world.store, world.now)
            wait_for(lambda n=number: len(world.store.rounds.newest("films")) == n, broken)
            while not (state := world.newest).outcome:
                world.collect()
                wait_for(lambda s=state: world.newest.phase != s.phase, broken)
            assert state.phase == PUBLISHED
            assert np.array_equal(world.total(state), world.expected(state))
    finally:
        over.set()
        for worker in workers:
            worker.join()
    assert len(world.store.payments.all("films")) == 3
    assert [entry.kind for entry in world.store.log.entries()].count("model") == 1
    assert verify(world.store.log.entries())[0] == len(world.store.log.entries())
    world.close()


def wait_for(true, broken):
    for _ in range(3000):
        if true():
            return
        assert not broken
        threading.Event().wait(0.01)
    raise AssertionError("nothing happened for half a minute")
