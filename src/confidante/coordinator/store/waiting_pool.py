"""Devices that wait to be chosen: many check-ins in one transaction.

Each device waits and spends its token, both or neither. It is seen whenever it checks in, and while its
check-in is held. Who is not seen waits no more.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, final

from sqlalchemy import BindParameter, Connection, Row, bindparam, delete, func, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from confidante.coordinator.store import checks
from confidante.coordinator.store.database import Database
from confidante.coordinator.store.tables import pool, seated, token_spent
from confidante.coordinator.store.values import Joining, Spending, Waiting

_COLUMNS = (pool.c.identity, pool.c.seat, pool.c.since, pool.c.tier, pool.c.purposes, pool.c.seen)
# Made once: building them costs more than running them.
_SOME: BindParameter[bytes] = bindparam("identities", expanding=True)
_SEATED = select(seated.c.identity, seated.c.round_id).where(seated.c.identity.in_(_SOME))
_WAITING = select(pool.c.identity).where(pool.c.identity.in_(_SOME))
_LEAVE = delete(pool).where(pool.c.identity.in_(_SOME))
_VANISHED = delete(pool).where(pool.c.identity == bindparam("who"), pool.c.seen <= bindparam("last"))
_SEEN = (
    update(pool)
    .where(pool.c.identity == bindparam("who"))
    .values(seen=bindparam("now"), tier=bindparam("how"), purposes=bindparam("what"))
)
_SPENT = select(token_spent.c.bound, token_spent.c.seated).where(
    token_spent.c.key_id == bindparam("key_id"), token_spent.c.nonce == bindparam("nonce")
)
_JOIN = {
    "postgresql": postgresql.insert(pool).on_conflict_do_nothing().returning(pool.c.identity),
    "sqlite": sqlite.insert(pool).on_conflict_do_nothing().returning(pool.c.identity),
}
SPEND = {
    name: insert(token_spent).on_conflict_do_nothing().returning(token_spent.c.key_id, token_spent.c.nonce)
    for name, insert in (("postgresql", postgresql.insert), ("sqlite", sqlite.insert))
}
"""Spends tokens, by the database's sort; returns those that were not spent before."""


