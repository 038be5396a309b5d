"""What a plan means for the protocol: the one place where the two meet."""

from confidante.privacy.plan import SumPlan
from confidante.secagg.config import RoundConfig


def round_config(plan: SumPlan, round_id: bytes, graph_seed: bytes) -> RoundConfig:
    """Return the configuration that follows from a plan: a coordinator and each device work out the same."""
    return RoundConfig.plan(
        round_id=round_id,
        graph_seed=graph_seed,
        n=plan.cohort.devices,
        length=plan.length,
        bits=plan.bits,
        max_abs_entry=plan.linf_int,
        noise_headroom=plan.headroom,
        max_dropout=plan.cohort.max_dropout,
        max_collusion=plan.cohort.max_collusion,
    )
