"""What a round weighs beside the vector: the protocol's other messages."""

from functools import lru_cache

from confidante.privacy.plan import Cohort
from confidante.secagg.config import RoundConfig
from confidante.secagg.packing import packed_size
from confidante.secagg.phases import PHASES
from confidante.wire.rounds import message_sizes

_BITS = 32


@lru_cache(maxsize=64)
def other_bytes(cohort: Cohort) -> int:
    """Return the most bytes that a device of a cohort sends in a round beside its packed vector.

    Without the heads of HTTP. Raises PlanError when no secure round can have such a cohort.
    """
    config = RoundConfig.plan(
        round_id=bytes(32),
        graph_seed=bytes(32),
        n=cohort.devices,
        length=1,
        bits=_BITS,
        max_abs_entry=1,
        max_dropout=cohort.max_dropout,
        max_collusion=cohort.max_collusion,
    )
    return sum(message_sizes(config, phase)[1] for phase in PHASES) - packed_size(1, _BITS)
