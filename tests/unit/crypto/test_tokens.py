"""Anonymous tokens: bound to one check-in, made with the key that all see, and not to be linked."""

import hashlib
import random
from collections.abc import Iterator

import pytest

from confidante.core.errors import WireError
from confidante.crypto import voprf
from confidante.crypto.identity import Identity
from confidante.crypto.voprf import RANDOM_BYTES, SecretKey
from confidante.wire.rounds import (
    MOST_CHECK_IN_BYTES,
    CheckIn,
    Redemption,
    Tier,
    check_in,
    decode,
    encode,
    read_check_in,
    seat_digest,
)
from confidante.wire.tokens import (
    LEAST_KEY_SECONDS,
    LOG_KIND,
    MOST_BATCH,
    MOST_EVIDENCE_BYTES,
    MOST_REQUEST_BYTES,
    TokenKey,
    TokenRequest,
    TokenResponse,
    announced,
    bind,
    bound_to,
    redeems,
)
from confidante.wire.transparency_log import LogEntry, entry_after


def drawn(label: str, size: int = 32) -> bytes:
    return hashlib.shake_256(label.encode()).digest(size)


KEY = SecretKey.derive(drawn("key"))
ID = hashlib.sha256(KEY.public).digest()
WHO = Identity.from_seed(drawn("who"))
OTHER = Identity.from_seed(drawn("other"))
SEAT = drawn("seat")
NONCE = drawn("nonce")


def token(
    who: Identity = WHO, seat: bytes = SEAT, population: str = "films", key: SecretKey = KEY
) -> Redemption:
    output = voprf.evaluate(key, NONCE)
    return bind(ID, NONCE, output, population, who.public.encode(), seat_digest(seat))


def shown(redemption: Redemption | None, who: Identity = WHO, seat: bytes = SEAT) -> CheckIn:
    return read_check_in(check_in(who, "films", seat, Tier.SMALL, redemption))


def test_a_token_opens_the_door_for_its_check_in() -> None:
    assert redeems(KEY, shown(token()))


@pytest.mark.parametrize("number", range(6))
def test_it_does_whatever_the_sign_of_its_point(number: int) -> None:
    """The check computes one of two outputs: for either sign it has to find the right one."""
    nonce = drawn(f"nonce {number}")
    output = voprf.evaluate(KEY, nonce)
    assert redeems(KEY, shown(bind(ID, nonce, output, "films", WHO.public.encode(), seat_digest(SEAT))))


@pytest.mark.parametrize(
    "redemption",
    [
        None,
        token(who=OTHER),
        token(seat=drawn("another seat")),
        token(population="books"),
        token(key=SecretKey.derive(drawn("another key"))),
        Redemption(ID, drawn("another nonce"), token().mac),
        Redemption(ID, NONCE, bytes(32)),
    ],
    ids=["none", "identity", "seat", "population", "key", "nonce", "mac"],
)
def test_a_token_for_anything_else_does_not(redemption: Redemption | None) -> None:
    assert not redeems(KEY, shown(redemption))


def test_a_token_that_was_overheard_cannot_be_lifted_onto_another_identity() -> None:
    heard = shown(token())
    assert not redeems(KEY, shown(heard.token, who=OTHER))
    assert not redeems(KEY, shown(heard.token, seat=drawn("mine")))


def test_tier_and_token_are_covered_by_the_signature() -> None:
    made = shown(token())
    for changed in (
        CheckIn(made.population, made.identity, made.seat, made.signature, Tier.LARGE, made.token),
        CheckIn(made.population, made.identity, made.seat, made.signature, made.tier, None),
        CheckIn(
            made.population,
            made.identity,
            made.seat,
            made.signature,
            made.tier,
            Redemption(ID, NONCE, bytes(32)),
        ),
    ):
        with pytest.raises(Exception, match="signed"):
            read_check_in(encode(changed))


def test_a_check_in_with_a_token_fits_its_limit() -> None:
    assert len(check_in(WHO, "a" * 64, SEAT, Tier.LARGE, token())) <= MOST_CHECK_IN_BYTES


def test_what_is_remembered_of_a_token_is_its_identity_and_seat() -> None:
    who, seat = WHO.public.encode(), seat_digest(SEAT)
    assert bound_to(who, seat) == bound_to(who, seat)
    assert len({bound_to(who, seat), bound_to(OTHER.public.encode(), seat), bound_to(who, bytes(32))}) == 3


# --- shapes


def request(**changed: object) -> TokenRequest:
    given: dict = {
        "population": "films",
        "key_id": ID,
        "blinded": (KEY.public,) * MOST_BATCH,
        "kind": "address",
        "evidence": b"x" * MOST_EVIDENCE_BYTES,
    }
    return TokenRequest(**{**given, **changed})


def test_the_largest_request_fits_its_limit() -> None:
    data = encode(request(population="a" * 64, kind="k" * 200))
    assert len(data) <= MOST_REQUEST_BYTES
    assert decode(data, TokenRequest).population == "a" * 64


@pytest.mark.parametrize(
    "changed",
    [
        {"population": "Films"},
        {"population": ""},
        {"key_id": bytes(31)},
        {"blinded": ()},
        {"blinded": (KEY.public,) * (MOST_BATCH + 1)},
        {"blinded": (KEY.public[:-1],)},
        {"kind": ""},
        {"kind": "two words"},
        {"evidence": bytes(MOST_EVIDENCE_BYTES + 1)},
    ],
    ids=str,
)
def test_requests_beyond_their_limits_are_refused(changed: dict) -> None:
    with pytest.raises(WireError):
        decode(encode(request(**changed)), TokenRequest)


