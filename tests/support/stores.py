"""One device and one message at a time in a coordinator's store, by the methods that take many at once."""

import secrets
from dataclasses import dataclass
from typing import final

from confidante.coordinator.store import Accepted, Late, Payment, Repeated, RoundRow, Store
from confidante.coordinator.store.values import Joining, Noted, Sent, Spending, Waiting
from confidante.wire.rounds import IDENTITY_BYTES, SEAT_BYTES

_COUNTED = "counted"


@final
@dataclass(frozen=True, slots=True)
class Spent:
    """The token was spent before, by another check-in or for a round that was held."""


def let_wait(
    store: Store, population: str, identity: bytes, seat: bytes, now: float, tier: str = "large"
) -> Waiting | None:
    """Let a device wait without a token; return how it waits, None when a running round has it."""
    store.pool.admit([Joining(population, identity, seat, tier)], now)
    return _waiting(store, population, identity)


def spend(
    store: Store, population: str, identity: bytes, seat: bytes, spending: Spending, now: float
) -> Waiting | Spent | None:
    """Let a device wait on its token; return how it waits, None when a running round has it."""
    [fine] = store.pool.admit([Joining(population, identity, seat, "large", spending)], now)
    return _waiting(store, population, identity) if fine else Spent()


def seat_of(store: Store, identity: bytes) -> tuple[bytes, int] | None:
    """Return the running round that has a device, and its index there."""
    found = store.pool.known([identity])[0].get(identity)
    state = None if found is None else store.rounds.get(found)
    return None if found is None or state is None else (found, state.row.roster.index(identity))


def hear(
    store: Store, round_id: bytes, phase: str, index: int, digest: bytes, size: int, ref: str, now: float
) -> Accepted | Repeated | Late:
    """Keep what device `index` said in a phase: digest (sha256) and size of the body, and its name."""
    [verdict] = store.messages.accept([Sent(round_id, phase, index, digest, size, ref)], now)
    return verdict


def sent_to(store: Store, round_id: bytes, phase: str, index: int) -> str | None:
    """Return the body that a device needs to answer in `phase`."""
    state = store.messages.standing(round_id, phase, index)
    return None if state is None else state.incoming


def counted(store: Store, event: str, by: int = 1) -> None:
    """Add to a counter, with the end of a round of nobody's."""
    identity = secrets.token_bytes(IDENTITY_BYTES)
    row = RoundRow(
        id=secrets.token_bytes(32),
        entry=1,
        population=_COUNTED,
        task=_COUNTED,
        task_body=b"",
        plan=b"",
        config=b"",
        roster=(identity,),
        seats=(identity[:SEAT_BYTES],),
    )
    let_wait(store, _COUNTED, identity, row.seats[0], 1.0)
    store.rounds.open(row, 2.0, Payment(1.0, 1.0), 1.0)
    store.rounds.abort(row.id, "it is there to be counted", 1.0, noted=Noted({event: by}))


def _waiting(store: Store, population: str, identity: bytes) -> Waiting | None:
    return next((one for one in store.pool.all(population) if one.identity == identity), None)
