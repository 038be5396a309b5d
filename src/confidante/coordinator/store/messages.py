"""What devices said in a phase, and what each finds there for it."""

from sqlalchemy import Connection, Table, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

from confidante.coordinator.store.tables import message, outbox, rounds
from confidante.coordinator.store.values import COLLECTING, Accepted, Late, Repeated
from confidante.core.errors import StoreError


def _at(table: Table) -> tuple[ColumnElement[bool], ...]:
    return tuple(table.c[name] == bindparam(name) for name in ("round_id", "phase", "client"))


# Made once: building them costs more than running them.
_STANDING = (
    select(rounds.c.phase, rounds.c.closed, rounds.c.deadline, rounds.c.clients, rounds.c.outcome)
    .where(rounds.c.id == bindparam("round_id"))
    .with_for_update(read=True)
)
_KNOWN = select(message.c.digest).where(*_at(message))
_OUTGOING = select(outbox.c.ref).where(*_at(outbox))
# RETURNING, as the count of rows is not told of an INSERT.
_KEEP = {
    "postgresql": postgresql.insert(message).on_conflict_do_nothing().returning(message.c.client),
    "sqlite": sqlite.insert(message).on_conflict_do_nothing().returning(message.c.client),
}


def accept(
    sql: Connection, round_id: bytes, phase: str, client: int, digest: bytes, size: int, ref: str, now: float
) -> Accepted | Repeated | Late:
    """Keep one message of the running phase."""
    # FOR SHARE: who claims the round waits for us or is seen by us, so that a message that was accepted is in
    # every replay of the phase and one that comes too late is in none.
    place = {"round_id": round_id, "phase": phase, "client": client}
    standing = sql.execute(_STANDING, {"round_id": round_id}).one_or_none()
    if standing is None:
        return Late()
    known = sql.scalar(_KNOWN, place)
    if known is not None:
        return Repeated(known == digest)
    if standing.outcome or standing.phase != phase or standing.closed or now >= standing.deadline:
        return Late()
    if not _expected(sql, round_id, phase, client, standing.clients):
        return Late()
    kept = sql.scalar(
        _KEEP[sql.dialect.name], place | {"digest": digest, "size": size, "ref": ref, "at": now}
    )
    return Accepted() if kept is not None else Repeated(sql.scalar(_KNOWN, place) == digest)


def heard(sql: Connection, round_id: bytes, phase: str) -> list[tuple[int, str]]:
    """Return (client, body) for each message of a phase, by client."""
    rows = sql.execute(
        select(message.c.client, message.c.ref)
        .where(message.c.round_id == round_id, message.c.phase == phase)
        .order_by(message.c.client)
    )
    return [(row.client, row.ref) for row in rows]


def outgoing(sql: Connection, round_id: bytes, phase: str, client: int) -> str | None:
    """Return the body that a device needs for answering in `phase`."""
    ref: str | None = sql.scalar(_OUTGOING, {"round_id": round_id, "phase": phase, "client": client})
    return ref


def leftovers(sql: Connection, limit: int) -> list[tuple[bytes, list[str]]]:
    """Return rounds that are over and still have messages, and the bodies of these."""
    over = (
        select(rounds.c.id)
        .where(
            rounds.c.outcome != "",
            select(message.c.client).where(message.c.round_id == rounds.c.id).exists()
            | select(outbox.c.client).where(outbox.c.round_id == rounds.c.id).exists(),
        )
        .order_by(rounds.c.ended)
        .limit(limit)
    )
    return [
        (
            round_id,
            [
                ref
                for table in (message, outbox)
                for ref in sql.scalars(select(table.c.ref).where(table.c.round_id == round_id))
            ],
        )
        for round_id in sql.scalars(over).all()
    ]


def clear(sql: Connection, round_id: bytes) -> None:
    """Forget the messages of a round that is over."""
    if sql.scalar(select(rounds.c.outcome).where(rounds.c.id == round_id)) == "":
        raise StoreError("the round still runs: its messages are needed")
    for table in (message, outbox):
        sql.execute(delete(table).where(table.c.round_id == round_id))


def _expected(sql: Connection, round_id: bytes, phase: str, client: int, clients: int) -> bool:
    """Whether the round still counts on a device: it was sent what it needs for this phase."""
    if phase == COLLECTING[0]:
        return client < clients
    return outgoing(sql, round_id, phase, client) is not None
