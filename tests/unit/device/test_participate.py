"""What a device agrees to before it takes part over a network, and what it does when nobody answers."""

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from outward_world import home

from confidante.core.errors import ConsentError, EgressError, PlanError, WireError
from confidante.core.values import Catalogue
from confidante.device.federation.coordinator_client import CoordinatorClient
from confidante.device.federation.eligibility import OK, Finding, Verdict
from confidante.device.federation.participant import Participant
from confidante.device.federation.participation import device_identity
from confidante.device.federation.policy import Outcome, ParticipationPolicy
from confidante.device.privacy.ledger import EgressState
from confidante.device.values import Purpose
from confidante.privacy.plan import Cohort, SumPlan, plan_sum
from confidante.tasks.popularity import PopularityTask
from confidante.tasks.registry import encode_task
from confidante.wire.catalogue import CatalogueWire
from confidante.wire.plans import encode_plan
from confidante.wire.rounds import CheckedIn, CheckIn, encode, read_check_in

WIRE = CatalogueWire(Catalogue(("a", "b", "c"), ("A", "B", "C"), ((), (), ())))
OTHER = CatalogueWire(Catalogue(("a", "b"), ("A", "B"), ((), ())))
TASK = PopularityTask(3)
TERMS = ParticipationPolicy(WIRE, least_noise=2.0, least_devices=20, most_bytes=9)


@dataclass(frozen=True)
class Says:
    """A probe that says what it is told to."""

    name: str
    verdict: Verdict

    def look(self) -> Verdict:
        return self.verdict


def plan(
    noise: float = 3.0, devices: int = 32, bits: int = 24, dropout: float = 0.3, collusion: float = 0.1
) -> SumPlan:
    cohort = Cohort(devices, dropout, collusion)
    return plan_sum(TASK.name, 3, TASK.l2_bound, TASK.linf_bound, noise, cohort, bits)


def closed_door() -> str:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return f"http://127.0.0.1:{door.getsockname()[1]}"


def test_an_offer_within_the_terms_becomes_an_agreement() -> None:
    made = TERMS.agreement(encode_plan(plan()), encode_task(TASK, WIRE))
    assert (made.plan, made.task, made.items, made.purpose) == (plan(), TASK, ("a", "b", "c"), Purpose.TRAIN)


@pytest.mark.parametrize(
    ("offered", "beyond"),
    [
        (plan(noise=1.9), "noise"),
        (plan(devices=19), "19 devices"),
        (plan(bits=32), "12 bytes"),
        (plan(dropout=0.29), "the part 0.29 may vanish"),
        (plan(collusion=0.0), "the part 0 of colluders"),
    ],
    ids=["too little noise", "too few devices", "too large", "too few may vanish", "too few may collude"],
)
def test_an_offer_beyond_the_terms_is_refused(offered: SumPlan, beyond: str) -> None:
    with pytest.raises(PlanError, match=beyond):
        TERMS.agreement(encode_plan(offered), encode_task(TASK, WIRE))


def test_a_task_of_another_catalogue_is_refused() -> None:
    with pytest.raises(WireError, match="another catalogue"):
        TERMS.agreement(encode_plan(plan()), encode_task(PopularityTask(2), OTHER))


def test_with_the_switch_off_the_budget_spent_or_at_a_bad_time_nothing_is_even_written(
    tmp_path: Path,
) -> None:
    url = closed_door()
    with home(tmp_path / "off") as at:
        off = Participant(at.vault, at.consents, at.ledger, CoordinatorClient(at.ledger, url), "films", TERMS)
        with pytest.raises(ConsentError, match="switched off"):
            off.take_part()
        assert at.ledger.departures() == ()
    with home(tmp_path / "on", Purpose.TRAIN) as at:
        probes = (Says("idle", OK), Says("power", Verdict("not now", "on battery")))
        line = CoordinatorClient(at.ledger, url)
        busy = Participant(at.vault, at.consents, at.ledger, line, "films", TERMS, eligibility=probes)
        found = tuple(Finding(probe.name, probe.verdict) for probe in probes)
        assert busy.take_part() == Outcome("not now", "on battery", findings=found)
        at.ledger.set_budget(0)
        with pytest.raises(ConsentError, match="budget is spent"):
            busy.take_part()
        assert at.ledger.departures() == ()


