"""No device takes a key or vectors that could have been announced for it."""

from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("seal")
pytest.importorskip("pyhpke")

from device_world import START, Clock
from hypothesis import given
from hypothesis import strategies as st
from refine_world import person, server

from confidante.core.errors import EgressError
from confidante.crypto.oblivious_http import GatewayKey
from confidante.device.device import Device
from confidante.device.refinement import vault_state
from confidante.device.refinement.announcement_delay import settled
from confidante.wire.refinement import RefinementOffer
from confidante.wire.tokens import LEAST_KEY_SECONDS

HOUR = LEAST_KEY_SECONDS
WINDOW = 8


def offered(number: int) -> RefinementOffer:
    return RefinementOffer("films", bytes(32), bytes(32), False, ("plain 1",), key(number))


def key(number: int) -> bytes:
    return GatewayKey(bytes([number + 1]) * 32, number).config


def used(device: Device) -> int:
    """Number of the key that a device goes by."""
    found = vault_state.prepared(device._vault)
    assert found is not None
    return found.offered.key[0]


@given(
    st.lists(st.sampled_from([0.0, 1.0, HOUR / 2, HOUR, HOUR * 1.5, HOUR * 2, HOUR * 3]), max_size=20),
    st.sampled_from([HOUR / 4, 60.0 * 7]),
)
def test_what_devices_go_by_changes_once_an_hour_at_the_most(waits: list[float], step: float) -> None:
    log, at = [(0.0, offered(0))], 0.0
    for number, wait in enumerate(waits, 1):
        at += wait
        log.append((at, offered(number)))
    seen: list[tuple[float, RefinementOffer]] = []
    now, moments = 0.0, {0.0, *(at for at, _ in log), *(at + HOUR for at, _ in log)}
    while now < at + 2 * HOUR:
        moments.add(now)
        now += step
    for now in sorted(moments):
        for length in range(1, len(log) + 1):  # whoever comes between two announcements of one moment
            shown = log[:length]
            if shown[-1][0] > now or (length < len(log) and log[length][0] < now):
                continue
            found = settled(shown[-WINDOW:], now, whole=length < WINDOW)
            if found is not None and (not seen or seen[-1][1] != found):
                seen.append((now, found))
    assert len(seen) == len({one.key for _, one in seen})  # never back to an older one
    assert all(later - earlier >= HOUR for (earlier, _), (later, _) in pairwise(seen))


def test_what_stood_alone_counts_at_once_and_all_else_an_hour_later() -> None:
    first, second, third = offered(1), offered(2), offered(3)
    assert settled([(0.0, first)], 0.0, whole=True) == first
    assert settled([(0.0, first)], HOUR - 1, whole=False) is None
    assert settled([(0.0, first)], HOUR, whole=False) == first
    late = [(0.0, first), (2 * HOUR, second)]
    assert settled(late, 2 * HOUR, whole=True) == second
    soon = [(0.0, first), (1.5 * HOUR, second)]
    assert settled(soon, 1.5 * HOUR, whole=True) == first
    assert settled(soon, 2.5 * HOUR, whole=True) == second
    assert settled([*soon, (2 * HOUR, third)], 2.5 * HOUR, whole=True) == first
    assert settled([*soon, (2 * HOUR, second)], 2.5 * HOUR, whole=True) == second  # said again
    assert settled([(0.0, first), (9 * HOUR, second)], 5 * HOUR, whole=True) == first  # from the future
    assert settled([(0.0, first), (9 * HOUR, second)], HOUR / 2, whole=False) is None
    assert settled([], 0.0, whole=True) is None


def test_a_key_announced_right_after_another_is_not_taken(tmp_path: Path) -> None:
    clock = Clock()
    with (
        server(tmp_path, announced=False) as here,
        person(tmp_path, here, prepared=False, clock=clock) as device,
    ):
        for number in range(5):
            here.announce(at=START + number, key=key(number))
        clock.now += 5
        device.refinement.refresh()
        assert used(device) == 0
        clock.now += HOUR
        device.refinement.refresh()
        assert used(device) == 4


def test_a_log_full_of_keys_changes_nothing_and_shows_newcomers_none(tmp_path: Path) -> None:
    clock = Clock()
    with server(tmp_path, announced=False) as here:
        here.announce(at=START, key=key(0))
        with person(tmp_path / "old", here, clock=clock) as device:
            clock.now += 30
            for number in range(1, 30):
                here.announce(at=START + number, key=key(number))
            device.refinement.refresh()
            assert used(device) == 0
        with person(tmp_path / "new", here, prepared=False, clock=clock) as device:
            with pytest.raises(EgressError, match="within an hour"):
                device.refinement.refresh()
            clock.now += HOUR
            device.refinement.refresh()
            assert used(device) == 29


def test_announcements_that_say_they_are_old_hide_none(tmp_path: Path) -> None:
    clock = Clock()
    with server(tmp_path, announced=False) as here:
        here.announce(at=START, key=key(0))
        with person(tmp_path, here, clock=clock) as device:
            clock.now += 30
            for number in range(1, 12):
                here.announce(at=START - 3 * HOUR, key=key(number))
            here.announce(at=START + 20, key=key(20))
            device.refinement.refresh()
            assert used(device) == 0
