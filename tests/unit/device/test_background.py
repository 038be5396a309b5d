"""A background participant: when it tries, what it survives, and that closing it is felt at once."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from outward_world import Home, drawn, home

from confidante.core.errors import ConfidanteError, ConsentError, EgressError, PlanError, VaultError
from confidante.device.device import Device
from confidante.device.federation.background import Background, OneRound, Pace
from confidante.device.federation.coordinator_client import CoordinatorClient
from confidante.device.federation.eligibility import Verdict
from confidante.device.federation.policy import Outcome
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.values import Purpose

URL = "http://127.0.0.1:9"
QUICK = Pace(patience=1.0, rest=0.002, retry=0.001, longest=0.004, look=0.001, rounds_a_day=100)


@dataclass
class Tries:
    """Stands for the rounds themselves: what comes of each try, in order; the last one for all further."""

    outcomes: list[Outcome | ConfidanteError]
    made: list[float] = field(default_factory=list)
    enough: threading.Event = field(default_factory=threading.Event)
    wanted: int = 1

    def __call__(self, line: CoordinatorClient, patience: float, say: Callable[[str], None]) -> Outcome:
        self.made.append(time.monotonic())
        say("trying")
        if len(self.made) >= self.wanted:
            self.enough.set()
        came = self.outcomes[min(len(self.made), len(self.outcomes)) - 1]
        if isinstance(came, ConfidanteError):
            raise came
        return came


@contextmanager
def background(at: Home, tries: OneRound, pace: Pace = QUICK, **more: object) -> Iterator[Background]:
    given = {"rounds": at.ledger.rounds, "clock": at.vault.now, "closed": lambda: at.vault.closed, **more}
    made = Background(lambda: CoordinatorClient(at.ledger, URL), tries, pace=pace, **given)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.close()
        assert not made.state.running


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_it_survives_whatever_goes_wrong_and_goes_on(tmp_path: Path) -> None:
    wrong = [EgressError("away"), ConsentError("off"), PlanError("beyond"), VaultError("no room")]
    tries = Tries([*wrong, Outcome("aborted", "too few"), Outcome("published")], wanted=8)
    with home(tmp_path) as at, background(at, tries) as made:
        assert tries.enough.wait(30)
        until(lambda: made.state.last == Outcome("published") and not made.state.problem)


def test_a_failure_is_told_and_tried_again_later_and_later(tmp_path: Path) -> None:
    pace = Pace(retry=50.0, longest=1000.0)
    with home(tmp_path) as at:
        made = background(at, Tries([EgressError("nobody answers")]), pace)
        with made as one:
            until(lambda: one.state.next_try is not None)
            state = one.state
            assert (state.doing, state.problem) == ("waiting after a failure", "nobody answers")
            assert state.next_try is not None
            assert state.next_try > at.vault.now()
            pauses = [one._later() for _ in range(8)]
        assert pauses == [100.0, 200.0, 400.0, 800.0, 1000.0, 1000.0, 1000.0, 1000.0]


def test_two_devices_never_fall_into_step(tmp_path: Path) -> None:
    pace = Pace(look=1000.0)
    told = []
    for name in "abcdef":
        tries = Tries([Outcome("not now", "on battery")])
        with home(tmp_path / name) as at, background(at, tries, pace, clock=lambda: 0.0) as made:
            until(lambda made=made: made.state.next_try is not None)  # type: ignore[misc]
            told.append(made.state.next_try)
            assert made.state.doing == "waiting for a better time"
    assert len(set(told)) == 6
    assert all(one is not None and 500 <= one <= 1500 for one in told)


def test_a_pause_ends_when_it_is_closed(tmp_path: Path) -> None:
    with home(tmp_path) as at, background(at, Tries([Outcome("published")]), Pace(rest=1e6)) as made:
        until(lambda: made.state.next_try is not None)
        before = time.monotonic()
        made.close()
        assert time.monotonic() - before < 20
        assert not made.state.running


def test_it_takes_part_in_so_many_rounds_a_day_and_no_more(tmp_path: Path) -> None:
    with home(tmp_path, Purpose.TRAIN) as at:
        at.ledger.set_budget(50)
        for index in range(3):
            at.ledger.rounds.join(drawn(f"round {index}"), "a task", b"plan", 3.0)
        tries = Tries([Outcome("published")])
        with background(at, tries, Pace(rounds_a_day=3)) as made:
            until(lambda: made.state.next_try is not None)
            assert made.state.rounds_today == 3
            assert "enough" in made.state.doing
        assert tries.made == []


def test_the_model_is_refreshed_after_a_try_that_reached_the_coordinator(tmp_path: Path) -> None:
    asked: list[CoordinatorClient] = []
    tries = Tries([Outcome("not now", "busy"), Outcome("published"), Outcome("not now", "busy")], wanted=4)
    with home(tmp_path) as at, background(at, tries, refresh=asked.append):
        assert tries.enough.wait(30)
    assert len(asked) == 1


@pytest.mark.parametrize("way", ["close", "erase"])
def test_a_device_that_ends_stops_what_takes_part_for_it(tmp_path: Path, way: str) -> None:
    device = Device(tmp_path / "mine", InsecurePlaintextKey())
    made = device.federation.participate_in_background(URL, "films", eligibility=())
    until(lambda: bool(made.state.problem))
    assert "switched off" in made.state.problem
    getattr(device, way)()
    until(lambda: not made.state.running)
    assert device.federation.backgrounds == (made,)


def test_it_says_no_to_a_coordinator_without_tls_at_once(tmp_path: Path) -> None:
    with Device(tmp_path / "mine", InsecurePlaintextKey()) as device:
        with pytest.raises(EgressError, match="https"):
            device.federation.participate_in_background("http://sums.example.org", "films")
        assert device.federation.backgrounds == ()


def test_closing_ends_a_request_that_hangs(tmp_path: Path) -> None:
    import socket

    with (
        socket.create_server(("127.0.0.1", 0)) as door,
        Device(tmp_path / "mine", InsecurePlaintextKey()) as device,
    ):
        device.consents.switch(Purpose.TRAIN, True, how="person")
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
        made = device.federation.participate_in_background(url, "films", eligibility=())
        connected, _ = door.accept()
        with connected:
            assert connected.recv(1 << 16).startswith(b"GET /v1/log")
            before = time.monotonic()
            made.close()  # nobody ever answers
            assert not made.state.running
            assert time.monotonic() - before < 15  # a request alone has 20 seconds


def test_waiting_for_a_round_in_vain_is_no_failure(tmp_path: Path) -> None:
    tries = Tries([Outcome("not chosen")], wanted=6)
    pace = Pace(patience=1.0, rest=0.001, retry=0.01, longest=600.0, look=0.001, rounds_a_day=100)
    with home(tmp_path / "on", Purpose.TRAIN) as at, background(at, tries, pace) as made:
        # Doubled each time, the pauses before the sixth try would be 31 times the first.
        assert tries.enough.wait(30)
        assert made.state.problem == ""
    gaps = [later - earlier for earlier, later in zip(tries.made, tries.made[1:], strict=False)]
    assert min(gaps) < 0.16


class Broken:
    """A probe of an app's own."""

    name = "mood"

    def __init__(self) -> None:
        self.asked = 0

    def look(self) -> Verdict:
        self.asked += 1
        raise RuntimeError("the driver is broken")


