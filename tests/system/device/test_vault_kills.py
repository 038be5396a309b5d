"""A vault whose writer is killed at any moment holds what was acknowledged and nothing that was forgotten."""

from pathlib import Path

import pytest
from vault_kills import Killer, WrongVaultError


@pytest.mark.parametrize("seed", range(8))
def test_a_killed_writer_loses_and_revives_nothing(disk: Path, seed: int) -> None:
    with Killer(disk, seed) as killer:
        killer.kill(40)
    assert killer.found["kills"] == 40
    # It was worth it: kills fell into work that was under way, and left a log to replay.
    assert killer.found["all of it"] + killer.found["nothing of it"] > 5
    assert killer.found["log to replay"] > 5


def test_a_vault_that_replaces_its_key_before_the_copy_is_found_out(disk: Path) -> None:
    with (
        Killer(disk, 1, broken=True) as killer,
        pytest.raises(WrongVaultError, match=r"is missing|damaged"),
    ):
        killer.kill(200)
