"""Many check-ins in one transaction: each device waits and spends its token, both or neither.

A device is seen whenever it checks in, and while its check-in is held. Who is not seen waits no more.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from confidante.coordinator.store.tables import pool, rounds, seated, token_spent
from confidante.coordinator.store.values import Joining, Spending

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
_RUNNING = select(rounds.c.id).where(rounds.c.outcome == "")
_SPENT = select(token_spent.c.bound, token_spent.c.seated).where(
    token_spent.c.key_id == bindparam("key_id"), token_spent.c.nonce == bindparam("nonce")
)
_JOIN = {
    "postgresql": postgresql.insert(pool).on_conflict_do_nothing().returning(pool.c.identity),
    "sqlite": sqlite.insert(pool).on_conflict_do_nothing().returning(pool.c.identity),
}
SPEND = {
    "postgresql": postgresql.insert(token_spent)
    .on_conflict_do_nothing()
    .returning(token_spent.c.key_id, token_spent.c.nonce),
    "sqlite": sqlite.insert(token_spent)
    .on_conflict_do_nothing()
    .returning(token_spent.c.key_id, token_spent.c.nonce),
}
"""Spends tokens, by the database's sort; returns those that were not spent before."""


def known(sql: Connection, identities: Sequence[bytes]) -> tuple[dict[bytes, bytes], set[bytes]]:
    """Return the running rounds of those who sit in one, and who waits."""
    asked = {"identities": list(set(identities))}
    rounds = {row.identity: row.round_id for row in sql.execute(_SEATED, asked)}
    return rounds, set(sql.scalars(_WAITING, asked))


def running(sql: Connection) -> set[bytes]:
    """Return the rounds that run."""
    return set(sql.scalars(_RUNNING))


def see(sql: Connection, asked: Sequence[Joining], now: float) -> None:
    """Note that devices which wait asked again, and what they take on now."""
    rows = {one.identity: one for one in asked}
    sql.execute(
        _SEEN,
        [
            {"who": who, "now": now, "how": rows[who].tier, "what": " ".join(rows[who].purposes)}
            for who in sorted(rows)
        ],
    )


def vanish(sql: Connection, gone: Sequence[tuple[bytes, float]]) -> None:
    """Let go of devices that wait, by identity, unless they were seen again later than then."""
    sql.execute(_VANISHED, [{"who": who, "last": last} for who, last in sorted(gone)])


def admit(sql: Connection, asked: Sequence[Joining], now: float) -> list[bool]:
    """Let devices wait; False for those whose token was spent before, or who ask for two things at once.

    An identity is let in once: with the first of what it asks for here, and on no token but that one's.
    """
    first: dict[bytes, Joining] = {}
    for one in asked:
        first.setdefault(one.identity, one)
    # Sorted: two processes that let the same devices in wait for each other, and never both at once.
    rows = [_row(first[who], now) for who in sorted(first)]
    joined = set(sql.scalars(_JOIN[sql.dialect.name], rows))
    # After the insert, not before: it waits for a round that is being opened to take a device away.
    taken = {row.identity for row in sql.execute(_SEATED, {"identities": list(first)})}
    # Who is being seated just now has a token that looks used up.
    good = _spend(sql, [one.spending for who, one in first.items() if one.spending and who not in taken])
    well = {who for who, one in first.items() if one.spending is None or one.spending in good}
    gone = taken | (joined - well)
    if gone:
        sql.execute(_LEAVE, {"identities": list(gone)})
    return [one.identity in taken or (one.identity in well and one == first[one.identity]) for one in asked]


def _spend(sql: Connection, tokens: Sequence[Spending]) -> set[Spending]:
    """Spend tokens, and return which are good: new ones, and those spent for the same and not yet seated."""
    first: dict[tuple[bytes, bytes], Spending] = {}
    for one in tokens:
        first.setdefault((one.key_id, one.nonce), one)
    if not first:
        return set()
    new = sql.execute(SPEND[sql.dialect.name], [_spending_row(first[name]) for name in sorted(first)])
    good = {first[row.key_id, row.nonce] for row in new}
    for one in {*tokens} - good:
        found = sql.execute(_SPENT, {"key_id": one.key_id, "nonce": one.nonce}).one_or_none()
        if found is not None and found.bound == one.bound and not found.seated:
            good.add(one)
    return good


def _row(one: Joining, now: float) -> dict[str, Any]:
    return {
        "identity": one.identity,
        "population": one.population,
        "seat": one.seat,
        "since": now,
        "seen": now,
        "tier": one.tier,
        "purposes": " ".join(one.purposes),
    }


def _spending_row(one: Spending) -> dict[str, Any]:
    return {"key_id": one.key_id, "nonce": one.nonce, "bound": one.bound, "seated": False}
