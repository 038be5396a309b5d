"""Who gets tokens, how many, for how long they open the door, and that each opens it once."""

import hashlib
import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import stores
from http_world import POPULATION, Here, here, person, reason, seated
from paths import SUPPORT
from sqlalchemy import create_engine, select
from stores import Spent
from warm import Process

from confidante.coordinator.config.population import EnrolmentTerms
from confidante.coordinator.config.population_file import EXAMPLE, read_population
from confidante.coordinator.enrolment.enrolment import Enrolment, change_ahead, enrolment_of
from confidante.coordinator.enrolment.verifiers import (
    ByAddress,
    ByInvitation,
    Subject,
    Verifier,
    invitation_secret,
    invite,
    verifier_of,
)
from confidante.coordinator.store import Payment, RoundRow, Store, tables
from confidante.coordinator.store.values import Joining, Spending, Waiting
from confidante.core.entropy import SystemEntropy
from confidante.core.errors import DataError, StoreError, WireError
from confidante.crypto import voprf
from confidante.wire.rounds import (
    MSGPACK,
    CheckIn,
    Redemption,
    Refusal,
    Tier,
    check_in,
    decode,
    encode,
    read_check_in,
    seat_digest,
)
from confidante.wire.tokens import (
    LEAST_KEY_SECONDS,
    TokenKey,
    TokenRequest,
    TokenResponse,
    announced,
    bind,
    bound_to,
)

DAY = 86_400.0
START = 20_000 * DAY + 100.0
ONE, TWO, FAR = "192.0.2.7", "192.0.2.200", "198.51.100.1"
FRESH = itertools.count()


def drawn(label: str, size: int = 32) -> bytes:
    return hashlib.shake_256(label.encode()).digest(size)


@dataclass
class Clock:
    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Batch:
    key: TokenKey
    nonces: list[bytes]
    blinds: list[bytes]
    request: TokenRequest

    def tokens(self, given: TokenResponse) -> list[tuple[bytes, bytes]]:
        """Return (nonce, output) of each, checked."""
        outputs = voprf.finalize(
            self.nonces, self.blinds, self.request.blinded, given.evaluated, given.proof, self.key.public
        )
        return list(zip(self.nonces, outputs, strict=True))


def newest(store: Store) -> TokenKey:
    return announced(store.log.entries(), POPULATION)[-1]


def batch(store: Store, count: int = 4, kind: str = "address", evidence: bytes = b"") -> Batch:
    key, number = newest(store), next(FRESH)
    nonces = [drawn(f"nonce {number} {i}") for i in range(count)]
    blinds = [voprf.scalar_of(drawn(f"blind {number} {i}", voprf.RANDOM_BYTES)) for i in range(count)]
    blinded = tuple(voprf.blind(n, b) for n, b in zip(nonces, blinds, strict=True))
    return Batch(key, nonces, blinds, TokenRequest(POPULATION, key.id, blinded, kind, evidence))


def shown(token: tuple[bytes, bytes], key: TokenKey, index: int = 0, seat: bytes = b"s" * 32) -> CheckIn:
    return read_check_in(
        check_in(person(index), POPULATION, seat, Tier.SMALL, bound(token, key, index, seat))
    )


def bound(token: tuple[bytes, bytes], key: TokenKey, index: int = 0, seat: bytes = b"s" * 32) -> Redemption:
    return bind(key.id, *token, POPULATION, person(index).public.encode(), seat_digest(seat))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def enrolment(store: Store, clock: Clock) -> Enrolment:
    made = Enrolment(store, POPULATION, ByAddress(), EnrolmentTerms("address", most=8), now=clock)
    made.keep_up()
    return made


def given(found: TokenResponse | Refusal) -> TokenResponse:
    assert isinstance(found, TokenResponse), found
    return found


def why(found: object) -> str:
    assert isinstance(found, Refusal), found
    return found.reason


def get(store: Store, enrolment: Enrolment, count: int = 4, address: str = ONE) -> list[tuple[bytes, bytes]]:
    asked = batch(store, count)
    return asked.tokens(given(enrolment.issue(asked.request, address)))


