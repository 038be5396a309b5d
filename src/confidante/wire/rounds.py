"""What a device and a coordinator say to each other around a round: msgpack, each shape with its limits.

A device makes a *seat*: 32 random bytes for one round, of which the coordinator learns the sha256 first. Its
check-in is signed by the key that will stand in the roster, so nobody else can wait or be seated in its name.
The seat itself, shown with each later request, says "I am number i of this round" and nothing of any other
round. The messages of the round (`secagg.codec`) travel as they are.
"""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, TypeAlias, TypeVar, final

import msgspec
from msgspec import Meta

from confidante.core.errors import ProtocolError, Reject, WireError
from confidante.crypto.identity import KEY_BYTES, SIGNATURE_BYTES, Identity, PublicIdentity
from confidante.crypto.masks import RECEIPT_BYTES
from confidante.crypto.shamir import SHARE_BYTES
from confidante.privacy.purposes import SUM_PURPOSES
from confidante.secagg import codec
from confidante.secagg.codec import HEADER_BYTES, SENT_IN, Kind
from confidante.secagg.config import RoundConfig, RoundSetup
from confidante.secagg.packing import packed_size
from confidante.secagg.phases import Phase

SEAT_BYTES = 32
SALT_BYTES = 16
IDENTITY_BYTES = 2 * KEY_BYTES
MOST_CHECK_IN_BYTES = 1024
MOST_OFFER_BYTES = 16 << 20
MSGPACK = "application/msgpack"
OCTETS = "application/octet-stream"

Octets32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}\Z")]

EVERY_PURPOSE = tuple(one.value for one in SUM_PURPOSES)

Asks: TypeAlias = Annotated[str, Meta(pattern=rf"^({'|'.join(EVERY_PURPOSE)})\Z")]
"""What a sum is for, which is the switch of a person that it needs."""

T = TypeVar("T")


class Refused(StrEnum):
    """Why a request was refused, beside the reasons of `Reject`. Stable names: they are counted."""

    MALFORMED = "malformed"
    OVERSIZED = "oversized"
    SLOW = "slow"
    CONTENT_TYPE = "content_type"
    NO_SEAT = "no_seat"
    NO_POPULATION = "no_population"
    NO_ROUND = "no_round"
    NO_SUCH_THING = "no_such_thing"
    EARLY = "early"
    LATE = "late"
    OVER = "over"
    OTHERWISE = "otherwise"
    LEFT = "left"
    BUSY = "busy"
    NO_KEY = "no_key"
    NO_TOKEN = "no_token"  # noqa: S105
    BAD_TOKEN = "bad_token"  # noqa: S105
    SPENT_TOKEN = "spent_token"  # noqa: S105
    OLD_KEY = "old_key"
    NO_EVIDENCE = "no_evidence"
    BAD_EVIDENCE = "bad_evidence"
    VERIFIER_FAILED = "verifier_failed"
    TOO_MANY = "too_many"
    STALE = "stale"
    REPLAYED = "replayed"
    NO_SCHEME = "no_scheme"
    NO_GATEWAY = "no_gateway"
    SLOW_GATEWAY = "slow_gateway"
    BAD_GATEWAY = "bad_gateway"


class Tier(StrEnum):
    """How much a device takes on: by its processor, its memory and its link, as it says itself."""

    SMALL = "small"
    LARGE = "large"


