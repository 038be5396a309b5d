"""The thread that moves rounds on looks when there may be something to do, and a bug ends it, said aloud."""

import json
import threading
import time
from collections.abc import Callable

import pytest

from confidante.coordinator.server.worker import Worker
from confidante.coordinator.telemetry.metrics import Metrics
from confidante.core.errors import StoreError


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_it_sleeps_until_it_is_woken_or_the_time_has_come() -> None:
    looks: list[float] = []
    pauses = [0.0, 0.0, 1000.0, 0.01, 1000.0]

    def work(now: float) -> float:
        looks.append(now)
        return pauses[min(len(looks), len(pauses)) - 1]

    worker = Worker(work, Metrics())
    worker.start()
    until(lambda: len(looks) == 3)
    time.sleep(0.1)
    assert len(looks) == 3
    worker.wake()
    until(lambda: len(looks) == 5)  # once as it was woken, once as the time had come
    worker.stop()


def test_looks_take_a_fifth_of_the_time_however_often_it_is_woken() -> None:
    looks = 0

    def work(_now: float) -> float:
        nonlocal looks
        looks += 1
        time.sleep(0.02)
        return 1000.0

    worker, began = Worker(work, Metrics()), time.monotonic()
    worker.start()
    while time.monotonic() < began + 0.5:
        worker.wake()
        time.sleep(0.001)
    worker.stop()
    assert 1 < looks <= (time.monotonic() - began) / (5 * 0.02) + 2


def test_a_store_that_refuses_is_asked_again(capsys: pytest.CaptureFixture[str]) -> None:
    done = threading.Event()
    tries = iter([StoreError("not now", retry=True), None])

    def work(_now: float) -> float:
        if (problem := next(tries, None)) is not None:
            raise problem
        done.set()
        return 1000.0

    worker = Worker(work, Metrics())
    worker.start()
    assert done.wait(60)
    worker.stop()
    assert not worker.broken
    assert json.loads(capsys.readouterr().err)["problem"] == "not now"


def test_a_bug_is_logged_without_its_text_and_ends_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    died = threading.Event()

    def work(_now: float) -> float:
        raise ValueError("what a device said")

    worker = Worker(work, Metrics(), died=died.set)
    worker.start()
    assert died.wait(60)
    worker.stop()
    said = json.loads(capsys.readouterr().err)
    assert (said["event"], said["level"], said["kind"]) == ("worker broken", "error", "ValueError")
    assert said["where"][-1].startswith("work:")
    assert "device" not in json.dumps(said)
    assert worker.broken
