"""What the benchmarks borrow from the tests: small populations, a published model and raw devices."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "tests" / "support"))

from populations import OPEN, write_population
from published_model import made_up_model, publish_model
from round_clients import VanishedError, play, raw_devices, small_vector

__all__ = [
    "OPEN",
    "VanishedError",
    "made_up_model",
    "play",
    "publish_model",
    "raw_devices",
    "small_vector",
    "write_population",
]
