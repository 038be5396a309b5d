"""Every mechanism keeps the contract, and the contract notices one that does not."""

import hashlib
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from mechanism_contract import check_law, check_mechanism
from numpy.typing import NDArray

from confidante.core.errors import PlanError
from confidante.privacy.mechanisms.base import Mechanism
from confidante.privacy.mechanisms.skellam import SKELLAM, Skellam
from confidante.privacy.plan import Cohort, plan_sum
from confidante.wire.plans import encode_plan


@dataclass(frozen=True)
class Skewed:
    """Skellam noise with one thing wrong: a share's variance, its mean, its entries, or the bounds."""

    scale: Fraction = Fraction(1)
    shift: int = 0
    twice: bool = False
    boast: float = 1.0
    reach: float = 1.0
    name = "skewed"
    entropy_bytes = SKELLAM.entropy_bytes
    least_variance = SKELLAM.least_variance
    most_variance = SKELLAM.most_variance

    def share(self, variance: Fraction | int, size: int, entropy: bytes) -> NDArray[np.int64]:
        drawn = SKELLAM.share(variance * self.scale, size, entropy) + (self.shift if variance else 0)
        return np.repeat(drawn[::2], 2)[:size] if self.twice and size > 1 else drawn

    def variance_for(self, noise_multiplier: float, l2_squared: int) -> Fraction:
        return SKELLAM.variance_for(noise_multiplier, l2_squared)

    def gaussian_multiplier(self, variance: Fraction, l2_squared: int) -> float:
        return SKELLAM.gaussian_multiplier(variance, l2_squared) * self.boast

    def headroom(self, variance: Fraction, size: int) -> int:
        return int(SKELLAM.headroom(variance, size) * self.reach)


def test_skellam_noise_keeps_the_contract() -> None:
    check_mechanism(SKELLAM)


def test_the_contract_passes_what_only_has_another_name() -> None:
    check_mechanism(Skewed(), (5,))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Skewed(scale=Fraction(97, 100)), "the scale is wrong"),
        (Skewed(scale=Fraction(103, 100)), "the scale is wrong"),
        (Skewed(shift=1), "the mean is not 0"),
        (Skewed(twice=True), "depend on each other"),
        (Skewed(boast=1.01), "counts as"),
        (Skewed(reach=0.4), "beyond the headroom"),
    ],
)
def test_the_contract_rejects(wrong: Mechanism, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_mechanism(wrong, (5,))


@pytest.mark.parametrize("variance", [Fraction(1, 3), 5, 400])
def test_a_standard_deviation_of_devices_in_place_of_a_variance_is_noticed(variance: Fraction | int) -> None:
    """The classic mistake: a share of V / n^2, as if standard deviations added up."""
    with pytest.raises(AssertionError, match="scale"):
        check_law(Skewed(scale=Fraction(1, 7)), Fraction(variance))


def test_the_same_entropy_gives_the_same_integers_as_ever() -> None:
    drawn = SKELLAM.share(Fraction(40503, 2**16), 1000, bytes(32)), SKELLAM.share(12345, 1000, bytes(32))
    assert [hashlib.sha256(one.astype("<i8").tobytes()).hexdigest()[:16] for one in drawn] == [
        "157d877f86c1b8e4",
        "adf37ec58d016289",
    ]


def test_a_plan_goes_by_its_mechanism_and_only_skellam_noise_is_sent_to_devices() -> None:
    usual = plan_sum("t", 10, 1.0, 1.0, 2.0, Cohort(100), 16)
    other = plan_sum("t", 10, 1.0, 1.0, 2.0, Cohort(100), 16, mechanism=Skewed(boast=0.5))
    assert usual.mechanism == Skellam()
    assert other.release_multiplier == pytest.approx(usual.release_multiplier / 2)
    encode_plan(usual)
    with pytest.raises(PlanError, match="skewed noise"):
        encode_plan(other)
