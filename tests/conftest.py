"""What all tests share: property tests draw the same examples every time, and files lie in memory."""

import os
import shutil
from pathlib import Path

from hypothesis import settings

# Before numpy comes: matrices of tests are small, and threads that wait for work take it from other tests.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

pytest_plugins = ["cli_fixtures", "coordinator_fixtures", "lab_fixtures"]

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

# Vaults wait for the disk at every commit, which is most of what the tests would do. What they claim does not
# need a disk: a process that is killed loses nothing that it wrote to either.
MEMORY = Path("/dev/shm")
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 4 << 30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
