"""The plan of a sum as bytes; floats travel exactly."""

import math
from dataclasses import astuple
from typing import Annotated

import msgspec

from confidante.core.errors import PlanError, WireError
from confidante.privacy.mechanisms.skellam import SKELLAM
from confidante.privacy.plan import Cohort, SumPlan


class _Plan(msgspec.Struct, tag="plan 1", array_like=True, forbid_unknown_fields=True, frozen=True):
    """The fields of `SumPlan`, then those of its cohort."""

    task: Annotated[str, msgspec.Meta(max_length=200)]
    length: Annotated[int, msgspec.Meta(ge=1, le=1 << 26)]
    l2_bound: float
    linf_bound: float
    scale: float
    bits: int
    noise_multiplier: float
    devices: Annotated[int, msgspec.Meta(ge=2, le=1 << 16)]
    max_dropout: float
    max_collusion: float


def encode_plan(plan: SumPlan) -> bytes:
    """Return the bytes of a plan. PlanError for noise other than Skellam's."""
    *fields, _cohort, mechanism = (getattr(plan, name) for name in SumPlan.__dataclass_fields__)
    if mechanism != SKELLAM:
        raise PlanError(f"{plan.task}: {mechanism.name} noise is for simulations: devices know Skellam noise")
    return msgspec.msgpack.encode(_Plan(*fields, *astuple(plan.cohort)))


def decode_plan(data: bytes) -> SumPlan:
    """Return the plan in `data`; WireError when malformed, PlanError when it cannot be kept."""
    try:
        form = msgspec.msgpack.decode(data, type=_Plan)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"a plan cannot be read: it is malformed ({error})") from None
    fields = msgspec.structs.asdict(form)
    if not all(math.isfinite(one) for one in fields.values() if isinstance(one, float)):
        raise WireError("a plan has a number that is not finite")
    try:
        cohort = Cohort(*(fields.pop(name) for name in Cohort.__dataclass_fields__))
        return SumPlan(**fields, cohort=cohort)
    except OverflowError:
        raise PlanError(f"{form.task}: its bounds are far too large") from None
