"""One frozen plan couples clip bound, scale, noise and cohort, and so owns the guarantee of one sum.

A device encodes its vector within the plan's integer bounds (`clipping.encode`), adds a share of the
mechanism's noise (`plan.mechanism.share(plan.share_variance, ...)`) and masks the result. Everything that
decides the guarantee is a field here or follows from the fields by exact arithmetic.
docs/explanation/privacy.md has the derivations.
"""

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import final

from confidante.core.errors import PlanError
from confidante.core.proportions import whole_part
from confidante.privacy.mechanisms.base import Mechanism
from confidante.privacy.mechanisms.skellam import SKELLAM

_MAX_L2_INT = 1 << 26  # squares stay below 2^52: row norms and sums are exact in float64
_SHARE_GRID = 1 << 16
_FINE_VARIANCE = 1 << 26  # beyond it a finer scale gains nothing: rounding is lost in the noise


@final
@dataclass(frozen=True, slots=True)
class Cohort:
    """Who takes part in a sum, and how bad it may get.

    devices: how many start the round; max_dropout: the largest part of them that may vanish before the sum is
    opened (a round that loses more is aborted); max_collusion: the largest part that may tell the coordinator
    all they know, their noise included.
    """

    devices: int
    max_dropout: float = 0.3
    max_collusion: float = 0.1

    def __post_init__(self) -> None:
        """Refuse a cohort in which nobody can hide."""
        if self.devices < 2:
            raise PlanError(f"a cohort of {self.devices} hides nothing: at least 2 devices are needed")
        for name, part in (("max_dropout", self.max_dropout), ("max_collusion", self.max_collusion)):
            if not 0 <= part < 1:
                raise PlanError(f"{name} is {part}: give a part of the cohort in [0, 1)")
        if self.honest_survivors < 2:
            raise PlanError(
                f"of {self.devices} devices {self._part(self.max_dropout)} may drop out and "
                f"{self._part(self.max_collusion)} collude, which leaves {self.honest_survivors} honest: "
                "at least 2 are needed; invite more devices or allow fewer to fail"
            )

    def _part(self, part: float) -> int:
        return whole_part(self.devices, part)

    @property
    def minimum_survivors(self) -> int:
        """Least number of devices in an opened sum; with fewer the round is aborted."""
        return self.devices - self._part(self.max_dropout)

    @property
    def honest_survivors(self) -> int:
        """Least number of honest devices whose noise shares remain in an opened sum."""
        return self.minimum_survivors - self._part(self.max_collusion)


