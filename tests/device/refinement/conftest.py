"""Tests here share the worlds of the device's tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
