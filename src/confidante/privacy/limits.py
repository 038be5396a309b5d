"""What a device takes part in unless its person, or the app for them, says otherwise.

Here, so that operators are warned by the same figures that devices go by.
"""

from confidante.privacy.plan import SumPlan

LEAST_NOISE = 1.0
"""Noise multiplier of one sum."""

LEAST_DEVICES = 16
"""Devices of one round."""

LEAST_DROPOUT, LEAST_COLLUSION = 0.3, 0.1
"""Parts of a round that may vanish, and that may tell the coordinator all they know, without harm."""

DELTA = 1e-5
"""The delta at which a device counts epsilon, for all rounds of a lifetime together."""

EPSILON_LIMIT = 8.0
"""The epsilon that may be spent in a lifetime, unless the person sets another."""

MOST_UPLOAD_BYTES = 256 << 10
"""Bytes of one masked vector."""


def refusals(
    plan: SumPlan,
    *,
    least_noise: float = LEAST_NOISE,
    least_devices: int = LEAST_DEVICES,
    least_dropout: float = LEAST_DROPOUT,
    least_collusion: float = LEAST_COLLUSION,
    most_bytes: int = MOST_UPLOAD_BYTES,
) -> tuple[str, ...]:
    """Return in words what of a plan is beyond these terms; nothing when a device takes part in it."""
    cohort = plan.cohort
    found = (
        (
            plan.noise_multiplier < least_noise,
            f"a noise multiplier of {plan.noise_multiplier:g} (least_noise is {least_noise:g})",
        ),
        (
            cohort.devices < least_devices,
            f"a round of {cohort.devices} devices (least_devices is {least_devices})",
        ),
        (
            cohort.max_dropout < least_dropout,
            f"a round in which no more than the part {cohort.max_dropout:g} may vanish "
            f"(least_dropout is {least_dropout:g})",
        ),
        (
            cohort.max_collusion < least_collusion,
            f"a round safe from no more than the part {cohort.max_collusion:g} of colluders "
            f"(least_collusion is {least_collusion:g})",
        ),
        (
            plan.upload_bytes > most_bytes,
            f"an upload of {plan.upload_bytes:,} bytes (most_bytes is {most_bytes:,})",
        ),
    )
    return tuple(said for beyond, said in found if beyond)