# --- how many


def test_a_subject_gets_so_many_in_an_epoch_and_as_many_in_the_next(
    store: Store, enrolment: Enrolment, clock: Clock
) -> None:
    get(store, enrolment, 4)
    get(store, enrolment, 4, TWO)  # the same network
    assert why(enrolment.issue(batch(store, 1).request, ONE)) == "too_many"
    get(store, enrolment, 8, FAR)
    clock.now += DAY
    get(store, enrolment, 8)


def test_more_than_is_left_is_refused_and_costs_nothing(store: Store, enrolment: Enrolment) -> None:
    get(store, enrolment, 6)
    assert why(enrolment.issue(batch(store, 3).request, ONE)) == "too_many"
    get(store, enrolment, 2)


def test_the_same_request_counts_once_and_gives_the_same_tokens(store: Store, enrolment: Enrolment) -> None:
    """The answer may be lost on the way; but nobody can keep the coordinator computing for nothing."""
    asked = batch(store, 8)
    first = asked.tokens(given(enrolment.issue(asked.request, ONE)))
    for _ in range(7):
        assert asked.tokens(given(enrolment.issue(asked.request, ONE))) == first
    assert why(enrolment.issue(asked.request, ONE)) == "too_many"


def test_requests_at_once_never_get_more_than_the_limit(store: Store, enrolment: Enrolment) -> None:
    asked = [batch(store, 1).request for _ in range(12)]
    with ThreadPoolExecutor(6) as several:
        found = list(several.map(lambda one: enrolment.issue(one, ONE), asked))
    assert sum(isinstance(one, TokenResponse) for one in found) == 8


def test_elements_that_are_none_are_refused_before_they_count(store: Store, enrolment: Enrolment) -> None:
    bad = replace_request(batch(store, 1).request, blinded=(b"\x05" + bytes(32),))
    for _ in range(9):
        with pytest.raises(WireError):
            enrolment.issue(bad, ONE)
    get(store, enrolment, 8)


def replace_request(asked: TokenRequest, **changed: object) -> TokenRequest:
    fields = {name: getattr(asked, name) for name in TokenRequest.__struct_fields__}
    return TokenRequest(**{**fields, **changed})


def test_evidence_of_another_kind_and_another_key_are_refused(store: Store, enrolment: Enrolment) -> None:
    asked = batch(store, 1).request
    assert why(enrolment.issue(replace_request(asked, kind="invitation"), ONE)) == "no_evidence"
    assert why(enrolment.issue(replace_request(asked, key_id=bytes(32)), ONE)) == "old_key"
    assert why(enrolment.issue(asked, "")) == "bad_evidence"


def test_who_was_given_tokens_is_kept_hashed_and_only_for_the_epoch(
    store: Store, enrolment: Enrolment, clock: Clock, url: str
) -> None:
    get(store, enrolment, 4)
    rows, secrets = rows_of(url, tables.token_given), rows_of(url, tables.token_secret)
    assert len(rows) == len(secrets) == 1
    subject = bytes(rows[0].subject)
    for name in ("192.0.2.0/24", "address 192.0.2.0/24", ONE):
        assert hashlib.sha256(name.encode()).digest() != subject
    assert b"192.0.2" not in repr([tuple(row) for row in rows]).encode()
    clock.now += DAY
    enrolment.keep_up()
    assert rows_of(url, tables.token_given) == []
    assert rows_of(url, tables.token_secret) == []
    get(store, enrolment, 4)
    (row,) = rows_of(url, tables.token_given)
    assert bytes(row.subject) != subject, "the same network in two epochs cannot be told to be the same"


def rows_of(url: str, table: object) -> list:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as sql:
            return list(sql.execute(select(table)))
    finally:
        engine.dispose()


# --- keys


