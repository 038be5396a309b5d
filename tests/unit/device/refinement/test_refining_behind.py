"""What refining takes is fetched behind a device's rounds, too."""

import time
from pathlib import Path

import pytest

pytest.importorskip("seal")
pytest.importorskip("pyhpke")

from publog_world import POPULATION, Door
from refine_world import person, server

from confidante.device.device import Device
from confidante.device.federation.background import Pace
from confidante.device.privacy.consent import PERSON
from confidante.device.values import Purpose


def behind(device: Device, door: Door, *, comes: bool) -> bool:
    """Take part for a while; return whether what refining takes came with it."""
    pace = Pace(patience=0.3, retry=0.05, rest=0.05)
    background = device.federation.participate_in_background(door.url, POPULATION, pace=pace, eligibility=())

    def tried() -> int:
        return sum(path == "/v1/check-in" for path, _ in door.asked)

    end = time.monotonic() + 30
    try:
        while time.monotonic() < end:
            if device.refinement.status().prepared_at is not None or (not comes and tried() >= 4):
                break
            time.sleep(0.02)
        assert background.state.problem == ""
        return device.refinement.status().prepared_at is not None
    finally:
        background.close()


@pytest.mark.parametrize("allowed", [True, False])
def test_a_background_fetches_it_only_if_the_person_allows_to_refine(tmp_path: Path, allowed: bool) -> None:
    with server(tmp_path) as here, person(tmp_path, here, allowed=allowed, prepared=False) as device:
        device.consents.switch(Purpose.TRAIN, True, how=PERSON)
        assert behind(device, here.door, comes=allowed) is allowed
        assert device.items.count == (70 if allowed else 60)


def test_a_background_of_another_coordinator_fetches_nothing_of_it(tmp_path: Path) -> None:
    with (
        server(tmp_path / "one") as here,
        server(tmp_path / "two") as other,
        person(tmp_path, here, prepared=False) as device,
    ):
        device.consents.switch(Purpose.TRAIN, True, how=PERSON)
        assert not behind(device, other.door, comes=False)
