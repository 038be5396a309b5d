"""A device's anonymous tokens: by the batch, one for each seat, from the key that all devices see."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from outward_world import START, Home, drawn, home
from publog_world import POPULATION, Door, answering, door, line
from starlette.responses import Response

from confidante.coordinator.config.population import EnrolmentTerms
from confidante.coordinator.enrolment.enrolment import Enrolment
from confidante.coordinator.enrolment.verifiers import ByAddress, ByInvitation, invite
from confidante.coordinator.http import Coordinator, HttpSettings
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.core.entropy import SystemEntropy
from confidante.core.errors import ConsentError, EgressError, ForkedLogError, WireError
from confidante.crypto import voprf
from confidante.crypto.identity import Identity
from confidante.device.federation.alarms import Caught, alarms
from confidante.device.federation.verified_log import VerifiedLog
from confidante.device.federation.wallet import Evidence, JustAskedError, Wallet
from confidante.device.values import Purpose
from confidante.wire.rounds import MSGPACK, Redemption, check_in, decode, encode, read_check_in
from confidante.wire.tokens import (
    LEAST_KEY_SECONDS,
    LOG_KIND,
    TOKENS_PATH,
    TokenKey,
    TokenRequest,
    TokenResponse,
    key_id,
    redeems,
)

DAY = 86_400.0
SECRET = drawn("invitations")


@dataclass
class Town:
    """A coordinator behind an address, and what devices sent to it."""

    store: Store
    door: Door
    enrolment: Enrolment
    clock: list[float]
    sent: list[TokenRequest] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)

    def keys(self) -> list[voprf.SecretKey]:
        return [voprf.SecretKey.decode(one.secret) for one in self.store.tokens.keys(POPULATION)]

    def redeems(self, token: Redemption | None, who: Identity, seat: bytes) -> bool:
        assert token is not None
        made = read_check_in(check_in(who, POPULATION, seat, token=token))
        return any(redeems(key, made) for key in self.keys() if key_id(key.public) == token.key_id)


@contextmanager
def town(folder: Path, most: int = 8, invited: bool = False) -> Iterator[Town]:
    clock = [START]
    with Store.open(f"sqlite:///{folder / 'store.db'}") as store, door() as made:
        store.migrate()
        verifier = ByInvitation(SECRET) if invited else ByAddress()
        enrolment = Enrolment(
            store, POPULATION, verifier, EnrolmentTerms(verifier.kind, most=most), now=lambda: clock[0]
        )
        enrolment.keep_up()
        serving = HttpSettings((POPULATION,), wait=0.05, poll=0.2, enrolments={POPULATION: enrolment})
        coordinator = Coordinator(store, Bodies(f"file://{folder / 'bodies'}"), serving)
        here = Town(store, made, enrolment, clock)
        made.app = heard(coordinator.app, here)
        yield here
        coordinator.close()


def heard(app: Any, here: Town) -> Any:
    """Let a test read what came in and went out for tokens."""

    async def between(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != TOKENS_PATH:
            await app(scope, receive, send)
            return
        body = b""

        async def take() -> Any:
            nonlocal body
            message = await receive()
            body += message.get("body", b"")
            return message

        async def give(message: Any) -> None:
            if message["type"] == "http.response.body":
                here.received.append(message.get("body", b""))
            await send(message)

        await app(scope, take, give)
        here.sent.append(decode(body, TokenRequest))

    return between


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Home]:
    with home(tmp_path / "vault", Purpose.TRAIN) as made:
        yield made


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made


def wallet(at: Home, here: Town, evidence: Evidence | None = None) -> Wallet:
    to = line(at, here.door)
    return Wallet(at.vault, to, VerifiedLog(at.vault, to.destination), POPULATION, Purpose.TRAIN, evidence)


def person(number: int) -> Identity:
    return Identity.from_seed(drawn(f"person {number}"))


def seat(number: int) -> bytes:
    return drawn(f"seat {number}")


def test_each_seat_gets_a_token_that_opens_the_door(at: Home, here: Town) -> None:
    mine = wallet(at, here)
    for number in range(6):
        token = mine.take(person(number), seat(number))
        assert here.redeems(token, person(number), seat(number))
        mine.used(seat(number))
    assert [len(one.blinded) for one in here.sent] == [2, 2, 2], "two at a time"


def test_a_seat_has_the_same_token_after_a_restart_and_another_seat_another(
    at: Home, here: Town, tmp_path: Path
) -> None:
    token = wallet(at, here).take(person(1), seat(1))
    assert wallet(at, here).take(person(1), seat(1)) == token
    at.vault.close()
    with home(tmp_path / "vault", create=False) as again:
        mine = wallet(again, here)
        assert mine.take(person(1), seat(1)) == token
        other = mine.take(person(2), seat(2))
        assert other is not None
        assert token is not None
        assert other.nonce != token.nonce
    assert len(here.sent) == 1


def test_a_token_is_not_used_right_after_it_was_asked_for_unless_at_once(at: Home, here: Town) -> None:
    to = line(at, here.door)
    log = VerifiedLog(at.vault, to.destination)
    mine = Wallet(at.vault, to, log, POPULATION, Purpose.TRAIN, at_once=False)
    with pytest.raises(JustAskedError):
        mine.take(person(0), seat(0))
    first = {one.nonce for one in mine._purse().tokens}
    for number in range(len(first) - 1):
        token = mine.take(person(number), seat(number))
        assert token is not None
        mine.used(seat(number))
        assert token.nonce in first
    assert len(here.sent) == 1
    mine.restock()
    assert len(here.sent) == 2, "one is left: more are asked for, long before they are used"
    mine.restock()
    assert len(here.sent) == 2
    token = mine.take(person(9), seat(9))
    assert token is not None
    assert token.nonce in first, "what was there goes before what came just now"


def test_a_used_token_is_gone(at: Home, here: Town) -> None:
    mine = wallet(at, here)
    first = mine.take(person(1), seat(1))
    mine.used(seat(1))
    again = mine.take(person(1), seat(1))
    assert first is not None
    assert again is not None
    assert again.nonce != first.nonce


def test_when_no_more_are_given_the_person_is_told(at: Home, here: Town) -> None:
    mine = wallet(at, here)
    for number in range(8):
        mine.take(person(number), seat(number))
    with pytest.raises(EgressError, match="too_many"):
        mine.take(person(8), seat(8))
    here.clock[0] += DAY
    assert here.redeems(mine.take(person(8), seat(8)), person(8), seat(8))


def test_an_answer_that_was_lost_is_asked_for_again_and_counts_once(at: Home, here: Town) -> None:
    app = here.door.app

    def lost(target: str) -> Response:
        return Response(status_code=404)

    mine = wallet(at, here)

    async def forgetful(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == TOKENS_PATH:

            async def nowhere(message: Any) -> None:
                pass

            await app(scope, receive, nowhere)
            await answering(lost)(scope, receive, send)
        else:
            await app(scope, receive, send)

    here.door.app = forgetful
    with pytest.raises(EgressError):
        mine.take(person(1), seat(1))
    here.door.app = app
    assert here.redeems(wallet(at, here).take(person(1), seat(1)), person(1), seat(1))
    first, second = here.sent
    assert first == second
    mine.take(person(2), seat(2))
    for number in range(3, 9):
        mine.take(person(number), seat(number))


def test_an_open_population_asks_for_nothing(at: Home, tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'open.db'}") as store, door() as made:
        store.migrate()
        coordinator = Coordinator(store, Bodies(f"file://{tmp_path / 'b'}"), HttpSettings((POPULATION,)))
        made.app = coordinator.app
        to = line(at, made)
        mine = Wallet(at.vault, to, VerifiedLog(at.vault, to.destination), POPULATION, Purpose.TRAIN)
        assert mine.take(person(1), seat(1)) is None
        assert [path for path, _ in made.asked if path == TOKENS_PATH] == []


def test_invitations_are_shown_where_they_are_asked_for(at: Home, tmp_path: Path) -> None:
    with town(tmp_path, invited=True) as here:
        with pytest.raises(EgressError, match="invitation"):
            wallet(at, here).take(person(1), seat(1))
        assert here.sent == [], "nothing was asked that cannot be given"
        with pytest.raises(EgressError, match="bad_evidence"):
            wallet(at, here, Evidence("invitation", b"guessed")).take(person(1), seat(1))
        code = Evidence("invitation", invite(SECRET, SystemEntropy()).encode())
        assert here.redeems(wallet(at, here, code).take(person(1), seat(1)), person(1), seat(1))


def test_everything_that_leaves_is_in_the_ledger_and_needs_the_switch(tmp_path: Path, here: Town) -> None:
    with home(tmp_path / "off") as off, pytest.raises(ConsentError):
        wallet(off, here).take(person(1), seat(1))
    with home(tmp_path / "on", Purpose.TRAIN) as on:
        wallet(on, here).take(person(1), seat(1))
        (asked,) = [one for one in on.ledger.departures() if "tokens" in str(one.content)]
        assert asked.content["tokens"] == 2
        assert asked.purpose is Purpose.TRAIN
    assert len(here.sent) == 1


# --- a coordinator that is not to be trusted


def cheating(here: Town, change: Any) -> None:
    """Answer requests for tokens by a function of the honest request."""
    app = here.door.app

    async def between(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != TOKENS_PATH:
            await app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        answer = change(decode(body, TokenRequest))
        await Response(encode(answer), media_type=MSGPACK)(scope, receive, send)

    here.door.app = between


SCALAR = voprf.scalar_of(drawn("proof", voprf.RANDOM_BYTES))


def test_a_key_of_its_own_for_a_device_raises_an_alarm(at: Home, here: Town) -> None:
    tag = voprf.SecretKey.derive(drawn("a key to know this device by"))
    cheating(here, lambda asked: TokenResponse(*voprf.blind_evaluate(tag, asked.blinded, SCALAR)))
    mine = wallet(at, here)
    with pytest.raises(ForkedLogError):
        mine.take(person(1), seat(1))
    (alarm,) = alarms(at.vault)
    assert alarm.kind is Caught.TOKENS
    with pytest.raises(ForkedLogError):
        mine.take(person(1), seat(1))


def test_one_tagged_token_among_good_ones_raises_an_alarm(at: Home, here: Town) -> None:
    tag = voprf.SecretKey.derive(drawn("tag"))
    (key,) = here.keys()

    def one_of_them(asked: TokenRequest) -> TokenResponse:
        good, proof = voprf.blind_evaluate(key, asked.blinded, SCALAR)
        bad, _ = voprf.blind_evaluate(tag, asked.blinded, SCALAR)
        return TokenResponse((good[0], bad[1], *good[2:]), proof)

    cheating(here, one_of_them)
    with pytest.raises(ForkedLogError):
        wallet(at, here).take(person(1), seat(1))


@pytest.mark.parametrize("what", ["fewer", "no point"])
def test_answers_that_are_nonsense_are_refused_and_give_no_token(at: Home, here: Town, what: str) -> None:
    (key,) = here.keys()

    def nonsense(asked: TokenRequest) -> TokenResponse:
        good, proof = voprf.blind_evaluate(key, asked.blinded, SCALAR)
        return TokenResponse(good[:-1] if what == "fewer" else (*good[:-1], b"\x05" + bytes(32)), proof)

    honest = here.door.app
    cheating(here, nonsense)
    with pytest.raises(WireError):
        wallet(at, here).take(person(1), seat(1))
    here.door.app = honest
    assert here.redeems(wallet(at, here).take(person(1), seat(1)), person(1), seat(1))


def test_keys_that_follow_each_other_too_fast_are_not_used(at: Home, here: Town) -> None:
    tag = TokenKey(POPULATION, voprf.SecretKey.derive(drawn("tag")).public, DAY, "address", 8)
    here.store.log.append(LOG_KIND, encode(tag), START + LEAST_KEY_SECONDS - 1)
    with pytest.raises(WireError, match="too soon"):
        wallet(at, here).take(person(1), seat(1))
    assert here.sent == []


def test_a_new_key_is_found_in_the_log_and_tokens_of_the_last_one_still_count(at: Home, here: Town) -> None:
    mine = wallet(at, here)
    old = mine.take(person(1), seat(1))
    here.clock[0] += 7 * DAY
    at.clock.now += 7 * DAY
    here.enrolment.keep_up()
    assert here.redeems(old, person(1), seat(1))
    for number in range(2, 5):
        mine.take(person(number), seat(number))
    fresh = mine.take(person(5), seat(5))
    assert fresh is not None
    assert old is not None
    assert fresh.key_id != old.key_id


def test_after_a_refusal_what_is_of_no_use_is_forgotten(at: Home, here: Town) -> None:
    mine = wallet(at, here)
    first = mine.take(person(1), seat(1))
    assert mine.refused(seat(1), "busy") is False
    assert mine.take(person(1), seat(1)) == first
    assert mine.refused(seat(1), "spent_token") is True
    assert mine.take(person(1), seat(1)) != first
    assert len(here.sent) == 1
    assert mine.refused(seat(1), "old_key") is True  # and with it all others of that key
    assert mine.take(person(1), seat(1)) is not None
    assert len(here.sent) == 2


# --- what the coordinator sees


def pieces(texts: list[bytes], size: int = 5) -> set[bytes]:
    return {one[at : at + size] for one in texts for at in range(len(one) - size + 1)}


def test_nothing_of_a_request_is_in_what_is_redeemed(at: Home, here: Town) -> None:
    """Pieces of 5 bytes: of 500 x 250 pairs one agrees by chance once in ten million runs."""
    mine = wallet(at, here)
    tokens = []
    for number in range(4):
        tokens.append(mine.take(person(number), seat(number)))
        mine.used(seat(number))
    given = [decode(one, TokenResponse) for one in here.received if one]
    assert len(given) == len(here.sent) == 2
    at_issue = pieces(
        [part for asked in here.sent for part in asked.blinded]
        + [part for answer in given for part in (*answer.evaluated, answer.proof)]
    )
    at_redemption = pieces([part for one in tokens if one for part in (one.nonce, one.mac)])
    assert not at_issue & at_redemption


def test_every_blind_and_nonce_is_fresh(at: Home, here: Town, tmp_path: Path) -> None:
    """Fails were the blind constant, or made of the nonce: the issuer could try it on each nonce it sees."""
    seen_nonces, seen_blinds = [], []
    for number in range(6):
        with home(tmp_path / f"device {number}", Purpose.TRAIN) as one:
            mine = wallet(one, here)
            (asked,) = [mine._asked(key) for key in announced_here(here)]
            seen_nonces += asked.nonces
            seen_blinds += asked.blinds
    assert len(seen_nonces) == len(set(seen_nonces)) == 12
    assert len(seen_blinds) == len(set(seen_blinds)) == 12
    # And none is a function of the nonces that an issuer could guess: each hides its nonce anew.
    for nonce, blind in zip(seen_nonces, seen_blinds, strict=True):
        for other in seen_blinds:
            assert (voprf.blind(nonce, other) == voprf.blind(nonce, blind)) is (other == blind)


def announced_here(here: Town) -> list[TokenKey]:
    return [decode(one.body, TokenKey) for one in here.store.log.entries() if one.kind == LOG_KIND]


def test_blinds_are_spread_over_all_scalars(at: Home, here: Town) -> None:
    """Of 64 top bits of blinds 16 to 48 are set: by chance not so once in 30,000 runs; constant: never so."""
    (key,) = announced_here(here)
    mine = wallet(at, here)
    tops = []
    for _ in range(32):
        tops += [blind[0] >> 7 for blind in mine._asked(key).blinds]
        mine._keep((), None)
    assert len(tops) == 64
    assert 16 <= sum(tops) <= 48