def test_the_key_is_in_the_log_and_all_workers_have_the_same(store: Store, url: str, clock: Clock) -> None:
    terms = EnrolmentTerms("address", most=8)
    with Store.open(url) as other:
        workers = [Enrolment(one, POPULATION, ByAddress(), terms, now=clock) for one in (store, other)]
        with ThreadPoolExecutor(2) as both:
            list(both.map(Enrolment.keep_up, workers))
        (key,) = announced(store.log.entries(), POPULATION)
        assert (key.evidence, key.most, key.seconds) == ("address", 8, DAY)
        token = get(store, workers[0], 1)[0]
        assert isinstance(workers[1].redeem(shown(token, key)), Spending)


def test_a_key_is_replaced_in_time_and_the_one_before_is_taken_for_an_epoch(
    store: Store, enrolment: Enrolment, clock: Clock, url: str
) -> None:
    old_key, (token, spent) = newest(store), get(store, enrolment, 2)
    spend(store, enrolment, shown(spent, old_key))
    clock.now += 6 * DAY
    enrolment.keep_up()
    assert newest(store) == old_key
    clock.now += DAY
    enrolment.keep_up()
    new_key = newest(store)
    assert new_key != old_key
    asked = batch(store, 1).request
    assert why(enrolment.issue(replace_request(asked, key_id=old_key.id), ONE)) == "old_key"
    assert isinstance(enrolment.redeem(shown(token, old_key)), Spending)
    clock.now += DAY
    assert isinstance(enrolment.redeem(shown(token, old_key)), Spending)
    assert len(rows_of(url, tables.token_spent)) == 1
    clock.now += DAY
    assert why(enrolment.redeem(shown(token, old_key))) == "old_key"
    enrolment.keep_up()
    assert len(rows_of(url, tables.token_spent)) == 1, "another worker may not know yet"
    clock.now += 3600.0
    enrolment.keep_up()
    assert rows_of(url, tables.token_spent) == [], "what was spent goes with its key"
    assert [row.id for row in rows_of(url, tables.token_key)] == [new_key.id]
    assert announced(store.log.entries(), POPULATION) == (old_key, new_key)


def test_a_token_is_spent_once_with_a_worker_that_does_not_know_yet_that_its_key_is_old(
    store: Store, clock: Clock
) -> None:
    one, two = (
        Enrolment(store, POPULATION, ByAddress(), EnrolmentTerms("address", rotate=1), now=clock)
        for _ in range(2)
    )
    clock.now = clock.now // DAY * DAY
    one.keep_up()
    key, (token,) = newest(store), get(store, one, 1)
    assert isinstance(spend(store, one, shown(token, key)), Waiting)
    clock.now += DAY
    one.keep_up()
    clock.now += DAY - 20
    two.keep_up()
    clock.now += 20
    one.keep_up()  # the third key: the first is taken no more, and the other worker learns it in a while
    clock.now += 5
    assert spend(store, two, shown(token, key, 1)) == Spent()


def test_a_worker_learns_at_once_of_a_key_that_another_made(
    store: Store, enrolment: Enrolment, clock: Clock
) -> None:
    clock.now += 2 * LEAST_KEY_SECONDS
    enrolment.keep_up()
    first = newest(store)
    clock.now += 9.0  # within the time for which what was looked up is believed, and in the same epoch
    changed = Enrolment(store, POPULATION, ByAddress(), EnrolmentTerms("address", most=9), now=clock)
    changed.keep_up()
    second = newest(store)
    assert second != first, "what devices are told of the tokens has changed"
    assert second.most == 9
    asked = batch(store, 1)
    (token,) = asked.tokens(given(changed.issue(asked.request, ONE)))
    assert isinstance(enrolment.redeem(shown(token, second)), Spending)


def test_keys_never_follow_each_other_too_fast_for_devices(store: Store, clock: Clock) -> None:
    for most in (1, 2, 3):
        Enrolment(store, POPULATION, ByAddress(), EnrolmentTerms("address", most=most), now=clock).keep_up()
        clock.now += LEAST_KEY_SECONDS / 2
    assert [key.most for key in announced(store.log.entries(), POPULATION)] == [1, 3]