def test_answers_beyond_their_limits_are_refused() -> None:
    for evaluated, proof in (((), bytes(64)), ((KEY.public,) * 33, bytes(64)), ((KEY.public,), bytes(63))):
        with pytest.raises(WireError):
            decode(encode(TokenResponse(evaluated, proof)), TokenResponse)


# --- the log


def logged(*keys: tuple[TokenKey, float]) -> Iterator[LogEntry]:
    number, previous = 0, bytes(32)
    for kind, body, at in [
        ("model", b"not one of ours", 1.0),
        *((LOG_KIND, encode(key), at) for key, at in keys),
    ]:
        entry = entry_after(number, previous, kind, body, at)
        number, previous = entry.number, entry.hash
        yield entry


def key(label: str, population: str = "films") -> TokenKey:
    return TokenKey(population, SecretKey.derive(drawn(label)).public, 86_400.0, "address", 8)


def test_keys_are_those_of_the_population_in_order() -> None:
    one, two, others = key("one"), key("two"), key("three", "books")
    found = announced(logged((one, 10.0), (others, 11.0), (two, 10.0 + LEAST_KEY_SECONDS)), "films")
    assert found == (one, two)
    assert found[0].id == hashlib.sha256(one.public).digest()
    assert announced(logged((others, 11.0)), "films") == ()


def test_a_key_that_follows_too_soon_is_not_used() -> None:
    """One key for each device would be seen in the log; this makes them too slow to be of use."""
    with pytest.raises(WireError, match="too soon"):
        announced(logged((key("one"), 10.0), (key("two"), 9.0 + LEAST_KEY_SECONDS)), "films")
    with pytest.raises(WireError, match="too soon"):
        announced(logged((key("one"), 10.0), (key("two"), 5.0)), "films")


def test_a_key_from_the_future_is_not_used() -> None:
    """Keys with times that are to come could all be made today, one for each device."""
    keys = (key("one"), 10.0), (key("two"), 10.0 + LEAST_KEY_SECONDS)
    assert len(announced(logged(*keys), "films", 10.0 + LEAST_KEY_SECONDS)) == 2
    with pytest.raises(WireError, match="from the future"):
        announced(logged(*keys), "films", 9.0 + LEAST_KEY_SECONDS)


def test_an_announcement_that_is_none_is_refused() -> None:
    bad = TokenKey("films", b"\x05" + bytes(32), 86_400.0, "address", 8)
    (_model, entry) = logged((key("x"), 1.0))
    with pytest.raises(WireError):
        announced(logged((bad, 1.0)), "films")
    with pytest.raises(WireError):
        announced([entry_after(0, bytes(32), entry.kind, encode({"population": "films"}), 1.0)], "films")


def test_what_is_said_of_other_populations_does_no_harm() -> None:
    (_model, entry) = logged((key("x"), 1.0))
    for body in (b"", entry.body[:-1], encode({"population": "books"}), encode({"population": 7})):
        strange = entry_after(0, bytes(32), entry.kind, body, 1.0)
        assert announced([strange, entry], "films") == announced([entry], "films") != ()


# --- what the coordinator can learn


def batch(count: int, label: str) -> tuple[list[bytes], list[bytes], list[bytes]]:
    nonces = [drawn(f"{label} nonce {i}") for i in range(count)]
    blinds = [voprf.scalar_of(drawn(f"{label} blind {i}", RANDOM_BYTES)) for i in range(count)]
    return nonces, blinds, [voprf.blind(n, b) for n, b in zip(nonces, blinds, strict=True)]


def runs(texts: list[bytes], size: int = 4) -> set[bytes]:
    """All pieces of so many bytes."""
    return {one[at : at + size] for one in texts for at in range(len(one) - size + 1)}


def test_what_was_seen_at_issue_and_what_is_seen_at_redemption_have_nothing_in_common() -> None:
    """Of all 4-byte pieces; by chance two of these 800 x 400 would agree once in 13,000 such batches."""
    nonces, blinds, blinded = batch(5, "unlinkable")
    evaluated, proof = voprf.blind_evaluate(KEY, blinded, voprf.scalar_of(drawn("p", RANDOM_BYTES)))
    outputs = voprf.finalize(nonces, blinds, blinded, evaluated, proof, KEY.public)
    redeemed = [
        bind(ID, nonce, output, "films", WHO.public.encode(), seat_digest(SEAT))
        for nonce, output in zip(nonces, outputs, strict=True)
    ]
    at_issue = runs([*blinded, *evaluated, proof])
    at_redemption = runs([part for one in redeemed for part in (one.nonce, one.mac)])
    assert not at_issue & at_redemption


@pytest.mark.parametrize("number", range(5))
def test_every_request_fits_every_token(number: int) -> None:
    """A point hidden by r is also any other point tP hidden by r / t: a request says nothing of a token."""
    nonces, blinds, blinded = batch(1, f"hiding {number}")
    t = int.from_bytes(voprf.scalar_of(drawn(f"t {number}", RANDOM_BYTES)))
    another = voprf._times(t, voprf._hash_to_group(nonces[0]))
    its_blind = int.from_bytes(blinds[0]) * pow(t, -1, voprf._N) % voprf._N
    assert voprf._encode(voprf._times(its_blind, another)) == blinded[0]


def test_blinds_are_fresh_so_the_same_nonce_is_never_asked_for_twice_alike() -> None:
    """Fails for a constant blind, for one made of the nonce, and for one of few values: of 200 none agree."""
    seen = {
        voprf.blind(NONCE, voprf.scalar_of(random.Random(number).randbytes(RANDOM_BYTES)))
        for number in range(200)
    }
    assert len(seen) == 200
