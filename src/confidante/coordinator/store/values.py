"""What goes into the coordinator's store and what comes out. Times are seconds since 1970."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from confidante.secagg.phases import PHASES, Phase
from confidante.wire.rounds import EVERY_PURPOSE

COLLECTING = tuple(phase.name for phase in PHASES)
"""The phases in which a round hears devices, in order."""

PAID_AT = Phase.MASK.name
"""The phase with which a round is paid for: before it no vector is heard, so nothing can be learnt."""

PUBLISHED = "PUBLISHED"
ABORTED = "ABORTED"


def reached(phase: str) -> Phase:
    """Return the phase that the database calls so; DONE or FAILED when the round is over."""
    return {PUBLISHED: Phase.DONE, ABORTED: Phase.FAILED}.get(phase) or Phase[phase]


@final
@dataclass(frozen=True, slots=True)
class Waiting:
    """A waiting device: its two public keys (64 bytes), sha256 of its seat token, since when it waits.

    tier: how much it takes on, "small" or "large"; purposes: what it gives a sum for; seen: when it
    last asked.
    """

    identity: bytes
    seat: bytes
    since: float
    tier: str = "large"
    purposes: tuple[str, ...] = EVERY_PURPOSE
    seen: float = field(default=0.0, compare=False)


@final
@dataclass(frozen=True, slots=True)
class Payment:
    """What a round takes out of the budget: its noise multiplier (0: no noise), its share of the budget."""

    noise_multiplier: float
    share: float


@final
@dataclass(frozen=True, slots=True)
class RoundRow:
    """What is fixed when a round opens.

    entry: number of its announcement in the public log. roster[i], 64 bytes, and seats[i], 32 bytes, are of
    client i.
    """

    id: bytes
    entry: int
    population: str
    task: str
    task_body: bytes
    plan: bytes
    config: bytes
    roster: tuple[bytes, ...]
    seats: tuple[bytes, ...]


@final
@dataclass(frozen=True, slots=True)
class RoundState:
    """A round as it stands.

    phase: one of COLLECTING, PUBLISHED or ABORTED. deadline: when the phase ends at the latest. outcome: ""
    while it runs, then "published" or "aborted". reason: why it was aborted. closed: somebody claimed the
    phase, so it hears nobody any more. result, survivors: where the sum is kept, and whose vectors are in it.
    opened, ended: when (ended is 0.0 while it runs). since: when the phase began; claims: how many workers
    have tried to end it. number: 1, 2, ... in its population; cost: what it pays when MASK opens.
    """

    row: RoundRow
    phase: str
    deadline: float
    outcome: str
    reason: str
    closed: bool
    result: str
    survivors: tuple[int, ...]
    opened: float
    ended: float
    since: float
    claims: int
    number: int
    cost: Payment


@final
@dataclass(frozen=True, slots=True)
class Noted:
    """What the end of a phase adds to the books, in its own transaction.

    counts: to counters, by name. refused: why the protocol refused a message of the phase, by client.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[int, str] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class PublishedRound:
    """What became of a round that ended well. result: where its sum is; survivors: how many are in it."""

    id: bytes
    task: str
    task_body: bytes
    plan: bytes
    result: str
    survivors: int
    ended: float


@final
@dataclass(frozen=True, slots=True)
class RoundFacts:
    """What an operator sees of a round. expected, heard: devices in its phase; clients: of the roster."""

    id: bytes
    population: str
    task: str
    phase: str
    deadline: float
    expected: int
    heard: int
    clients: int
    survivors: int
    outcome: str
    reason: str
    opened: float
    ended: float
    noise_multiplier: float


@final
@dataclass(frozen=True, slots=True)
class Waiters:
    """How many devices of a population and tier wait."""

    population: str
    tier: str
    devices: int


@final
@dataclass(frozen=True, slots=True)
class TokenKeyRow:
    """A key of anonymous tokens: sha256 of its public half, its secret scalar, its entry of the log, when."""

    id: bytes
    secret: bytes = field(repr=False)
    said: bytes
    made: float


@final
@dataclass(frozen=True, slots=True)
class Spending:
    """A token that was checked. bound: hash of what it is spent for (`wire.tokens.bound_to`)."""

    key_id: bytes
    nonce: bytes
    bound: bytes


@final
@dataclass(frozen=True, slots=True)
class GatewayRow:
    """A key of the gateway: its number, from 1, its 32 secret bytes, and when it was made."""

    number: int
    secret: bytes = field(repr=False)
    made: float


@final
@dataclass(frozen=True, slots=True)
class RefinementRow:
    """What a population refines with. said: as the log has it, empty for none; at: of its vectors.

    previous: what was last said of the vectors before these; inputs: digest of what it was made of; items:
    how many; problem: why nothing newer is there, empty when all is well; asked: questions answered on `day`,
    days since 1970.
    """

    said: bytes = b""
    inputs: bytes = b""
    previous: bytes = b""
    items: int = 0
    at: float = 0.0
    problem: str = ""
    day: int = 0
    asked: int = 0


@final
@dataclass(frozen=True, slots=True)
class Joining:
    """A device that asks to wait. tier: how much it takes on; spending: its token, where one is asked for.

    purposes: what it gives a sum for.
    """

    population: str
    identity: bytes
    seat: bytes
    tier: str
    spending: Spending | None = None
    purposes: tuple[str, ...] = EVERY_PURPOSE


LEFT = b"left"
"""What a body begins with that is kept in place of the first message of a device that leaves a round."""


@final
@dataclass(frozen=True, slots=True)
class Sent:
    """What device `client` said in a phase: digest (sha256) and size of the body, and its name."""

    round_id: bytes
    phase: str
    client: int
    digest: bytes
    size: int
    ref: str


@final
@dataclass(frozen=True, slots=True)
class Standing:
    """Where a round stands. For the phase asked about, incoming: the body that the device needs, if any;
    said: sha256 of what it said, if anything."""

    phase: str
    deadline: float
    reason: str
    incoming: str | None
    said: bytes | None


@final
@dataclass(frozen=True, slots=True)
class Accepted:
    """The message is kept, on disk; `complete`: the phase has heard all that it expects."""

    complete: bool = field(default=False, compare=False)


@final
@dataclass(frozen=True, slots=True)
class Repeated:
    """The device already sent a message in this phase; `same`: it was this very one."""

    same: bool


@final
@dataclass(frozen=True, slots=True)
class Late:
    """The phase is over or not yet open, or the device missed an earlier one, or there is no such round."""
