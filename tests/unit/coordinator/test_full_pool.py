"""An open population lets only so many wait; who waits already, and who comes when there is room, is fine."""

import time
from pathlib import Path

from http_world import POPULATION, here, reason, seated

from confidante.wire.rounds import Refused


def test_a_full_pool_is_busy_until_there_is_room(tmp_path: Path) -> None:
    with here(tmp_path, most_waiting=3) as world:
        assert [seated(world.check_in(index)) for index in range(3)] == [None] * 3
        assert reason(world.check_in(3)) == (503, Refused.BUSY)
        assert seated(world.check_in(0)) is None
        assert len(world.store.pool.all(POPULATION)) == 3
        world.store.pool.forget(POPULATION, time.time() + 1)
        end = time.monotonic() + 120
        while world.check_in(3).status_code == 503:
            assert time.monotonic() < end
        assert len(world.store.pool.all(POPULATION)) == 1
