"""How much a test tries: by the profile that is loaded (tests/conftest.py)."""

import os

from hypothesis import settings

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
"""Whether there is time for what differs little from what runs always."""


def examples(share: float) -> settings:
    """Draw `share` times the profile's examples: more where one costs nothing, fewer where it is much."""
    return settings(max_examples=max(1, round(share * settings.default.max_examples)))
