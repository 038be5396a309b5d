"""What the store refuses before a database sees it: two databases would refuse in two ways, or not at all."""

import math

from confidante.coordinator.store.tables import NAME, REASON, REF
from confidante.coordinator.store.values import COLLECTING, Payment, RoundRow
from confidante.core.errors import StoreError

IDENTITY_BYTES = 64
SEAT_BYTES = 32
DIGEST_BYTES = 32
ROUND_ID_BYTES = 32
MAX_CLIENTS = 1 << 16
MAX_BODY = 64 << 20
"""Bytes of one task, plan, configuration or log entry. Larger things belong into `bodies`."""

_MAX_COUNT = (1 << 63) - 1
_MAX_TIME = 1e11


def exact(what: str, value: bytes, size: int) -> bytes:
    """Return `value` if it is `size` bytes."""
    if len(value) != size:
        raise StoreError(f"{what} has {len(value)} bytes: give {size}")
    return value


def body(what: str, value: bytes) -> bytes:
    """Return `value` if it is at most MAX_BODY bytes."""
    if len(value) > MAX_BODY:
        raise StoreError(f"{what} has {len(value):,} bytes: at most {MAX_BODY:,} fit a row")
    return value


def text(what: str, value: str, size: int = NAME) -> str:
    """Return `value` if it is 1 to `size` characters that both databases can hold."""
    if not 1 <= len(value) <= size:
        raise StoreError(f"{what} has {len(value):,} characters: give 1 to {size}")
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise StoreError(
            f"{what} contains a character that is not text (NUL, or half of a surrogate pair): remove it"
        )
    return value


def reference(value: str) -> str:
    """Return the name of a body."""
    return text("the name of a body", value, REF)


def reason(value: str) -> str:
    """Return why a round was aborted."""
    return text("the reason", value, REASON)


def phase(value: str) -> str:
    """Return a phase that hears devices."""
    if value not in COLLECTING:
        raise StoreError(
            f"in phase {value[:NAME]!r} no device sends anything: give one of {', '.join(COLLECTING)}"
        )
    return value


def moment(what: str, value: float) -> float:
    """Return a time."""
    if not 0 <= value <= _MAX_TIME:  # NaN fails too
        raise StoreError(f"{what} is {value}: give seconds since 1970")
    return float(value)


def client(value: int) -> int:
    """Return the index of a client."""
    if not 0 <= value < MAX_CLIENTS:
        raise StoreError(f"there is no client {value}: give 0 to {MAX_CLIENTS - 1}")
    return value


def size(value: int) -> int:
    """Return a number of bytes."""
    if not 0 <= value <= _MAX_COUNT:
        raise StoreError(f"a message cannot have {value} bytes")
    return value


def payment(value: Payment) -> None:
    """Refuse a payment that no accountant could add up."""
    if not (0 <= value.noise_multiplier <= 1e6 and 0 < value.share < math.inf):
        raise StoreError(
            f"a payment of noise multiplier {value.noise_multiplier} and share {value.share} cannot be: "
            "give 0 to 1,000,000, and a finite number above 0"
        )


def row(value: RoundRow) -> None:
    """Refuse a round that does not hold together."""
    exact("a round's id", value.id, ROUND_ID_BYTES)
    text("the population", value.population)
    text("the task", value.task)
    for what in ("task_body", "plan", "config"):
        body(what, getattr(value, what))
    if not 1 <= len(value.roster) <= MAX_CLIENTS or len(value.seats) != len(value.roster):
        raise StoreError(
            f"a round of {len(value.roster)} identities and {len(value.seats)} seats cannot be: "
            f"give 1 to {MAX_CLIENTS:,} of each"
        )
    for identity, seat in zip(value.roster, value.seats, strict=True):
        exact("an identity", identity, IDENTITY_BYTES)
        exact("a seat", seat, SEAT_BYTES)
    if len(set(value.roster)) != len(value.roster):
        raise StoreError("the roster names an identity twice: draw each once")
