"""Nothing is asked right after a refresh, when the server could tell by the time who asks."""

from pathlib import Path

import pytest

pytest.importorskip("seal")
pytest.importorskip("pyhpke")

from device_world import START, Clock
from local_world import page_client
from refine_world import person, questions, server

from confidante.core.errors import EgressError
from confidante.device.device import Device
from confidante.device.refinement import vault_state
from confidante.device.refinement.vault_state import LEAST_REST, MOST_REST
from confidante.device.values import NotRefined


def reason(device: Device) -> NotRefined | None:
    answer = device.recommend(5, refine=True)
    refined = answer.refined()
    assert answer.refinement is not None
    assert answer.refinement.reason is None or refined == answer
    return answer.refinement.reason


def test_a_question_waits_for_some_minutes_after_a_refresh(tmp_path: Path) -> None:
    clock = Clock()
    with server(tmp_path) as here, person(tmp_path, here, at_once=False, clock=clock) as device:
        until = device.refinement.status().not_before
        assert until is not None
        assert START + LEAST_REST <= until <= START + MOST_REST
        for now in (START, until - 1):
            clock.now = now
            assert reason(device) is NotRefined.TOO_SOON
        assert (questions(device), here.relay.heard) == ([], [])
        assert vault_state.use(device._vault).days == {}  # they were no questions
        clock.now = until
        assert device.refinement.status().not_before is None
        assert reason(device) is None
        device.refinement.refresh()
        assert reason(device) is NotRefined.TOO_SOON


def test_how_long_is_drawn_anew_each_time(tmp_path: Path) -> None:
    with server(tmp_path) as here, person(tmp_path, here, at_once=False) as device:
        seen = set()
        for _ in range(5):
            device.refinement.refresh()
            seen.add(device.refinement.status().not_before)
        assert len(seen) == 5


def test_a_refresh_that_failed_was_seen_too(tmp_path: Path) -> None:
    with (
        server(tmp_path, announced=False) as here,
        person(tmp_path, here, at_once=False, prepared=False) as device,
    ):
        assert device.refinement.status().not_before is None
        with pytest.raises(EgressError):
            device.refinement.refresh()
        assert device.refinement.status().not_before is not None


@pytest.mark.parametrize("setup", [{"relay": None, "direct": True}, {"policy": "download"}])
def test_who_is_seen_anyway_or_asks_nothing_does_not_wait(tmp_path: Path, setup: dict[str, object]) -> None:
    with server(tmp_path) as here, person(tmp_path, here, at_once=False, **setup) as device:
        if setup.get("direct"):
            here.door.app = None  # the question is on its way: nobody is there
            assert reason(device) is not NotRefined.TOO_SOON
            assert len(questions(device)) == 1
        else:
            assert reason(device) is None


def test_the_page_asks_by_itself_once_it_may(tmp_path: Path) -> None:
    clock = Clock()
    with server(tmp_path) as here, person(tmp_path, here, at_once=False, clock=clock) as device:
        client = page_client(device)
        assert "could guess whose question is" in client.get("/refined").text
        assert "could guess whose question is" in client.get("/refined").text
        until = device.refinement.status().not_before
        assert until is not None
        clock.now = until
        assert "Refined: what a server knows" in client.get("/refined").text
        assert len(questions(device)) == 1