def test_what_the_log_does_not_say_yet_is_said_to_the_operator_and_to_devices(
    store: Store, enrolment: Enrolment, clock: Clock
) -> None:
    def ahead(verifier: str, most: int = 8) -> str:
        return change_ahead(store, POPULATION, EnrolmentTerms(verifier, most), clock.now)

    assert ahead("address") == ahead("open") == ""
    clock.now += 600.0
    more = ahead("address", 9)
    assert "by address, 8 tokens in 1 day; its file says: by address, 9 tokens in 1 day" in more
    assert more.endswith(
        "`run` announces that in 50 minutes, as keys are an hour apart; until then devices go by the log"
    )
    assert ahead("invitation").endswith("until then is no device that goes by the log given tokens")
    changed = Enrolment(store, POPULATION, ByInvitation(drawn("s")), EnrolmentTerms("invitation"), now=clock)
    changed.keep_up()
    refused = changed.issue(batch(store, 1).request, ONE)
    assert refused == Refusal(
        "no_evidence",
        "what is asked for here was changed to: invitation, which the public log will say in 50 minutes 30 "
        "seconds: ask again then",
    )
    clock.now += LEAST_KEY_SECONDS
    assert "within a minute" in ahead("invitation")
    changed.keep_up()
    assert change_ahead(store, POPULATION, EnrolmentTerms("invitation"), clock.now) == ""
    refused = changed.issue(batch(store, 1).request, ONE)
    assert refused == Refusal("no_evidence", "what is asked for here is: invitation")
    with pytest.raises(DataError, match="faces:Smile"):
        ahead("faces:Smile")


def test_the_key_in_the_database_is_the_only_copy_and_no_text_shows_it(store: Store, url: str) -> None:
    Enrolment(store, POPULATION, ByAddress(), EnrolmentTerms("address")).keep_up()
    (row,) = rows_of(url, tables.token_key)
    (kept,) = store.tokens.keys(POPULATION)
    assert bytes(row.secret) == kept.secret
    assert repr(kept.secret) not in repr(kept)
    assert all(kept.secret not in entry.body for entry in store.log.entries())


# --- the door


def spend(store: Store, enrolment: Enrolment, made: CheckIn) -> Waiting | Spent | None:
    spending = enrolment.redeem(made)
    assert isinstance(spending, Spending), spending
    return stores.spend(store, POPULATION, made.identity, made.seat, spending, 5.0)


def test_a_token_is_spent_once_and_may_be_shown_again_by_the_same(store: Store, enrolment: Enrolment) -> None:
    (token,), key = get(store, enrolment, 1), newest(store)
    mine = shown(token, key)
    assert isinstance(spend(store, enrolment, mine), Waiting)
    assert isinstance(spend(store, enrolment, mine), Waiting)
    store.pool.forget(POPULATION, 1e10)  # it waited too long, and comes again
    assert isinstance(spend(store, enrolment, mine), Waiting)
    for index, seat in ((1, b"s" * 32), (0, b"t" * 32), (1, b"t" * 32)):
        store.pool.forget(POPULATION, 1e10)
        assert spend(store, enrolment, shown(token, key, index, seat)) == Spent()
        assert store.pool.all(POPULATION) == [], "who is refused does not wait"


def test_one_token_lets_one_in_whoever_asks_for_two_populations_at_once(store: Store) -> None:
    def asks(number: int, population: str, *, token: bool) -> Joining:
        identity, seat = bytes([number]) * 64, bytes([number]) * 32
        shown = Spending(b"k" * 32, b"n" * 32, bound_to(identity, seat)) if token else None
        return Joining(population, identity, seat, "large", shown)

    assert store.pool.admit([asks(0, "films", token=True)], 5.0) == [True]
    for number in range(1, 20):
        films, songs = asks(number, "films", token=True), asks(number, "songs", token=False)
        both = [films, songs] if number % 2 else [songs, films]
        assert store.pool.admit(both, 5.0) == [one is songs and one is both[0] for one in both]
    assert len(store.pool.all("films")) == 1
    assert store.pool.admit([asks(30, "songs", token=False)] * 2, 5.0) == [True, True], "the same, twice"


