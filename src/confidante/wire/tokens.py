"""Anonymous tokens: one is spent for each check-in, so that one person is not a thousand devices.

A device draws nonces, blinds them and asks the coordinator to evaluate them (`voprf`); the coordinator gives
so many to one subject in an epoch, whoever that is by its `coordinator.enrolment.verifiers.Verifier`. The
output for a nonce is a key that only this device and the coordinator can compute. A check-in shows the nonce
and a MAC of the check-in by that key: the coordinator computes the key anew and checks it. What it saw when
it issued has been blinded, so it cannot say which token was whose; the MAC names identity, seat and
population, so a token that is overheard is of no use for another check-in.

Issuing with one key for one device would undo that, so the key stands in the public log, which is the same
for all devices, and no more often than once in `LEAST_KEY_SECONDS`; the proof of `voprf` shows that it was
this key. Entries tell the coordinator's time: a device takes none that was added after it had read the log
and says that it is older (`device.federation.verified_log`), and no key from the future.
"""

import hashlib
import hmac
import math
from collections.abc import Iterable
from typing import Annotated, final

import msgspec
from msgspec import Meta

from confidante.core.errors import WireError
from confidante.crypto import voprf
from confidante.wire.rounds import CheckIn, Name, Octets32, Redemption, check_in_statement, decode
from confidante.wire.transparency_log import LogEntry

TOKENS_PATH = "/v1/tokens"
LOG_KIND = "tokens"
"""Of the entries of the public log that announce a key."""

NONCE_BYTES = 32
MOST_BATCH = 32
USUAL_BATCH = 2
"""Tokens that a device asks for at once: few, as others may share its network address."""

MOST_EVIDENCE_BYTES = 16 << 10
MOST_REQUEST_BYTES = MOST_BATCH * (voprf.ELEMENT_BYTES + 8) + MOST_EVIDENCE_BYTES + 1024
LEAST_KEY_SECONDS = 3600.0
"""Between two keys of a population: keys made for single devices could be told by their number."""

_Kind = Annotated[str, Meta(pattern=r"^[!-~]{1,200}\Z")]
_Element = Annotated[bytes, Meta(min_length=voprf.ELEMENT_BYTES, max_length=voprf.ELEMENT_BYTES)]
_Elements = Annotated[tuple[_Element, ...], Meta(min_length=1, max_length=MOST_BATCH)]


@final
class TokenKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the public log says of a key.

    public: the key; seconds: how long an epoch is; evidence: the kind that is asked for; most: tokens that
    one subject gets in an epoch.
    """

    population: Name
    public: _Element
    seconds: Annotated[float, Meta(gt=0, le=1e8)]
    evidence: _Kind
    most: Annotated[int, Meta(ge=1, le=1 << 20)]

    @property
    def id(self) -> bytes:
        """Return what names the key: sha256 of it."""
        return key_id(self.public)


@final
class TokenRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Asks for tokens. key_id: of the newest key; blinded: an element for each; evidence: of that kind."""

    population: Name
    key_id: Octets32
    blinded: _Elements
    kind: _Kind
    evidence: Annotated[bytes, Meta(max_length=MOST_EVIDENCE_BYTES)] = b""


@final
class TokenResponse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer: an evaluation for each element, in order, and one proof for all."""

    evaluated: _Elements
    proof: Annotated[bytes, Meta(min_length=voprf.PROOF_BYTES, max_length=voprf.PROOF_BYTES)]


def batch_of(most: int) -> int:
    """Return how many tokens a device asks for at once where one gets `most`: half of them at the most."""
    return min(max(most // 2, 1), USUAL_BATCH)


def key_id(public: bytes) -> bytes:
    """Return what names a key."""
    return hashlib.sha256(public).digest()


def announced(entries: Iterable[LogEntry], population: str, latest: float = math.inf) -> tuple[TokenKey, ...]:
    """Return the keys that a log announces for a population, the newest last; none: it asks for no tokens.

    entries: checked, of any kinds. latest: a time that no key can be after. WireError when an announcement is
    malformed, or the newest key is, or came so soon after the one before that it might be made for a single
    device.
    """
    found = _announced(entries, population)
    for entry, key in found[-1:]:
        voprf.check_element(key.public)
        if not entry.at <= latest:
            raise WireError(
                f"entry {entry.number} of the public log announces a token key from the future: its clock is "
                "wrong, or this device's is, so no token is requested"
            )
    if len(found) > 1 and found[-1][0].at < found[-2][0].at + LEAST_KEY_SECONDS:
        raise WireError(
            f"entry {found[-1][0].number} of the public log announces a token key too soon after another: "
            "devices could be told apart by it, so no token is requested"
        )
    return tuple(key for _, key in found)


def keys_taken(entries: Iterable[LogEntry], population: str, now: float) -> tuple[TokenKey, ...]:
    """Return the keys whose tokens a coordinator takes: the newest, and for an epoch more the one before.

    entries: as for `announced`; now: seconds since 1970. WireError when an announcement is malformed.
    """
    found = _announced(entries, population)
    if not found:
        return ()
    newest, key = found[-1]
    both = now // key.seconds <= newest.at // key.seconds + 1
    return tuple(one for _, one in found[-2 if both else -1 :])


def bind(
    key_id: bytes, nonce: bytes, output: bytes, population: str, identity: bytes, seat: bytes
) -> Redemption:
    """Return a token for one check-in. output: of `voprf` for the nonce; identity, seat: as in `CheckIn`."""
    return Redemption(key_id, nonce, _mac(output, check_in_statement(population, identity, seat)))


def redeems(key: voprf.SecretKey, made: CheckIn) -> bool:
    """Whether a check-in shows a token that was made with this key, and for it; False when it shows none."""
    token = made.token
    return token is not None and fits(key, token, made.population, made.identity, made.seat)


def fits(key: voprf.SecretKey, token: Redemption, population: str, identity: bytes, seat: bytes) -> bool:
    """Whether a token was made with this key, and bound to these (`bind`)."""
    statement = check_in_statement(population, identity, seat)
    found = [
        hmac.compare_digest(_mac(output, statement), token.mac)
        for output in voprf.evaluate_either(key, token.nonce)
    ]
    return any(found)


def bound_to(identity: bytes, seat: bytes) -> bytes:
    """Return what a spent token is remembered with: it may be shown again by the same device for its seat."""
    return hashlib.sha256(b"confidante token is for\n" + identity + seat).digest()


class _Population(msgspec.Struct):
    population: str


def _announced(entries: Iterable[LogEntry], population: str) -> list[tuple[LogEntry, TokenKey]]:
    """Return the announcements of a population's keys, the newest last."""
    return [
        (entry, key)
        for entry in entries
        if entry.kind == LOG_KIND
        and _whose(entry.body) == population  # another's may be of any shape
        and (key := decode(entry.body, TokenKey))
    ]


def _whose(body: bytes) -> str | None:
    """Return which population an announcement is of, None when it names none."""
    try:
        return decode(body, _Population).population
    except WireError:
        return None


def _mac(output: bytes, statement: bytes) -> bytes:
    return hmac.digest(output, b"confidante token 1\n" + statement, "sha256")
