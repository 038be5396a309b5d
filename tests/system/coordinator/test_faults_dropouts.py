"""Devices vanish around each phase: the sum of the others is exact, or there is none and a reason."""

import pytest
from faults_world import DEVICES, NAME, Faults, deadlines
from round_clients import Hook, Member, VanishedError

from confidante.secagg.phases import PHASES, Phase


def vanishing(numbers: set[int], phase: Phase, moment: str) -> Hook:
    async def hook(member: Member, at: Phase, when: str, message: bytes) -> None:
        if member.number in numbers and (at, when) == (phase, moment):
            raise VanishedError

    return hook


def test_all_answer(world: Faults) -> None:
    running = world.start()
    seen = world.play([running.url])
    assert [one.state for one in seen] == ["published"] * DEVICES, seen
    state = world.newest()
    assert state is not None
    assert state.survivors == tuple(range(DEVICES))
    world.check_exact(state)
    assert {one.survivors for one in seen} == {state.survivors}


def test_a_third_vanishes_before_and_after_each_phase(world: Faults) -> None:
    running = world.start()
    gone = {1, 4}
    for phase in PHASES:
        for moment in ("before", "after"):
            at = PHASES.index(phase) + (moment == "after")
            missed = PHASES[at].name if at < len(PHASES) else ""
            with deadlines(world, {missed: DEVICES - len(gone)}):
                seen = world.play([running.url], hook=vanishing(gone, phase, moment))
            state = world.newest()
            assert state is not None
            out = {one.index for one in seen if one.state == "vanished"}
            assert {one.state for one in seen} == {"vanished", "published"}, (phase, moment, seen)
            assert set(state.survivors) == set(range(DEVICES)) - (out if at <= 2 else set()), (phase, moment)
            world.check_exact(state)
            for one in seen:
                assert one.state == "vanished" or one.survivors == state.survivors
    assert len(world.store.rounds.newest(NAME)) == 2 * len(PHASES)


@pytest.mark.parametrize("phase", PHASES)
def test_more_than_may_vanish_end_the_round_with_a_reason_and_the_next_one_opens(
    world: Faults, phase: Phase
) -> None:
    running = world.start()
    gone = {0, 3, 6}
    with deadlines(world, {phase.name: DEVICES - len(gone)}):
        seen = world.play([running.url], hook=vanishing(gone, phase, "before"))
    state = world.newest()
    assert state is not None
    world.check_aborted(state)
    assert "too_few" in state.reason
    assert {(one.state, one.why) for one in seen} == {("vanished", ""), ("aborted", state.reason)}
    again = world.play([running.url])
    assert {one.state for one in again} == {"published"}
    following = world.newest()
    assert following is not None
    assert following.row.task_body == state.row.task_body
    world.check_exact(following)