def test_a_token_that_had_its_round_opens_the_door_no_more(store: Store, enrolment: Enrolment) -> None:
    tokens, key = get(store, enrolment, 3), newest(store)
    made = [shown(token, key, index) for index, token in enumerate(tokens)]
    for one in made:
        assert isinstance(spend(store, enrolment, one), Waiting)
    entry = store.log.append("round", b"said", 5.0)
    row = RoundRow(
        id=entry.hash,
        entry=entry.number,
        population=POPULATION,
        task="test",
        task_body=b"",
        plan=b"",
        config=b"",
        roster=tuple(one.identity for one in made[:2]),
        seats=tuple(one.seat for one in made[:2]),
    )
    assert store.rounds.open(row, 10.0, Payment(1.0, 1.0), 5.0)
    assert spend(store, enrolment, made[0]) is None, "it is in that round"
    store.rounds.abort(row.id, "for the test", 6.0)
    assert spend(store, enrolment, made[0]) == Spent()
    assert isinstance(spend(store, enrolment, made[2]), Waiting)


def test_check_ins_with_no_token_or_a_bad_one_are_told_why(store: Store, enrolment: Enrolment) -> None:
    (token, other), key = get(store, enrolment, 2), newest(store)
    who = person(0)
    assert why(enrolment.redeem(read_check_in(check_in(who, POPULATION, b"s" * 32)))) == "no_token"
    lifted = bound(token, key, index=1)
    for bad in (lifted, Redemption(key.id, token[0], bytes(32)), bound((token[0], other[1]), key)):
        made = read_check_in(check_in(who, POPULATION, b"s" * 32, Tier.SMALL, bad))
        assert why(enrolment.redeem(made)) == "bad_token"


def test_two_processes_cannot_spend_one_token(store: Store, url: str) -> None:
    with ExitStack() as stack:
        spenders = [
            stack.enter_context(Process(SUPPORT / "token_spender.py", url, number)) for number in (1, 2, 3)
        ]
        for one in spenders:
            assert one.stdout.readline() == "ready\n"
        for one in spenders:
            one.stdin.write("\n")
        told = [one.stdout.readline().strip() for one in spenders]
    assert sorted(told) == ["False", "False", "True"]
    (waiting,) = store.pool.all("films")
    assert waiting.identity == bytes([told.index("True") + 1]) * 64


def test_threads_cannot_spend_one_token(store: Store) -> None:
    def one(number: int) -> bool:
        identity, seat = bytes([number]) * 64, bytes([number]) * 32
        spending = Spending(b"k" * 32, b"n" * 32, bound_to(identity, seat))
        return isinstance(stores.spend(store, POPULATION, identity, seat, spending, 5.0), Waiting)

    with ThreadPoolExecutor(8) as several:
        assert sum(several.map(one, range(16))) == 1
    assert len(store.pool.all(POPULATION)) == 1


# --- verifiers


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.255", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("2001:db8:1::1", "2001:db8:1:ffff::9", True),
        ("2001:db8:1::1", "2001:db8:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.9", True),
        ("fe80::1%eth0", "fe80::1%eth1", True),
    ],
)
def test_addresses_count_by_network(one: str, other: str, same: bool) -> None:
    found = [ByAddress().check(b"", address) for address in (one, other)]
    assert all(isinstance(subject, Subject) for subject in found)
    assert (found[0] == found[1]) is same


@pytest.mark.parametrize("address", ["", "unix:", "example.org", "1.2.3", "1.2.3.4.5"])
def test_an_address_that_is_none_gets_nothing(address: str) -> None:
    assert why(ByAddress().check(b"", address)) == "bad_evidence"


def test_an_invitation_is_taken_as_it_is_typed_and_forged_ones_are_not() -> None:
    secret = drawn("secret")
    code = invite(secret, SystemEntropy())
    assert len(code) == 47
    verifier = ByInvitation(secret)
    subject = verifier.check(code.encode(), ONE)
    assert isinstance(subject, Subject)
    for typed in (code.lower(), code.replace("-", ""), f" {code}\n"):
        assert verifier.check(typed.encode(), FAR) == subject
    assert verifier.check(invite(secret, SystemEntropy()).encode(), ONE) != subject
    other = invite(drawn("another secret"), SystemEntropy())
    swapped = ("A" if code[0] != "A" else "B") + code[1:]
    for bad in (other, swapped, code[:-1], code + "A", "", "x" * 47, "\x00", "ä", "=" * 40):
        assert why(verifier.check(bad.encode(), ONE)) == "bad_evidence"


