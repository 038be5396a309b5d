"""What a question costs: tokens that were stocked before, and for a bucket's number some of the budget."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("seal")
pytest.importorskip("pyhpke")

from device_world import Clock, ids
from faulty_gateway import Manner
from publog_world import POPULATION
from refine_world import Server, person, questions, server

from confidante.coordinator.config.population import EnrolmentTerms
from confidante.coordinator.enrolment.enrolment import Enrolment
from confidante.coordinator.enrolment.verifiers import ByAddress
from confidante.coordinator.http import Coordinator, HttpSettings
from confidante.coordinator.store.values import Spending
from confidante.core.errors import ConsentError
from confidante.device.device import Device
from confidante.device.federation.coordinator_client import CoordinatorClient
from confidante.device.privacy.budget import composed
from confidante.device.privacy.ledger import EgressRecord
from confidante.device.refinement.scoring_tokens import STOCK, wallet
from confidante.device.values import NotRefined
from confidante.privacy.limits import DELTA
from confidante.wire.refinement import ALL, Question, statement, tokens_of
from confidante.wire.tokens import USUAL_BATCH

BUCKETS = 3
DAY = 86_400.0


def enrolment_keys(device: Device) -> set[bytes]:
    """Which keys the tokens are of that are left."""
    line = CoordinatorClient(device.ledger, device.refinement.status().server)
    return {one.key_id for one in wallet(device._vault, line, POPULATION)._purse().tokens}


def reason(device: Device) -> NotRefined | None:
    answer = device.recommend(70, refine=True)
    refined = answer.refined()
    assert answer.refinement is not None
    assert answer.refinement.reason is None or refined == answer
    return answer.refinement.reason


@contextmanager
def enrolling(here: Server, most: int, clock: Clock | None = None) -> Iterator[Enrolment]:
    """Have the coordinator give tokens for questions."""
    name = tokens_of(POPULATION)
    verifier = ByAddress()
    enrolment = Enrolment(
        here.log.store, name, verifier, EnrolmentTerms(verifier.kind, most=most), now=clock or Clock()
    )
    enrolment.keep_up()
    serving = HttpSettings((POPULATION,), wait=0.05, poll=0.2, enrolments={name: enrolment})
    coordinator = Coordinator(here.log.store, here.log.bodies, serving)
    here.log.app = coordinator.app
    try:
        yield enrolment
    finally:
        coordinator.close()


def asked_for_tokens(device: Device) -> list[EgressRecord]:
    return [one for one in device.ledger.departures(500) if "tokens" in str(one.content)]


def test_each_question_is_paid_for_with_a_token_that_fits_no_other(tmp_path: Path) -> None:
    with server(tmp_path, most=4) as here, enrolling(here, 4) as enrolment, person(tmp_path, here) as device:
        had = device.refinement.status().tokens
        assert had is not None
        assert had >= 2
        fetched = len(asked_for_tokens(device))
        for left in range(had - 1, -1, -1):
            assert reason(device) is None
            assert device.refinement.status().tokens == left
        assert reason(device) is NotRefined.NO_TOKENS
        assert len(asked_for_tokens(device)) == fetched  # not right before a question
        assert len(questions(device)) == len(here.gateway.questions) == had
        nonces = set()
        for question in here.gateway.questions:
            assert question.token is not None
            assert isinstance(enrolment.redeem_for(question.token, *statement(question)), Spending)
            nonces.add(question.token.nonce)
            other = Question(question.population, question.scheme, question.about, 3, question.ciphertext)
            assert not isinstance(enrolment.redeem_for(question.token, *statement(other)), Spending)
        assert len(nonces) == had


def test_tokens_of_keys_that_are_taken_no_more_make_room_for_others(tmp_path: Path) -> None:
    clock = Clock()
    with (
        server(tmp_path, most=4) as here,
        enrolling(here, 4, clock) as enrolment,
        person(tmp_path, here, clock=clock) as device,
    ):
        had = device.refinement.status().tokens
        first = enrolment_keys(device)
        clock.now += 7 * DAY
        enrolment.keep_up()
        device.refinement.refresh()
        assert enrolment_keys(device) == first  # the key before is taken for an epoch
        clock.now += 2 * DAY
        device.refinement.refresh()
        assert device.refinement.status().tokens == had
        assert enrolment_keys(device) & first == set()


def test_a_word_of_the_gateway_changes_nothing_of_what_is_asked_for_later(tmp_path: Path) -> None:
    asked = []
    for refused in (False, True):
        folder = tmp_path / str(refused)
        with server(folder, most=64) as here, enrolling(here, 64), person(folder, here) as device:
            if refused:
                here.gateway.manner, here.gateway.reason = Manner.REFUSES, "old_key"
            assert reason(device) is (NotRefined.REFUSED if refused else None)
            before = len(asked_for_tokens(device))
            device.refinement.refresh()
            asked.append((len(asked_for_tokens(device)) - before, device.refinement.status().tokens))
    assert asked[0] == asked[1] == (0, STOCK - 1)


def test_tokens_are_asked_for_in_one_number_whatever_was_spent(tmp_path: Path) -> None:
    with server(tmp_path, most=64) as here, enrolling(here, 64), person(tmp_path, here) as device:
        line = CoordinatorClient(device.ledger, here.url)
        line.allow(60)
        mine = wallet(device._vault, line, POPULATION)

        def spent(count: int) -> int:
            """Spend some; return how many requests the next refresh makes."""
            for _ in range(count):
                assert mine.spend(bytes(64), bytes(32)) is not None
            before = len(asked_for_tokens(device))
            device.refinement.refresh()
            return len(asked_for_tokens(device)) - before

        whole = STOCK // USUAL_BATCH
        assert len(asked_for_tokens(device)) == whole
        assert spent(STOCK // 2) == 0
        assert spent(1) == whole
        assert device.refinement.status().tokens == STOCK // 2 - 1 + STOCK
        assert spent(STOCK * 3 // 2 - 1) == whole


def test_without_any_token_nothing_is_asked(tmp_path: Path) -> None:
    with server(tmp_path, most=4) as here, person(tmp_path, here) as device:
        assert device.refinement.status().tokens == 0
        assert reason(device) is NotRefined.NO_TOKENS
        assert questions(device) == []


def test_where_vectors_are_downloaded_no_token_is_asked_for(tmp_path: Path) -> None:
    with (
        server(tmp_path, most=4) as here,
        enrolling(here, 4),
        person(tmp_path, here, policy="download") as device,
    ):
        assert asked_for_tokens(device) == []
        assert reason(device) is None


def test_a_bucket_is_asked_for_only_when_allowed_and_its_number_is_paid_for(tmp_path: Path) -> None:
    with server(tmp_path, buckets=BUCKETS) as here, person(tmp_path, here) as device:
        assert all(len(here.side.in_bucket(bucket)) for bucket in range(BUCKETS))
        assert device.refinement.status().buckets == BUCKETS
        assert reason(device) is None
        assert here.gateway.questions[-1].bucket == ALL
        assert device.ledger.budget().epsilon_spent == 0
        device.refinement.use(
            here.url, POPULATION, relay=here.relay.url, policy="ask", at_once=True, seconds=10, epsilon=1.0
        )
        local = device.recommend(70, refine=True)
        refined = local.refined()
        assert local.refinement is not None
        assert local.refinement.reason is None, local.refinement.said
        bucket = here.gateway.questions[-1].bucket
        assert 0 <= bucket < BUCKETS
        inside = {here.side.catalogue.ids[row] for row in here.side.in_bucket(bucket).tolist()}
        moved = {
            one.item.id
            for one in refined.suggestions
            if any(reason.kind.value == "refinement" for reason in one.reasons)
        }
        assert moved
        assert moved <= inside
        assert set(ids(refined)) == set(ids(local))
        departure = questions(device)[0]
        assert (departure.epsilon, departure.delta) == (1.0, 0.0)
        assert departure.content["bucket"] == bucket
        assert departure.content["items"] == here.side.bucket_size
        assert "by chance" in departure.visible
        assert device.ledger.budget().epsilon_spent == pytest.approx(1.0)
        device.ledger.verify()


def test_a_bucket_that_the_budget_does_not_allow_is_not_asked_for(tmp_path: Path) -> None:
    with server(tmp_path, buckets=BUCKETS) as here, person(tmp_path, here, epsilon=1.0) as device:
        device.ledger.set_budget(2.5)
        assert [reason(device) for _ in range(3)] == [None, None, NotRefined.NO_BUDGET]
        assert len(here.gateway.questions) == len(questions(device)) == 2
        assert device.ledger.budget().epsilon_spent == pytest.approx(composed([(1.0, 0.0)] * 2, DELTA))
        assert device.ledger.rounds.joined_since(0.0) == 0


def test_what_was_set_aside_for_a_question_that_never_left_is_given_up(tmp_path: Path) -> None:
    with server(tmp_path, buckets=BUCKETS, most=4) as here, person(tmp_path, here, epsilon=1.0) as device:
        assert [reason(device) for _ in range(10)] == [NotRefined.NO_TOKENS] * 10
        assert questions(device) == []
        budget = device.ledger.budget()
        assert budget.epsilon_spent == 0
        device.ledger.rounds.set_aside(bytes(32), "all of it", budget.epsilon_limit)


def test_what_is_set_aside_is_never_given_twice_nor_beyond_the_limit(tmp_path: Path) -> None:
    with person(tmp_path, None) as device:
        rounds = device.ledger.rounds
        rounds.set_aside(bytes(32), "t", 1.0)
        with pytest.raises(ConsentError):
            rounds.set_aside(bytes(32), "t", 1.0)
        with pytest.raises(ConsentError):
            rounds.set_aside(bytes([1]) * 32, "t", 7.5)
        for wrong in (0.0, float("inf"), float("nan"), -1.0):
            with pytest.raises(ValueError, match="epsilon"):
                rounds.set_aside(bytes([2]) * 32, "t", wrong)
        rounds.spend(bytes(32), "t", 1.0, 0.0)
        assert device.ledger.budget().epsilon_spent == pytest.approx(1.0)
