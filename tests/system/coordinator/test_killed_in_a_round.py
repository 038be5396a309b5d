"""A device process killed at any point of a round goes on with it, and gives its vector once."""

import json
import signal
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import round_killed
from effort import NIGHTLY
from test_end_to_end import DEVICES, ITEMS, Running, coordinator, met, person
from warm import run

from confidante.coordinator.rounds.training_replay import Result
from confidante.coordinator.store.bodies import Bodies
from confidante.device.device import Device
from confidante.device.federation.policy import Outcome, ParticipationPolicy
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.secagg.phases import PHASES
from confidante.wire.plans import decode_plan

ME = 3
TERMS = ParticipationPolicy(least_noise=0.1, least_devices=2, least_collusion=0.0)


def live(folder: Path, url: str, *at: str) -> subprocess.CompletedProcess[str]:
    return run(round_killed.__file__, folder / f"person-{ME}", url, *at)


def others_take_part(devices: list[Device], url: str) -> tuple[list[threading.Thread], list[Outcome]]:
    ended: list[Outcome] = []

    def one(device: Device) -> None:
        ended.append(device.federation.participate(url, "films", TERMS, patience=90.0))

    threads = [threading.Thread(target=one, args=(device,)) for device in devices]
    for thread in threads:
        thread.start()
    return threads, ended


def noise_of(running: Running) -> tuple[np.ndarray, float]:
    """Return the published sum without everybody's own numbers, and the noise's standard deviation."""
    with running.store() as store:
        [state] = [one for one in store.rounds.newest("films") if one.outcome == "published"]
        plan = decode_plan(state.row.plan)
        body = Bodies(f"file://{running.folder / 'films-bodies'}").get(state.result)
    assert len(state.survivors) == DEVICES
    total = np.frombuffer(Result.read(body).total, dtype="<i8")
    own = np.zeros(ITEMS)
    for index in range(DEVICES):
        own[met(index)] += 1 / np.sqrt(len(met(index)))
    return total - own * plan.scale, float(plan.noise_variance(DEVICES)) ** 0.5


def masked(device: Device) -> set[bytes]:
    """Return the digests of all requests that carried a masked vector."""
    return {
        one.digest
        for one in device.ledger.departures(limit=1000)
        if one.content.get("message") in ("MASKED", "mask, once more")
    }


SKEWS = {"right": "0", "ahead": "86400"} | ({"behind": "-86400"} if NIGHTLY else {})


@pytest.mark.parametrize("skew", SKEWS.values(), ids=SKEWS)
def test_a_device_killed_at_every_point_of_one_round_finishes_it_with_one_vector(
    tmp_path: Path, skew: str
) -> None:
    with ExitStack() as stack, coordinator(tmp_path / "coordinator") as running:
        person(tmp_path, ME).close()
        devices = [stack.enter_context(person(tmp_path, i)) for i in range(DEVICES) if i != ME]
        threads, ended = others_take_part(devices, running.url)
        deaths = [(phase.word, moment) for phase in PHASES for moment in ("written", "sent")]
        for phase, moment in deaths if skew == "0" else deaths[4:6]:
            died = live(tmp_path, running.url, phase, moment, skew)
            assert died.returncode == -signal.SIGKILL, died.stderr
        lived = live(tmp_path, running.url, "", "", "0")
        assert json.loads(lived.stdout) == ["published", ""], lived.stderr
        for thread in threads:
            thread.join()
        assert [one.state for one in ended] == ["published"] * (DEVICES - 1)
        noise, sd = noise_of(running)
        assert abs(noise).max() < 6 * sd + DEVICES  # rounding of each
        with Device(tmp_path / f"person-{ME}", InsecurePlaintextKey()) as me:
            me.ledger.verify()
            assert me.ledger.budget().rounds == 1
            assert [one.state for one in me.ledger.rounds.joined()] == ["spent"]
            assert len(masked(me)) == 1
            assert sum(one.epsilon > 0 for one in me.ledger.departures(limit=1000)) == 1
            assert me._vault.rows("SELECT name FROM snapshot WHERE name LIKE 'personal:round%'") == []
