"""What all tests share: how many examples property tests draw, and that files lie in memory."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Before numpy comes: matrices of tests are small, and threads that wait for work take it from other tests.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

pytest.register_assert_rewrite("store_contract")
pytest_plugins = ["cli_fixtures", "coordinator_fixtures", "lab_fixtures"]

# HYPOTHESIS_PROFILE chooses how many examples property tests draw: few by default, which is quick.
# They are the same ones every time, but for those of the nightly run.
_shared = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.register_profile("dev", _shared, derandomize=True, max_examples=30)
settings.register_profile("ci", _shared, derandomize=True, max_examples=100)
settings.register_profile("nightly", _shared, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

# Vaults wait for the disk at every commit, which is most of what the tests would do. What they claim does not
# need a disk: a process that is killed loses nothing that it wrote to either.
MEMORY = Path("/dev/shm")
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 4 << 30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.fixture
def disk() -> Iterator[Path]:
    """A folder where writing takes its time, so that a kill falls into it."""
    with tempfile.TemporaryDirectory(prefix="cfd-disk-") as folder:
        yield Path(folder)


class Together(LoadScopeScheduling):
    """Each test goes to the next free worker; but whole files, where what their tests share is slow to start.

    In place of the marks of xdist, which its release 3.8 does not see with pytest 9.2.
    """

    FILES = (
        "tests/browser/",
        "tests/system/coordinator/test_refining_gateway.py",
        "tests/system/device/test_plain_sqlite.py",
        "tests/system/device/test_refining_end_to_end.py",
        "tests/system/lab/test_example_task.py",
        "tests/system/lab/test_simulate_ray.py",
        "tests/system/relay/",
    )

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0] if nodeid.startswith(self.FILES) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together:
    return Together(config, log)
