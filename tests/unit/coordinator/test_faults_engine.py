"""What an engine does with rounds that cannot go on, refused messages, lost claims and clocks that jump."""

import pytest
import sqlalchemy
from engine_world import LEASE, Calls, Devices, KilledError, World, crowd, population, send

from confidante.coordinator.rounds.clock import SteadyClock
from confidante.coordinator.store import ABORTED, PUBLISHED
from confidante.core.errors import StoreError


@pytest.fixture
def small(tmp_path):
    made = World(tmp_path / "world", population(5), Devices(crowd(5)))
    yield made
    made.close()


def change(world, statement, **values):
    engine = sqlalchemy.create_engine(world.url)
    with engine.begin() as sql:
        sql.execute(sqlalchemy.text(statement), values)
    engine.dispose()


def at_a_forged_confirmation(world):
    """Bring a round to where all have confirmed, device 1 with a signature that is not one."""
    world.until("MASK").engine.step(world.now)
    state = world.newest
    said = world.devices.say(world.store, world.bodies, state)
    said[1] = said[1][:-1] + bytes([said[1][-1] ^ 1])
    for index, data in said.items():
        send(world.store, world.bodies, state, index, data, world.now)
    return state


def test_a_refused_message_is_counted_once_however_often_its_round_is_replayed(small):
    state = at_a_forged_confirmation(small)
    for after in (False, True):
        trap = Calls(after=after)
        twin = small.fresh(trap.watch(small.store), trap.watch(small.bodies))
        trap.stop_at = len(small.store.messages.heard(state.row.id, "CONFIRM")) + 3
        with pytest.raises(KilledError):
            twin.step(small.now)
        small.now += LEASE
    small.engine.step(small.now)
    assert small.newest.phase == "REVEAL"
    assert small.store.rounds.refusal(state.row.id, 1) == "bad_signature"
    assert small.store.rounds.refusal(state.row.id, 0) == ""
    ended = small.finish()
    assert ended.phase == PUBLISHED
    assert small.store.operator.counts() == {"rejected bad_signature": 1, "round published": 1}


class Failing:
    """The real bodies, which have no room for so many puts."""

    def __init__(self, real, times):
        self._real, self._times = real, times

    def __getattr__(self, name):
        return getattr(self._real, name)

    def put(self, data):
        if self._times:
            self._times -= 1
            raise StoreError("no room", retry=True)
        return self._real.put(data)


def test_a_worker_whose_step_failed_goes_on_at_once_and_others_wait_for_the_lease(small):
    small.until("SHARE")
    mine = small.fresh(bodies=Failing(small.bodies, 3))
    for _ in range(3):
        with pytest.raises(StoreError):
            mine.step(small.now)
        assert not small.fresh().step(small.now)
    assert mine.step(small.now)
    assert small.newest.phase == "MASK"
    assert small.newest.claims == 0


def test_a_round_that_kills_every_worker_is_given_up(small):
    small.until("SHARE")
    for _ in range(3):
        trap = Calls(2)
        with pytest.raises(KilledError):
            small.fresh(trap.watch(small.store), trap.watch(small.bodies)).step(small.now)
        small.now += LEASE
    assert small.newest.claims == 3
    change(small, "UPDATE rounds SET claims = 100")
    small.engine.step(small.now)
    assert small.newest.phase == ABORTED
    assert "100 workers did not live to end SHARE" in small.newest.reason


def test_a_round_that_nobody_can_read_ends_with_a_reason(small):
    small.until("ADVERTISE")
    change(small, "UPDATE rounds SET config = :config", config=b"nonsense")
    small.engine.step(small.now)
    assert small.newest.phase == ABORTED
    assert "round configuration" in small.newest.reason
    assert small.store.operator.counts() == {"round aborted": 1}


def test_a_worker_that_lives_keeps_its_claim(small):
    small.until("SHARE")
    claimed = small.store.rounds.claim_due(small.now, "slow", 10.0)
    assert small.store.rounds.renew(claimed.row.id, "slow", small.now + 50)
    assert not small.store.rounds.renew(claimed.row.id, "another", small.now + 5000)
    assert not small.engine.step(small.now + 30)
    assert small.engine.step(small.now + 50)


def test_after_the_clock_was_set_back_a_phase_has_its_time_and_no_more(small):
    small.open()
    small.now -= 100_000
    assert not small.engine.step(small.now)
    assert small.newest.deadline == small.now + 60
    assert small.finish().phase == PUBLISHED


def test_a_claim_from_the_future_keeps_nobody_from_a_round(small):
    small.until("SHARE")
    small.store.rounds.claim_due(small.now + 100_000, "of tomorrow", 10.0)
    assert small.engine.step(small.now)
    assert small.newest.phase == "MASK"


def test_the_clock_of_a_worker_follows_the_system_and_makes_no_small_jumps():
    wall, steady, set_by = [1000.0], [5.0], []
    clock = SteadyClock(lambda: wall[0], lambda: steady[0], set_by.append)
    said = [clock.now()]
    assert said == [1000.0]
    for jump in (250.0, -500.0):
        wall[0] += jump
        before = clock.now()
        for _ in range(100):
            steady[0] += 1
            wall[0] += 1
            said.append(clock.now())
        passed = said[-1] - before
        assert 85 < passed < 115
        assert said == sorted(said)
    steady[0] += 100_000
    wall[0] += 100_000
    assert clock.now() == pytest.approx(wall[0])
    assert not set_by


@pytest.mark.parametrize("hours", [8.0, -8.0])
def test_when_the_clock_is_hours_off_it_is_set_and_it_is_said(hours):
    """As after a machine slept, while its steady clock stood still."""
    wall, set_by = [100_000.0], []
    clock = SteadyClock(lambda: wall[0], lambda: 5.0, set_by.append)
    wall[0] += hours * 3600
    assert clock.now() == pytest.approx(wall[0])
    assert set_by == [hours * 3600]
    assert clock.now() == pytest.approx(wall[0])
    assert len(set_by) == 1
