"""What the benchmarks borrow from the tests: small populations, models and raw devices."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "tests" / "support"))

from index_contract import brute_force, random_model
from populations import OPEN, write_population
from published_model import made_up_model, publish_model
from round_clients import VanishedError, play, raw_devices, small_vector

__all__ = [
    "OPEN",
    "VanishedError",
    "brute_force",
    "made_up_model",
    "play",
    "publish_model",
    "random_model",
    "raw_devices",
    "small_vector",
    "write_population",
]