def test_an_invitation_gets_its_tokens_from_wherever(store: Store, clock: Clock) -> None:
    secret = invitation_secret(store, POPULATION, SystemEntropy())
    assert secret == invitation_secret(store, POPULATION, SystemEntropy())
    made = enrolment_of(store, POPULATION, EnrolmentTerms("invitation", most=2))
    assert made is not None
    code = invite(secret, SystemEntropy()).encode()
    for address in (ONE, FAR):
        asked = batch(store, 1, "invitation", code)
        asked.tokens(given(made.issue(asked.request, address)))
    assert why(made.issue(batch(store, 1, "invitation", code).request, ONE)) == "too_many"
    assert why(made.issue(batch(store, 1, "invitation", b"no code").request, ONE)) == "bad_evidence"


class Everybody:
    """An own verifier: all are one subject."""

    kind = "a-smile"

    def check(self, evidence: bytes, address: str) -> Subject | Refusal:
        return Subject("everybody")


def test_an_own_verifier_is_named_by_its_place(store: Store) -> None:
    found = verifier_of(f"{__name__}:Everybody", store, POPULATION)
    assert isinstance(found, Verifier)
    assert found.kind == "a-smile"
    for name in ("nothing.such:Class", f"{__name__}:Nobody", f"{__name__}:Clock", "addres", "json:loads"):
        with pytest.raises(DataError, match=r"enrolment\.verifier"):
            verifier_of(name, store, POPULATION)


class Clumsy:
    """An own verifier that fails, and quotes what it was shown."""

    kind = "a-smile"

    def __init__(self, does: object = None) -> None:
        self.does = does

    def check(self, evidence: bytes, address: str) -> Subject | Refusal:
        if self.does == "raises":
            raise KeyError(evidence.decode(), address)
        return self.does  # type: ignore[return-value]


@pytest.mark.parametrize(("does", "told"), [("raises", "KeyError"), (None, "returned NoneType")])
def test_of_an_own_verifier_that_fails_no_text_is_told_to_anybody(
    store: Store,
    url: str,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    does: object,
    told: str,
) -> None:
    made = Enrolment(store, POPULATION, Clumsy(does), EnrolmentTerms("faces:Smile", most=8), now=clock)
    made.keep_up()
    capsys.readouterr()
    asked = batch(store, 1, "a-smile", b"my secret face").request
    with here(tmp_path, enrolments={POPULATION: made}) as world:
        for _ in range(3):
            answer = post(world, "/v1/tokens", encode(asked))
            assert reason(answer) == (503, "verifier_failed")
            assert b"face" not in answer.content
        assert world.refused() == {"verifier_failed": 3}
    [line] = [json.loads(one) for one in capsys.readouterr().err.splitlines()]
    assert line.pop("at") > 0
    assert line == {
        "event": "verifier failed",
        "level": "error",
        "population": POPULATION,
        "verifier": "faces:Smile",
        "problem": told,
        "requests": 1,
    }
    assert rows_of(url, tables.token_given) == []


def test_a_verifier_of_ours_that_cannot_reach_the_store_is_the_stores_refusal(store: Store) -> None:
    def away(name: bytes) -> bool:
        raise StoreError("the database is away", retry=True)

    secret = drawn("secret")
    made = Enrolment(store, POPULATION, ByInvitation(secret, away), EnrolmentTerms("invitation"))
    made.keep_up()
    code = invite(secret, SystemEntropy()).encode()
    with pytest.raises(StoreError, match="away"):
        made.issue(batch(store, 1, "invitation", code).request, ONE)


def test_an_open_population_has_no_keys(store: Store) -> None:
    assert enrolment_of(store, POPULATION, EnrolmentTerms()) is None
    assert store.log.entries() == []