@final
class Redemption(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An anonymous token, bound to one check-in: see `wire.tokens`.

    key_id: of the key it was made with; nonce: what was evaluated; mac: by the output, of the check-in.
    """

    key_id: Octets32
    nonce: Octets32
    mac: Octets32


@final
class CheckIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device waits for a round.

    identity: both public keys, made for this round; seat: sha256 of its secret seat; tier: what it can do;
    token: where a population asks for one; purposes: what it gives a sum for, sorted. It is seated in no
    round for anything else.
    """

    population: Name
    identity: Annotated[bytes, Meta(min_length=IDENTITY_BYTES, max_length=IDENTITY_BYTES)]
    seat: Octets32
    signature: Annotated[bytes, Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]
    tier: Tier = Tier.SMALL
    token: Redemption | None = None
    purposes: Annotated[tuple[Asks, ...], Meta(min_length=1, max_length=len(EVERY_PURPOSE))] = EVERY_PURPOSE


@final
class CheckedIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer: seated in a round, or None and the seconds after which to ask again."""

    wait: Annotated[float, Meta(ge=0, le=86_400)]
    round: Octets32 | None = None


@final
class RoundOffer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a coordinator says of a round.

    entry: number of its announcement in the public log, whose hash is the round's id. config:
    `RoundConfig.encode`; roster: public identities, 64 bytes each, in order; plan: of the sum; task: what to
    compute; seconds: until the first phase ends.
    """

    entry: Annotated[int, Meta(ge=1)]
    config: Annotated[bytes, Meta(max_length=4096)]
    roster: Annotated[bytes, Meta(max_length=MOST_OFFER_BYTES)]
    plan: Annotated[bytes, Meta(max_length=4096)]
    task: Annotated[bytes, Meta(max_length=MOST_OFFER_BYTES)]
    seconds: Annotated[float, Meta(ge=0)]

    def identities(self) -> tuple[PublicIdentity, ...]:
        """Return the roster; WireError when it is cut off."""
        if len(self.roster) % IDENTITY_BYTES:
            raise WireError(f"a roster has {IDENTITY_BYTES} bytes an identity, this one {len(self.roster)}")
        return tuple(
            PublicIdentity.decode(self.roster[start : start + IDENTITY_BYTES])
            for start in range(0, len(self.roster), IDENTITY_BYTES)
        )


@final
class Announcement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the public log says of a round before it opens; the entry's hash is the round's id.

    purpose: the switch that it needs; plan, body: sha256 of the plan and of the task; catalogue: its name;
    salt: so that no id can be foreseen.
    """

    population: Name
    task: Annotated[str, Meta(max_length=200)]
    purpose: Asks
    plan: Octets32
    body: Octets32
    catalogue: Octets32
    salt: Annotated[bytes, Meta(min_length=SALT_BYTES, max_length=SALT_BYTES)]


@final
class Ended(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a round ended. reason: why there is no sum, empty when there is one."""

    published: bool
    reason: Annotated[str, Meta(max_length=1024)] = ""


@final
class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a request was refused. reason: of `Refused` or `Reject`; detail: one sentence."""

    reason: Annotated[str, Meta(max_length=64)]
    detail: Annotated[str, Meta(max_length=1024)] = ""


@final
class Logged(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the coordinator's public log, hash-chained."""

    number: Annotated[int, Meta(ge=1)]
    kind: Annotated[str, Meta(max_length=64)]
    body: Annotated[bytes, Meta(max_length=MOST_OFFER_BYTES)]
    at: float
    previous: Octets32
    hash: Octets32


def encode(value: Any) -> bytes:
    """Return one of these shapes (or a list of them) as bytes."""
    return msgspec.msgpack.encode(value)


def decode(data: bytes, shape: type[T]) -> T:
    """Return the `shape` in `data`; WireError when it is no such thing."""
    try:
        return msgspec.msgpack.decode(data, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"not a well-formed {getattr(shape, '__name__', 'message')}: {error}") from error


def seat_digest(seat: bytes) -> bytes:
    """Return what a coordinator knows of a seat before it is used."""
    return hashlib.sha256(b"confidante seat\n" + seat).digest()


def check_in(
    identity: Identity,
    population: str,
    seat: bytes,
    tier: Tier = Tier.SMALL,
    token: Redemption | None = None,
    purposes: Sequence[Asks] = EVERY_PURPOSE,
) -> bytes:
    """Return a signed check-in; seat: 32 fresh secret bytes, used for one round."""
    public, digest, wanted = identity.public.encode(), seat_digest(seat), tuple(sorted({*purposes}))
    signature = identity.sign(_signed(population, public, digest, tier, token, wanted))
    return encode(CheckIn(population, public, digest, signature, tier, token, wanted))


def read_check_in(data: bytes) -> CheckIn:
    """Return a check-in; WireError when malformed, ProtocolError BAD_SIGNATURE when not signed by its key."""
    made = decode(data, CheckIn)
    who = PublicIdentity.decode(made.identity)
    if list(made.purposes) != sorted({*made.purposes}):
        raise WireError("the purposes of a check-in are sorted, each once")
    statement = _signed(made.population, made.identity, made.seat, made.tier, made.token, made.purposes)
    if not who.signed(made.signature, statement):
        raise ProtocolError(Reject.BAD_SIGNATURE, "the check-in is not signed by the key it names")
    return made


def check_in_statement(population: str, identity: bytes, seat: bytes) -> bytes:
    """Return what a token is bound to: who waits (64 bytes), for what, with which seat (its digest)."""
    return b"confidante check-in 1\n" + hashlib.sha256(population.encode()).digest() + identity + seat


def message_sizes(config: RoundConfig, phase: Phase) -> tuple[int, int]:
    """Return the least and the most bytes of a device's message in a phase."""
    fixed, each = {
        Phase.ADVERTISE: (codec.ADVERT_BYTES, 0),
        Phase.SHARE: (0, codec.SEALED_BYTES),
        Phase.MASK: (packed_size(config.length, config.bits), RECEIPT_BYTES),
        Phase.CONFIRM: (SIGNATURE_BYTES, 0),
        Phase.REVEAL: (0, SHARE_BYTES),
    }[phase]
    return HEADER_BYTES + fixed, HEADER_BYTES + fixed + each * config.k


def check_message(setup: RoundSetup, phase: Phase, sender: int, data: bytes) -> None:
    """Refuse what cannot be the message of `sender` in this phase, whatever its neighbours did.

    WireError when it is malformed, ProtocolError with its reason when it is another's, of a wrong size, or an
    advert that its sender did not sign.
    """
    config = setup.config
    kind, body = codec.open_frame(data, sender, config.round_id)
    if kind is not SENT_IN[phase]:
        raise ProtocolError(Reject.WRONG_PHASE, f"{kind.name} does not fit phase {phase.word}")
    least, most = message_sizes(config, phase)
    if not least <= len(data) <= most:
        raise ProtocolError(
            Reject.WRONG_LENGTH, f"{kind.name} has {least} to {most} bytes in this round, not {len(data)}"
        )
    if kind is Kind.ADVERT:
        record = bytes(body)
        key, commitment = record[:KEY_BYTES], record[KEY_BYTES:-SIGNATURE_BYTES]
        statement = codec.advert_statement(setup.digest, sender, key, commitment)
        if not setup.signed(sender, record[-SIGNATURE_BYTES:], statement):
            raise ProtocolError(Reject.BAD_SIGNATURE, f"client {sender} did not sign this advert")


def offer_path(round_id: bytes) -> str:
    """Return where a round's offer is."""
    return f"/v1/rounds/{round_id.hex()}/offer"


def phase_path(round_id: bytes, phase: Phase) -> str:
    """Return where a device's message of a phase goes; `/in` behind it is where the coordinator's is."""
    return f"/v1/rounds/{round_id.hex()}/{phase.word}"


def end_path(round_id: bytes) -> str:
    """Return where a round's end is told."""
    return f"/v1/rounds/{round_id.hex()}/end"


def _signed(
    population: str,
    identity: bytes,
    seat: bytes,
    tier: Tier,
    token: Redemption | None,
    purposes: Sequence[Asks],
) -> bytes:
    shown = b"" if token is None else token.key_id + token.nonce + token.mac
    said = " ".join((tier, *purposes)).encode()
    return check_in_statement(population, identity, seat) + bytes([len(said)]) + said + shown
