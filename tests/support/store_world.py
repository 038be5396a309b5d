"""Ten devices, one round of four of them, and the steps that tests of the store repeat."""

from stores import hear, let_wait

from confidante.coordinator.store import Payment, RoundRow, RoundState, Store

IDENTITIES = tuple(bytes([number]) * 64 for number in range(10))
SEATS = tuple(bytes([number]) * 32 for number in range(10))
DIGEST = b"d" * 32
ROUND = RoundRow(
    b"r" * 32, 1, "films", "popularity", b"task", b"plan", b"\x00config", IDENTITIES[:4], SEATS[:4]
)


def filled(store: Store) -> None:
    """Ten devices wait since 1.0."""
    for identity, seat in zip(IDENTITIES, SEATS, strict=True):
        let_wait(store, "films", identity, seat, 1.0)


def opened(store: Store) -> None:
    """The first four sit in a round that hears them until 10.0."""
    filled(store)
    assert store.rounds.open(ROUND, 10.0, Payment(1.5, 0.25), 2.0, after=0)


def say_all(store: Store, phase: str) -> None:
    """All four answer at 3.0."""
    for client in range(4):
        hear(store, ROUND.id, phase, client, DIGEST, 5, f"from {client}", 3.0)


def claimed(store: Store, now: float) -> RoundState:
    """Worker a has the round, for 5 seconds."""
    state = store.rounds.claim_due(now, "a", 5.0)
    assert state is not None
    return state
