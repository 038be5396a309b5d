"""Where extra tests find data that is never part of the project."""

import os
from pathlib import Path

import pytest
from paths import ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with MovieLens and the judge; tests that need it are extra and say when they are skipped."""
    named = os.environ.get("CONFIDANTE_SHARED")
    folder = Path(named) if named else ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("extra: needs shared data (set CONFIDANTE_SHARED or put ../shared beside the checkout)")
    return folder
