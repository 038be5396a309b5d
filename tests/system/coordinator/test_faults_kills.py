"""A coordinator is killed and started again, or shares its work with another: one exact sum, paid once."""

import signal
import threading
from collections.abc import Callable

import numpy as np
import pytest
from faults_world import DEVICES, NAME, Faults, beside, wait_until

MOMENTS = 6
on_both = pytest.mark.parametrize("world_url", ["sqlite", "postgresql"], indirect=True)


def killing(world: Faults, port: int, when: Callable[[threading.Event], bool]) -> Callable[..., None]:
    """Return what kills the coordinator and starts it again whenever `when` says so, until it says no."""

    def work(over: threading.Event) -> None:
        while when(over):
            world.stop(world.running[0], signal.SIGKILL)
            world.forget_leases()
            world.start(port=port)

    return work


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_moments_the_sum_is_exact(world: Faults, seed: int) -> None:
    first = world.start()
    rng = np.random.default_rng(seed)
    pauses = iter(rng.uniform(0.02, 0.6, MOMENTS).tolist())

    def when(over: threading.Event) -> bool:
        pause = next(pauses, None)
        return pause is not None and not over.wait(pause)

    with beside(killing(world, int(first.url.rpartition(":")[2]), when)):
        seen = world.play([first.url])
    assert {one.state for one in seen} == {"published"}, seen
    [state] = world.store.rounds.newest(NAME)
    assert len(state.survivors) == DEVICES
    world.check_exact(state)


@on_both
def test_killed_whenever_a_phase_has_ended_the_sum_is_exact(world: Faults) -> None:
    first = world.start()
    at = [""]
    killed = []

    def moved() -> bool:
        facts = world.store.operator.rounds(NAME, 1)
        return bool(facts) and facts[0].phase != at[0]

    def when(over: threading.Event) -> bool:
        while not over.is_set():
            if moved():
                at[0] = world.store.operator.rounds(NAME, 1)[0].phase
                killed.append(at[0])
                return True
            over.wait(0.005)
        return False

    with beside(killing(world, int(first.url.rpartition(":")[2]), when)):
        seen = world.play([first.url])
    assert {one.state for one in seen} == {"published"}, seen
    assert len(killed) >= 3
    [state] = world.store.rounds.newest(NAME)
    world.check_exact(state)


@on_both
def test_two_coordinators_on_one_database_publish_each_sum_once_and_pay_once(world: Faults) -> None:
    urls = [world.start().url, world.start().url]
    for _ in range(3):
        seen = world.play(urls)
        assert {one.state for one in seen} == {"published"}, seen
        assert len({one.round for one in seen}) == 1
    rounds = world.store.rounds.newest(NAME)
    assert len(rounds) == 3
    for state in rounds:
        world.check_exact(state)
    assert world.store.operator.counts()["round published"] == 3
    kinds = [entry.kind for entry in world.store.log.entries()]
    assert sum(kind in ("sum", "model") for kind in kinds) == 3
    assert world.store.log.verify() == len(kinds)  # a round may be announced by both, and opened by one


def test_one_of_two_coordinators_dies_and_the_other_goes_on(world: Faults) -> None:
    first, second = world.start(), world.start()

    def work(over: threading.Event) -> None:
        wait_until(
            lambda: [one.phase for one in world.store.operator.rounds(NAME, 1)] == ["SHARE"] or over.is_set()
        )
        world.stop(first, signal.SIGKILL)
        world.forget_leases()

    with beside(work):
        seen = world.play([first.url, second.url])
    assert {one.state for one in seen} == {"published"}, seen
    [state] = world.store.rounds.newest(NAME)
    assert len(state.survivors) == DEVICES
    world.check_exact(state)


def test_what_was_paid_is_never_less_than_what_was_published(world: Faults) -> None:
    """Looked at all the while, across kills: a sum without its payment is at no moment to be seen."""
    first = world.start()
    pauses = iter([0.3] * 4)
    seen_so_far = []

    def when(over: threading.Event) -> bool:
        pause = next(pauses, None)
        return pause is not None and not over.wait(pause)

    def look(over: threading.Event) -> None:
        while not over.wait(0.005):
            published = [one.id for one in world.store.operator.rounds(NAME) if one.outcome == "published"]
            paid = len(world.store.payments.all(NAME))
            assert paid >= len(published)
            seen_so_far.append((paid, len(published)))

    with beside(killing(world, int(first.url.rpartition(":")[2]), when)), beside(look):
        world.play([first.url])
        world.play([first.url])
    assert {(0, 0), (1, 0), (1, 1), (2, 1)} <= set(seen_so_far)
    for state in world.store.rounds.newest(NAME):
        world.check_exact(state)
