"""Forged, changed, replayed and misplaced messages in every phase: refused with a reason, the sum exact."""

import numpy as np
import pytest
from faults_world import DEVICES, NAME, Faults, deadlines
from raw_http import Answer, LostConnectionError
from round_clients import Hook, Member, VanishedError

from confidante.coordinator.store.values import COLLECTING
from confidante.secagg.codec import HEADER_BYTES
from confidante.secagg.phases import PHASES, Phase
from confidante.wire.rounds import Refusal, decode, phase_path

Told = list[tuple[str, int, str]]


def reason(answer: Answer) -> tuple[int, str]:
    return answer.status, decode(answer.body, Refusal).reason


def attacking(told: Told, sent: dict[Phase, bytes]) -> Hook:
    """Device 2 tries everything before it says what it has to say."""
    rng = np.random.default_rng(7)

    async def hook(member: Member, phase: Phase, moment: str, message: bytes) -> None:
        if member.number != 2:
            sent.setdefault(phase, message)
            return
        if moment == "after":
            answers = {"again": await member.put(phase, message)}
            assert answers["again"].status == 202
            answers = {"changed": await member.put(phase, message[:-1] + bytes([message[-1] ^ 1]))}
        else:
            answers = {
                "empty": await member.put(phase, b""),
                "cut": await member.put(phase, message[: HEADER_BYTES - 1]),
                "another kind": await member.put(phase, message[:1] + b"\x77" + message[2:]),
                "another sender": await member.put(phase, message[:2] + b"\x07\x01" + message[4:]),
                "another round": await member.put(phase, message[:6] + bytes(32) + message[38:]),
                "content type": await member.put(phase, message, content_type="application/json"),
                "unknown phase": await member.put(Phase.DONE, message),
                "no seat": await member.put(phase, message, authorization=f"Bearer {bytes(32).hex()}"),
                "unknown round": await member.connection.ask(
                    "PUT",
                    phase_path(bytes(32), phase),
                    {"content-type": "application/octet-stream", "authorization": f"Bearer {'00' * 32}"},
                    message,
                ),
            }
            if phase in sent:
                answers["another's"] = await member.put(phase, sent[phase])
            if PHASES.index(phase) + 1 < len(PHASES):
                answers["too early"] = await member.put(PHASES[PHASES.index(phase) + 1], message)
            try:
                answers["oversized"] = await member.put(phase, message + bytes(1 << 20))
            except LostConnectionError:
                told.append(("oversized", 413, "oversized"))
            for _ in range(4):  # anywhere in the head
                place = int(rng.integers(0, HEADER_BYTES))
                bad = (
                    message[:place]
                    + bytes([message[place] ^ int(rng.integers(1, 256))])
                    + message[place + 1 :]
                )
                answers[f"byte {place}"] = await member.put(phase, bad)
        told.extend((name, *reason(answer)) for name, answer in answers.items())

    return hook


def test_whatever_a_device_tries_the_round_goes_on_to_the_exact_sum(world: Faults) -> None:
    running = world.start()
    told: Told = []
    seen = world.play([running.url], hook=attacking(told, {}))
    assert {one.state for one in seen} == {"published"}, seen
    [state] = world.store.rounds.newest(NAME)
    assert len(state.survivors) == DEVICES
    world.check_exact(state)
    reasons = {name: {(status, why) for which, status, why in told if which == name} for name, _, _ in told}
    assert reasons["empty"] == reasons["cut"] == reasons["another kind"] == {(400, "malformed")}
    assert reasons["another sender"] == reasons["another's"] == {(409, "foreign")}
    assert reasons["another round"] == {(409, "wrong_round")}
    assert reasons["content type"] == {(415, "content_type")}
    assert reasons["unknown phase"] == {(404, "no_such_thing")}
    assert reasons["no seat"] == {(401, "no_seat")}
    assert reasons["unknown round"] == {(404, "no_round")}
    assert reasons["oversized"] == {(413, "oversized")}
    assert reasons["too early"] <= {(409, "wrong_phase"), (413, "oversized"), (409, "wrong_length")}
    assert {status for _, status, _ in told} <= {400, 401, 404, 409, 410, 413, 415}


def lying(phase: Phase, change: int) -> Hook:
    """Device 5 says something else in a phase: one byte of the body is not what it should be."""

    async def hook(member: Member, at: str, moment: str, message: bytes) -> None:
        if (member.number, at, moment) == (5, phase, "before"):
            place = HEADER_BYTES + change
            answer = await member.put(
                phase, message[:place] + bytes([message[place] ^ 1]) + message[place + 1 :]
            )
            if answer.status != 202:
                assert reason(answer) == (409, "bad_signature")
                raise VanishedError
            member.survivors = ()

    return hook


@pytest.mark.parametrize("phase", [Phase.ADVERTISE, Phase.CONFIRM, Phase.REVEAL])
def test_a_false_body_counts_as_silence_and_is_counted_with_its_reason(world: Faults, phase: Phase) -> None:
    running = world.start()
    with deadlines(world, {phase.name: DEVICES - 1}):
        seen = world.play([running.url], hook=lying(phase, 3))
    [state] = world.store.rounds.newest(NAME)
    world.check_exact(state)
    assert len(state.survivors) == DEVICES - (phase == Phase.ADVERTISE)
    counts = world.store.operator.counts()
    if phase == Phase.CONFIRM:  # only the round can tell; whoever was refused hears it
        assert counts["rejected bad_signature"] == 1
        assert [one.why.partition(":")[0] for one in seen if one.state == "left"] == ["repeated"]
    assert {one.state for one in seen} <= {"published", "left", "vanished"}


def test_shares_that_open_for_nobody_end_the_round_with_a_reason(world: Faults) -> None:
    running = world.start()
    with deadlines(world, dict.fromkeys(COLLECTING[2:], 0)):
        seen = world.play([running.url], hook=lying(Phase.SHARE, 20))
        [state] = world.store.rounds.newest(NAME)
        state = world.ended(state.row.id)
    if state.outcome == "published":
        world.check_exact(state)
    else:
        world.check_aborted(state)
    assert "refused" in {one.state for one in seen}
