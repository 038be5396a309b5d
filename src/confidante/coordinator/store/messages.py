"""What devices said in a phase, and what each finds there for it."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, final

from sqlalchemy import BindParameter, Connection, Table, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

from confidante.coordinator.store import checks
from confidante.coordinator.store.database import Database
from confidante.coordinator.store.tables import message, outbox, rounds
from confidante.coordinator.store.values import COLLECTING, Accepted, Late, Repeated, Sent, Standing
from confidante.core.errors import StoreError


def _at(table: Table) -> tuple[ColumnElement[bool], ...]:
    return table.c.round_id == bindparam("round_id"), table.c.phase == bindparam("phase")


# Made once: building them costs more than running them.
_STANDING = (
    select(rounds.c.phase, rounds.c.closed, rounds.c.deadline, rounds.c.clients, rounds.c.expected)
    .where(rounds.c.id == bindparam("round_id"), rounds.c.outcome == "")
    .with_for_update(read=True)
)
_SOME: BindParameter[int] = bindparam("clients", expanding=True)
_KNOWN = select(message.c.client, message.c.digest).where(*_at(message), message.c.client.in_(_SOME))
_SENT_TO = select(outbox.c.client).where(*_at(outbox), outbox.c.client.in_(_SOME))
_HEARD = select(func.count()).select_from(message).where(*_at(message))
_OUTGOING = select(outbox.c.ref).where(*_at(outbox), outbox.c.client == bindparam("client"))
_SAID = select(message.c.digest).where(*_at(message), message.c.client == bindparam("client"))
_STANDS = select(
    *(rounds.c[name] for name in ("phase", "deadline", "reason")),
    _OUTGOING.scalar_subquery().label("incoming"),
    _SAID.scalar_subquery().label("said"),
).where(rounds.c.id == bindparam("round_id"))
# RETURNING, as the count of rows is not told of an INSERT.
_KEEP = {
    "postgresql": postgresql.insert(message).on_conflict_do_nothing().returning(message.c.client),
    "sqlite": sqlite.insert(message).on_conflict_do_nothing().returning(message.c.client),
}


@final
class Messages:
    """What devices said. Like `Store`: each method is one transaction; raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accept(self, sent: Sequence[Sent], now: float) -> list[Accepted | Repeated | Late]:
        """Keep what devices said, and return what came of each.

        Only the first message of a device in a phase counts.
        """
        for one in sent:
            checks.phase(one.phase)
            checks.client(one.client)
            checks.exact("a digest", one.digest, checks.DIGEST_BYTES)
            checks.size(one.size)
            checks.reference(one.ref)
        checks.moment("now", now)
        with self._database.writing() as sql:
            verdicts: list[Accepted | Repeated | Late] = [Late()] * len(sent)
            places: dict[tuple[bytes, str], list[int]] = {}
            for place, one in enumerate(sent):
                places.setdefault((one.round_id, one.phase), []).append(place)
            for (round_id, phase), some in sorted(places.items()):
                for place, verdict in zip(
                    some, _accept(sql, round_id, phase, [sent[place] for place in some], now), strict=True
                ):
                    verdicts[place] = verdict
            return verdicts

    def standing(self, round_id: bytes, phase: str = COLLECTING[0], index: int = 0) -> Standing | None:
        """Return where a round stands, with what device `index` needs for answering in `phase`."""
        checks.phase(phase)
        checks.client(index)
        with self._database.reading() as sql:
            row = sql.execute(_STANDS, {"round_id": round_id, "phase": phase, "client": index}).one_or_none()
            return (
                None if row is None else Standing(row.phase, row.deadline, row.reason, row.incoming, row.said)
            )

    def heard(self, round_id: bytes, phase: str) -> list[tuple[int, str]]:
        """Return (index, body) of what was accepted in a phase, by index."""
        checks.phase(phase)
        with self._database.reading() as sql:
            rows = sql.execute(
                select(message.c.client, message.c.ref)
                .where(message.c.round_id == round_id, message.c.phase == phase)
                .order_by(message.c.client)
            )
            return [(row.client, row.ref) for row in rows]

    def leftovers(self, limit: int = 10) -> list[tuple[bytes, list[str]]]:
        """Return rounds that are over and still keep messages, each with their bodies.

        Delete the bodies, then `clear` the round: killed in between, it is simply done again.
        """
        checks.client(limit)
        with self._database.reading() as sql:
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

    def clear(self, round_id: bytes) -> None:
        """Forget all that devices said, and were told, in a round that is over."""
        with self._database.writing() as sql:
            if sql.scalar(select(rounds.c.outcome).where(rounds.c.id == round_id)) == "":
                raise StoreError("the round still runs: its messages are needed")
            for table in (message, outbox):
                sql.execute(delete(table).where(table.c.round_id == round_id))

    def forget_seats(self, before: float) -> int:
        """Forget who sat in rounds that ended before; the counts stay. Return how many rounds these were."""
        checks.moment("before", before)
        with self._database.writing() as sql:
            kept = func.length(rounds.c.survivors).label("kept")
            over = select(rounds.c.id, kept).where(rounds.c.outcome != "", rounds.c.ended < before)
            found = sql.execute(over.where(func.length(rounds.c.roster) > 0)).all()
            for row in found:
                gone = {"roster": b"", "seats": b"", "survivors": bytes(row.kept)}  # its length is the count
                sql.execute(update(rounds).where(rounds.c.id == row.id).values(**gone))
            return len(found)


def _accept(
    sql: Connection, round_id: bytes, phase: str, sent: list[Sent], now: float
) -> list[Accepted | Repeated | Late]:
    # FOR SHARE: who claims the round waits for us or is seen by us, so that a message that was accepted is in
    # every replay of the phase and one that comes too late is in none.
    standing = sql.execute(_STANDING, {"round_id": round_id}).one_or_none()
    where: dict[str, Any] = {"round_id": round_id, "phase": phase}
    known = _known(sql, where, sent)
    kept: dict[int, Sent] = {}
    heard = expected = 0
    if standing is not None and standing.phase == phase and not standing.closed and now < standing.deadline:
        fresh = {one.client: one for one in reversed(sent) if one.client not in known}
        counted_on = _counted_on(sql, where, fresh, standing.clients)
        rows = [asdict(one) | {"at": now} for client, one in sorted(fresh.items()) if client in counted_on]
        if rows:
            kept = {client: fresh[client] for client in sql.scalars(_KEEP[sql.dialect.name], rows)}
            heard, expected = sql.scalar(_HEARD, where) or 0, standing.expected
            if len(kept) < len(rows):  # another process was first
                known |= _known(sql, where, sent)
            known |= {client: one.digest for client, one in kept.items()}
    verdicts: list[Accepted | Repeated | Late] = []
    for one in sent:
        if kept.get(one.client) is one:
            verdicts.append(Accepted(complete=heard >= expected))
        elif one.client in known:
            verdicts.append(Repeated(known[one.client] == one.digest))
        else:
            verdicts.append(Late())
    return verdicts


def _known(sql: Connection, where: dict[str, Any], sent: list[Sent]) -> dict[int, bytes]:
    rows = sql.execute(_KNOWN, where | {"clients": [one.client for one in sent]})
    return {row.client: row.digest for row in rows}


def _counted_on(sql: Connection, where: dict[str, Any], asked: Iterable[int], clients: int) -> set[int]:
    """Return the devices that the round still counts on: they were sent what they need for this phase."""
    if where["phase"] == COLLECTING[0]:
        return {client for client in asked if client < clients}
    return set(sql.scalars(_SENT_TO, where | {"clients": list(asked)}))