@final
class WaitingPool:
    """Devices that wait for a round. Like `Store`: each method is one transaction; raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def admit(self, asked: Sequence[Joining], now: float) -> list[bool]:
        """Let devices wait, and spend their tokens; a device does both or neither.

        Who waits already goes on waiting as it did, with the seat it had; who sits in a running round does
        not wait. A power cut may undo it: the device comes again. Returns False for those whose token was
        spent by another check-in, or has had its seat in a round.
        """
        for one in asked:
            checks.text("the population", one.population)
            checks.exact("an identity", one.identity, checks.IDENTITY_BYTES)
            checks.exact("a seat", one.seat, checks.SEAT_BYTES)
            checks.text("the tier", one.tier, 20)
        checks.moment("now", now)
        with self._database.writing(durable=False) as sql:
            first: dict[bytes, Joining] = {}
            for one in asked:
                first.setdefault(one.identity, one)
            # Sorted: two processes that let the same devices in wait for each other, and never both at once.
            rows = [_row(first[who], now) for who in sorted(first)]
            joined = set(sql.scalars(_JOIN[sql.dialect.name], rows))
            # After the insert, not before: it waits for a round that is being opened to take a device away.
            taken = {row.identity for row in sql.execute(_SEATED, {"identities": list(first)})}
            # Who is being seated just now has a token that looks used up.
            good = _spend(
                sql, [one.spending for who, one in first.items() if one.spending and who not in taken]
            )
            well = {who for who, one in first.items() if one.spending is None or one.spending in good}
            gone = taken | (joined - well)
            if gone:
                sql.execute(_LEAVE, {"identities": list(gone)})
            return [
                one.identity in taken or (one.identity in well and one == first[one.identity])
                for one in asked
            ]

    def see(self, asked: Sequence[Joining], now: float) -> None:
        """Note that devices which wait asked again, and what they take on. Who waits no more stays out."""
        checks.moment("now", now)
        with self._database.writing(durable=False) as sql:
            rows = {one.identity: one for one in asked}
            sql.execute(
                _SEEN,
                [
                    {"who": who, "now": now, "how": rows[who].tier, "what": " ".join(rows[who].purposes)}
                    for who in sorted(rows)
                ],
            )

    def remove(self, gone: Sequence[tuple[bytes, float]]) -> None:
        """Let devices that wait go, by identity, unless they were seen later than at the time given."""
        with self._database.writing(durable=False) as sql:
            sql.execute(_VANISHED, [{"who": who, "last": last} for who, last in sorted(gone)])

    def known(self, identities: Sequence[bytes]) -> tuple[dict[bytes, bytes], set[bytes]]:
        """Return the running rounds of those devices that sit in one, and those that wait."""
        with self._database.reading() as sql:
            asked = {"identities": list(set(identities))}
            rounds = {row.identity: row.round_id for row in sql.execute(_SEATED, asked)}
            return rounds, set(sql.scalars(_WAITING, asked))

    def all(self, population: str) -> list[Waiting]:
        """Return who waits, the longest first."""
        checks.text("the population", population)
        with self._database.reading() as sql:
            chosen = select(*_COLUMNS).where(pool.c.population == population)
            return [_waiting(row) for row in sql.execute(chosen.order_by(pool.c.since, pool.c.identity))]

    def count(self, population: str, seen: float, tier: str, purpose: str) -> tuple[int, int]:
        """Return how many of a tier (empty: any) wait for a purpose, and how many were last seen before."""
        checks.text("the population", population)
        checks.moment("seen", seen)
        with self._database.reading() as sql:
            there = pool.c.seen >= seen
            fit = there & pool.c.purposes.contains(purpose) & ((pool.c.tier == tier) if tier else true())
            counted = select(func.count().filter(fit), func.count().filter(~there))
            found = sql.execute(counted.select_from(pool).where(pool.c.population == population)).one()
            return found[0], found[1]

    def sizes(self) -> dict[str, int]:
        """Return how many rows each population has, of devices that left as well."""
        with self._database.reading() as sql:
            counted = select(pool.c.population, func.count().label("n")).group_by(pool.c.population)
            return {row.population: row.n for row in sql.execute(counted)}

    def forget(self, population: str, before: float) -> int:
        """Let go of devices last seen before `before`, and return how many; they may join again."""
        checks.text("the population", population)
        checks.moment("before", before)
        with self._database.writing() as sql:
            self._database.one_at_a_time(sql)
            gone = delete(pool).where(pool.c.population == population, pool.c.seen < before)
            return sql.execute(gone).rowcount


def _spend(sql: Connection, tokens: Sequence[Spending]) -> set[Spending]:
    """Spend tokens, and return which are good: new ones, and those spent for the same and not yet seated."""
    first: dict[tuple[bytes, bytes], Spending] = {}
    for one in tokens:
        first.setdefault((one.key_id, one.nonce), one)
    if not first:
        return set()
    new = sql.execute(
        SPEND[sql.dialect.name], [asdict(first[name]) | {"seated": False} for name in sorted(first)]
    )
    good = {first[row.key_id, row.nonce] for row in new}
    for one in {*tokens} - good:
        found = sql.execute(_SPENT, {"key_id": one.key_id, "nonce": one.nonce}).one_or_none()
        if found is not None and found.bound == one.bound and not found.seated:
            good.add(one)
    return good


def _row(one: Joining, now: float) -> dict[str, Any]:
    said = {name: getattr(one, name) for name in ("identity", "population", "seat", "tier")}
    return {**said, "since": now, "seen": now, "purposes": " ".join(one.purposes)}


def _waiting(row: Row[*tuple[Any, ...]]) -> Waiting:
    return Waiting(row.identity, row.seat, row.since, row.tier, tuple(row.purposes.split()), row.seen)
