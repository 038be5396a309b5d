"""How many examples a property test draws: a share of what the profile says (tests/conftest.py)."""

from hypothesis import settings


def examples(share: float) -> settings:
    """Draw `share` times the profile's examples: more where one costs nothing, fewer where it is much."""
    return settings(max_examples=max(1, round(share * settings.default.max_examples)))