def test_a_probe_that_raises_does_not_know_and_the_next_try_asks_it_again(tmp_path: Path) -> None:
    broken = Broken()
    with Device(tmp_path / "mine", InsecurePlaintextKey()) as device:
        device.consents.switch(Purpose.TRAIN, True, how="person")
        made = device.federation.participate_in_background(URL, "films", pace=QUICK, eligibility=(broken,))
        until(lambda: broken.asked >= 3)
        assert made.state.running
        assert made.state.problem == ""
        last = made.state.last
        assert last is not None
        assert (last.state, last.why) == ("not now", "the probe mood failed (RuntimeError)")
        assert device.ledger.departures() == ()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_this_program_ends_it_and_is_told(tmp_path: Path) -> None:
    def faulty(line: CoordinatorClient, patience: float, say: Callable[[str], None]) -> Outcome:
        raise KeyError("no such phase")

    with home(tmp_path / "on", Purpose.TRAIN) as at:
        rounds, vault = at.ledger.rounds, at.vault
        made = Background(
            lambda: CoordinatorClient(at.ledger, URL),
            faulty,
            rounds,
            vault.now,
            lambda: vault.closed,
            pace=QUICK,
        )
        until(lambda: not made.state.running)
        made.close()
        assert made.state.doing == "ended by a fault of this program"
        assert made.state.problem == "KeyError: 'no such phase'"
        assert made.state.next_try is None


def test_what_the_system_refuses_ends_one_try_only(tmp_path: Path) -> None:
    tries = []

    def starved(line: CoordinatorClient, patience: float, say: Callable[[str], None]) -> Outcome:
        tries.append(1)
        raise OSError(24, "Too many open files")

    with home(tmp_path / "on", Purpose.TRAIN) as at, background(at, starved) as made:
        until(lambda: len(tries) >= 3)
        assert made.state.running
        assert "Too many open files" in made.state.problem