@final
@dataclass(frozen=True, slots=True)
class SumPlan:
    """One private sum: its bounds, its ring and its noise. Use `plan_sum` to choose the scale.

    task: name, for the ledger; length: entries of the vector; l2_bound, linf_bound: what a device's vector
    is clipped to, in its own units; scale: integers per unit; bits: the sum is taken in Z_2^bits, 8 to 32;
    noise_multiplier: standard deviation over sensitivity of the Gaussian mechanism that the noise of the
    honest survivors is at least as private as (0.0: no noise, secure aggregation only); cohort: who takes
    part; mechanism: the law of the noise.

    Raises `PlanError` for a plan that cannot be kept.
    """

    task: str
    length: int
    l2_bound: float
    linf_bound: float
    scale: float
    bits: int
    noise_multiplier: float
    cohort: Cohort
    mechanism: Mechanism = SKELLAM

    def __post_init__(self) -> None:
        """Refuse a plan that cannot be kept."""
        if not self.task:
            raise PlanError("a plan needs a task name: the ledger shows it")
        if self.length < 1:
            raise PlanError(f"{self.task}: length is {self.length}: a vector has at least one entry")
        for name in ("l2_bound", "linf_bound", "scale"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise PlanError(f"{self.task}: {name} is {getattr(self, name)}: give a finite number above 0")
        if not 8 <= self.bits <= 32:
            raise PlanError(f"{self.task}: bits is {self.bits}: the ring has 8 to 32 bits")
        if not 0 <= self.noise_multiplier <= 1e6:  # NaN fails too
            raise PlanError(f"{self.task}: noise_multiplier is {self.noise_multiplier}: give 0 to 1,000,000")
        problem = _problem(self)
        if problem:
            raise PlanError(f"{self.task}: {problem}")

    @property
    def linf_limit(self) -> float:
        """Bound on an entry in scaled units, before rounding."""
        return min(self.linf_bound, self.l2_bound) * self.scale

    @property
    def l2_limit(self) -> float:
        """Bound on a vector's l2 norm in scaled units, before rounding."""
        return min(self.l2_bound, self.linf_bound * math.sqrt(self.length)) * self.scale

    @property
    def linf_int(self) -> int:
        """Largest magnitude of an encoded entry."""
        return math.ceil(self.linf_limit)

    @property
    def l2_int_squared(self) -> int:
        """Largest squared l2 norm of an encoded vector: the exact sensitivity, squared."""
        return math.ceil(Fraction(self.l2_limit) ** 2)

    @property
    def l2_int(self) -> float:
        """Largest l2 norm of an encoded vector."""
        return math.sqrt(self.l2_int_squared)

    @property
    def share_variance(self) -> Fraction:
        """Variance of the share of noise each device adds, squared integer units; 0 without noise.

        Rounded up to a multiple of 2^-16, so that the shares of the honest survivors add up to at least what
        the mechanism needs for `noise_multiplier`.
        """
        if self.noise_multiplier == 0:
            return Fraction(0)
        wanted = self.mechanism.variance_for(self.noise_multiplier, self.l2_int_squared)
        return Fraction(math.ceil(wanted / self.cohort.honest_survivors * _SHARE_GRID), _SHARE_GRID)

    def noise_variance(self, survivors: int) -> Fraction:
        """Variance of the noise in a sum over `survivors` devices, squared integer units."""
        return self.share_variance * survivors

    def multiplier_of(self, survivors: int) -> float:
        """Return the noise multiplier of the Gaussian mechanism that the shares of `survivors` devices match.

        What somebody faces who sees only the sum and knows nobody's share. Rounded down.
        """
        if self.noise_multiplier == 0:
            return 0.0
        try:
            return self.mechanism.gaussian_multiplier(self.noise_variance(survivors), self.l2_int_squared)
        except ValueError:
            raise PlanError(f"{self.task}: {survivors} shares are too little noise to bound") from None

    @property
    def release_multiplier(self) -> float:
        """Noise multiplier faced by everyone who sees the sum but not the cohort: least allowed survivors."""
        return self.multiplier_of(self.cohort.minimum_survivors)

    @property
    def headroom(self) -> int:
        """Noise magnitude that no entry of the sum exceeds, but for a chance below 2^-40 over all entries."""
        return self.mechanism.headroom(self.noise_variance(self.cohort.devices), self.length)

    @property
    def rounding(self) -> float:
        """Variance that random rounding adds to an entry of the sum at most, in parts of the noise's.

        0.0 without noise. A number rounded at random has variance 1/4 at most: few bits cost this much.
        """
        if self.noise_multiplier == 0:
            return 0.0
        return self.cohort.devices / 4 / float(self.noise_variance(self.cohort.devices))

    @property
    def upload_bytes(self) -> int:
        """Bytes of a masked vector, packed at `bits` bits an entry."""
        return (self.length * self.bits + 7) // 8


def _problem(plan: SumPlan) -> str:
    """Return why a plan with sane fields still cannot be kept, or an empty text."""
    if plan.linf_limit < 1:
        return (
            f"scale {plan.scale:.3g} is too coarse: the largest entry is less than one integer; "
            "use more bits, fewer devices or less noise"
        )
    if plan.l2_limit > _MAX_L2_INT:
        return f"scale {plan.scale:.3g} makes an l2 norm above 2^26: lower the scale"
    noise = plan.noise_variance(plan.cohort.honest_survivors)
    if plan.noise_multiplier > 0 and noise < plan.mechanism.least_variance:
        return (
            f"the guaranteed noise has variance {float(noise):.3g} in integer units, and its bound is "
            f"verified from {plan.mechanism.least_variance}; use more bits, fewer devices or more noise"
        )
    if plan.noise_variance(plan.cohort.devices) > plan.mechanism.most_variance:
        return (
            f"the noise of the sum exceeds a variance of {plan.mechanism.most_variance:.3g} in integer "
            "units: lower the scale or the noise"
        )
    largest = plan.cohort.devices * plan.linf_int + plan.headroom
    if largest >= 1 << (plan.bits - 1):
        return (
            f"the sum could wrap: {plan.cohort.devices} devices of at most {plan.linf_int} and noise up to "
            f"{plan.headroom} do not fit {plan.bits} signed bits; use more bits or a smaller scale"
        )
    return ""


def plan_sum(
    task: str,
    length: int,
    l2_bound: float,
    linf_bound: float,
    noise_multiplier: float,
    cohort: Cohort,
    bits: int,
    mechanism: Mechanism = SKELLAM,
) -> SumPlan:
    """Return the plan with the largest useful scale that cannot wrap in Z_2^bits.

    The rule is the worst case: every device at its largest entry, all of one sign, and noise that is exceeded
    with a chance below 2^-40. A norm bound gives no less (all may put their whole norm into one entry, which
    linf_bound allows), and a bound on what entries are likely to be would rest on people's data. The noise is
    the smaller part of it (of 20 bits' range a fifth, for 200 devices), so a looser tail would gain a few
    hundredths of the scale. So bits cost scale, which rounding pays for: `SumPlan.rounding` says how much.
    Devices and coordinator hold every plan against the same rule again.

    The arguments are those of `SumPlan`. The scale stops where the noise of the sum has a standard deviation
    of 8,192 integers: rounding is invisible then, and the sampler's tables stay small. A scale of 64 or more
    is rounded down to an integer, so that integer vectors are encoded without rounding.

    Raises `PlanError` when no scale will do.
    """
    for name, bound in (("l2_bound", l2_bound), ("linf_bound", linf_bound)):
        if not (math.isfinite(bound) and 1e-100 <= bound <= 1e100):
            raise PlanError(f"{task}: {name} is {bound}: give a finite number above 0, from 1e-100 to 1e100")
    if length < 1:
        raise PlanError(f"{task}: length is {length}: a vector has at least one entry")
    # From the coarsest scale (the largest entry is 1, the noise has its least variance) to the finest.
    largest_entry, largest_norm = min(l2_bound, linf_bound), min(l2_bound, linf_bound * math.sqrt(length))
    low = coarsest = (1 + 1e-12) * max(
        1 / largest_entry,
        math.sqrt(mechanism.least_variance) / (noise_multiplier * largest_norm)
        if noise_multiplier > 0
        else 0.0,
    )
    high = _MAX_L2_INT / largest_norm
    if noise_multiplier > 0:
        fine = math.sqrt(_FINE_VARIANCE * cohort.honest_survivors / cohort.devices)
        high = min(high, max(low, fine / (noise_multiplier * largest_norm)))
    plan = SumPlan(task, length, l2_bound, linf_bound, low, bits, noise_multiplier, cohort, mechanism)
    for _ in range(60):
        middle = math.sqrt(low) * math.sqrt(high)
        if not low < middle < high:
            break
        try:
            plan = replace(plan, scale=middle)
            low = middle
        except PlanError:
            high = middle
    whole = math.floor(low)
    return replace(plan, scale=float(whole)) if whole >= max(64, coarsest) else plan
