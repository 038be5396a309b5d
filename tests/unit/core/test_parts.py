"""A plan and its round must allow for the same losses, or the noise is planned for more devices than stay."""

import pytest

from confidante.core.proportions import whole_part
from confidante.privacy.plan import Cohort
from confidante.secagg.config import RoundConfig


@pytest.mark.parametrize(
    ("number", "part", "whole"), [(10, 0.3, 3), (100, 0.29, 29), (9, 1 / 3, 2), (9, 0, 0)]
)
def test_the_written_decimal_is_meant(number: int, part: float, whole: int) -> None:
    assert whole_part(number, part) == whole


@pytest.mark.parametrize("part", [1 / 3, 2 / 9, 0.29, 0.1 + 0.2])
@pytest.mark.parametrize("devices", [9, 30, 99])
def test_a_round_opens_with_no_fewer_devices_than_its_noise_is_planned_for(devices: int, part: float) -> None:
    cohort = Cohort(devices, part, 1 / 9)
    made = RoundConfig.plan(
        round_id=bytes(32),
        graph_seed=bytes(32),
        n=devices,
        length=1,
        bits=24,
        max_abs_entry=1,
        max_dropout=part,
        max_collusion=1 / 9,
    )
    assert made.min_survivors == cohort.minimum_survivors
    assert made.min_survivors - made.max_corrupt == cohort.honest_survivors
