"""Tests here share the worlds of the device's tests, of the coordinator's and of the relay's."""

import sys
from pathlib import Path

_TESTS = Path(__file__).parent.parent.parent
sys.path[:0] = [str(_TESTS / room) for room in ("device", "coordinator", "relay")]