def test_a_coordinator_that_is_away_is_tried_again_ever_later_and_each_try_is_in_the_ledger(
    tmp_path: Path,
) -> None:
    slept: list[float] = []
    with home(tmp_path / "on", Purpose.TRAIN) as at:
        line = CoordinatorClient(at.ledger, closed_door(), sleep=slept.append)
        mine = Participant(at.vault, at.consents, at.ledger, line, "films", TERMS)
        with pytest.raises(EgressError):
            mine.take_part()
        tried = at.ledger.departures()
        assert len(tried) == 6
        assert {one.state for one in tried} == {EgressState.FAILED}
        at.ledger.verify()
    assert all(0.5 <= pause / (0.25 * 2**n) <= 1.5 for n, pause in enumerate(slept))
    assert len(slept) == 5


@contextmanager
def desk(seats: bool) -> Iterator[tuple[str, list[CheckIn]]]:
    """A coordinator with an empty log that takes check-ins and knows no round; its address, and who came."""
    came: list[CheckIn] = []

    class Desk(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(200 if self.path.startswith("/v1/log") else 404, encode([]))

        def do_POST(self) -> None:
            came.append(read_check_in(self.rfile.read(int(self.headers["content-length"]))))
            self.answer(200, encode(CheckedIn(0.01, bytes(32) if seats else None)))

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Desk) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", came
        finally:
            server.shutdown()
            thread.join()


def test_a_device_started_anew_waits_with_the_seat_it_had(tmp_path: Path) -> None:
    with desk(seats=False) as (url, came):
        for create in (True, False):
            with home(tmp_path / "on", *((Purpose.TRAIN,) if create else ()), create=create) as at:
                mine = Participant(
                    at.vault, at.consents, at.ledger, CoordinatorClient(at.ledger, url), "films", TERMS
                )
                assert mine.take_part(patience=0.5).state == "not chosen"
        assert len(came) > 1
        assert len(set(came)) == 1


def test_who_waits_for_a_day_waits_on_as_another(tmp_path: Path) -> None:
    with desk(seats=False) as (url, came), home(tmp_path / "on", Purpose.TRAIN) as at:
        for _day in range(2):
            mine = Participant(
                at.vault, at.consents, at.ledger, CoordinatorClient(at.ledger, url), "films", TERMS
            )
            assert mine.take_part(patience=0.5).state == "not chosen"
            at.clock.now += 86_400.0
        assert len({one.identity for one in came}) == len({one.seat for one in came}) == 2


def test_a_coordinator_in_a_hurry_makes_no_device_ask_all_the_time(tmp_path: Path) -> None:
    slept: list[float] = []
    with desk(seats=False) as (url, came), home(tmp_path / "on", Purpose.TRAIN) as at:

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 3:
                line.allow(-1)

        line = CoordinatorClient(at.ledger, url, sleep=sleep)
        mine = Participant(at.vault, at.consents, at.ledger, line, "films", TERMS)
        assert mine.take_part(patience=60).state == "not chosen"
        assert len(slept) == 3
        assert min(slept) >= 5.0, "the coordinator said 0.01"
        assert len(came) == 4


def test_no_two_rounds_see_the_same_identity_or_seat(tmp_path: Path) -> None:
    with desk(seats=True) as (url, came), home(tmp_path / "on", Purpose.TRAIN) as at:
        for _round in range(3):
            mine = Participant(
                at.vault, at.consents, at.ledger, CoordinatorClient(at.ledger, url), "films", TERMS
            )
            assert mine.take_part(patience=5).state == "left"
        assert len({one.identity for one in came}) == len({one.seat for one in came}) == 3
        known = device_identity(at.vault, url).public.encode()
        assert known not in {one.identity for one in came}


def test_a_device_in_a_round_joins_no_other(tmp_path: Path) -> None:
    with home(tmp_path / "on", Purpose.TRAIN) as at:
        mine = Participant(
            at.vault, at.consents, at.ledger, CoordinatorClient(at.ledger, closed_door()), "films", TERMS
        )
        with at.ledger.rounds.at_work:
            assert mine.take_part() == Outcome("not now", "this device is in another round already")
        assert at.ledger.departures() == ()


def test_terms_without_a_catalogue_need_the_one_that_is_offered() -> None:
    open_to_any = ParticipationPolicy(least_noise=2.0)
    offered = encode_plan(plan()), encode_task(TASK, WIRE)
    assert open_to_any.agreement(*offered, WIRE, purpose=Purpose.COHORT).purpose is Purpose.COHORT
    with pytest.raises(PlanError, match="catalogue of the offered task is missing"):
        open_to_any.agreement(*offered)


def test_nothing_is_sent_to_a_coordinator_without_tls(tmp_path: Path) -> None:
    with home(tmp_path / "on", Purpose.TRAIN) as at, pytest.raises(EgressError, match="https"):
        CoordinatorClient(at.ledger, "http://sums.example.org")