def test_the_population_file_says_who_may_take_part(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text(
        "item,title,labels\n" + "".join(f"i{n},Item {n},a\n" for n in range(20)), encoding="utf-8"
    )
    path = tmp_path / "p.toml"

    def read(old: str = "", new: str = "") -> EnrolmentTerms:
        assert old in EXAMPLE
        path.write_text(EXAMPLE.replace(old, new), encoding="utf-8")
        return read_population(path).enrolment

    assert read() == EnrolmentTerms("address", 64, DAY, 7)
    assert read('verifier = "address"', 'verifier = "open"').verifier == "open"
    assert read("hours = 24.0              # so", "hours = 1.0 # so").seconds == 3600.0
    for old, new in (
        ("tokens = 64", "tokens = 0"),
        ("keep_key = 7", "keep_key = 0"),
        ("hours = 24.0  ", "hours = 0.5"),
    ):
        with pytest.raises(DataError, match="enrolment"):
            read(old, new)


# --- over HTTP


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Here]:
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        store.migrate()
        made = enrolment_of(store, POPULATION, EnrolmentTerms("address", most=8))
        assert made is not None
        with here(tmp_path, enrolments={POPULATION: made}) as world:
            yield world


def post(world: Here, path: str, data: bytes, kind: str = MSGPACK) -> httpx.Response:
    with world.http() as http:
        return http.post(path, content=data, headers={"content-type": kind})


def test_a_device_asks_for_tokens_and_checks_in_with_one(world: Here) -> None:
    asked = batch(world.store, 2)
    answer = post(world, "/v1/tokens", encode(asked.request))
    assert answer.status_code == 200
    (token, _other) = asked.tokens(decode(answer.content, TokenResponse))
    mine = check_in(person(0), POPULATION, b"s" * 32, Tier.SMALL, bound(token, asked.key))
    assert seated(post(world, "/v1/check-in", mine)) is None
    assert seated(post(world, "/v1/check-in", mine)) is None
    assert len(world.store.pool.all(POPULATION)) == 1
    theirs = check_in(person(1), POPULATION, b"s" * 32, Tier.SMALL, bound(token, asked.key, 1))
    assert reason(post(world, "/v1/check-in", theirs)) == (403, "spent_token")
    assert reason(world.check_in(2)) == (403, "no_token")
    assert world.refused() == {"spent_token": 1, "no_token": 1}


def test_bad_requests_for_tokens_are_told_why(world: Here) -> None:
    asked = batch(world.store, 2).request
    fine = encode(asked)
    for data, told in (
        (fine[:-1], (400, "malformed")),
        (b"", (400, "malformed")),
        (encode(replace_request(asked, population="books")), (404, "no_population")),
        (encode(replace_request(asked, kind="invitation")), (403, "no_evidence")),
        (encode(replace_request(asked, key_id=bytes(32))), (403, "old_key")),
        (encode(replace_request(asked, blinded=(b"\x02" + b"\xff" * 32,))), (400, "malformed")),
        (fine + bytes(30_000), (413, "oversized")),
    ):
        assert reason(post(world, "/v1/tokens", data)) == told
    assert reason(post(world, "/v1/tokens", fine, "text/plain")) == (415, "content_type")
    for count in (8, 1):
        answer = post(world, "/v1/tokens", encode(batch(world.store, count).request))
        assert answer.status_code == (200 if count == 8 else 429)


def test_an_open_population_gives_no_tokens(tmp_path: Path) -> None:
    key = TokenKey(POPULATION, voprf.SecretKey.derive(bytes(32)).public, DAY, "address", 8)
    element = voprf.blind(b"x", voprf.scalar_of(drawn("b", voprf.RANDOM_BYTES)))
    with here(tmp_path) as world:
        asked = TokenRequest(POPULATION, key.id, (element,), "address")
        assert reason(post(world, "/v1/tokens", encode(asked))) == (404, "no_such_thing")
        token = bound((drawn("n"), drawn("o")), key)
        mine = check_in(person(0), POPULATION, b"s" * 32, Tier.SMALL, token)
        assert seated(post(world, "/v1/check-in", mine)) is None
