"""What lists are refined with: keys of the gateway, what was announced, and tokens of questions."""

from collections.abc import Sequence
from typing import Any, final

from sqlalchemy import Connection, bindparam, case, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from confidante.coordinator.store import books, checks
from confidante.coordinator.store.database import Database
from confidante.coordinator.store.tables import gateway_key, log_head, refinement, token_spent
from confidante.coordinator.store.values import GatewayRow, RefinementRow, Spending

_SPEND = {
    "postgresql": postgresql.insert(token_spent)
    .on_conflict_do_nothing()
    .returning(token_spent.c.key_id, token_spent.c.nonce),
    "sqlite": sqlite.insert(token_spent)
    .on_conflict_do_nothing()
    .returning(token_spent.c.key_id, token_spent.c.nonce),
}
_FOR = select(token_spent.c.bound).where(
    token_spent.c.key_id == bindparam("key_id"), token_spent.c.nonce == bindparam("nonce")
)
_MAKE = {
    "postgresql": postgresql.insert(refinement).on_conflict_do_nothing(),
    "sqlite": sqlite.insert(refinement).on_conflict_do_nothing(),
}
_NOTHING = RefinementRow()
_LONGEST = 1000


@final
class RefinementBook:
    """The refinements of all populations. Like `Store`: each method is one transaction; raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keys(self) -> list[GatewayRow]:
        """Return the gateway's keys, the newest last."""
        with self._database.reading() as sql:
            rows = sql.execute(select(gateway_key).order_by(gateway_key.c.number))
            return [GatewayRow(row.number, row.secret, row.made) for row in rows]

    def add_key(self, key: GatewayRow) -> bool:
        """Add a key; False, with nothing done, when there is one of its number or a larger one."""
        checks.exact("a key", key.secret, checks.DIGEST_BYTES)
        checks.moment("now", key.made)
        with self._database.writing() as sql:
            sql.execute(select(log_head.c.number).with_for_update())  # one worker at a time
            newer = select(gateway_key.c.number).where(gateway_key.c.number >= key.number)
            if sql.execute(newer).first() is not None:
                return False
            sql.execute(insert(gateway_key).values(number=key.number, secret=key.secret, made=key.made))
            return True

    def forget_keys(self, before: int) -> None:
        """Forget the keys whose number is smaller."""
        with self._database.writing() as sql:
            sql.execute(delete(gateway_key).where(gateway_key.c.number < before))

    def standing(self, population: str) -> RefinementRow:
        """Return what a population refines with."""
        checks.text("the population", population)
        with self._database.reading() as sql:
            return _standing(sql, population)

    def announce(
        self, population: str, kind: str, said: bytes, inputs: bytes, items: int, after: bytes, now: float
    ) -> bool:
        """Say in the public log, as an entry of this kind, what a population refines with from now on.

        after: what the caller knows to have been said, empty for nothing. Returns False, with nothing done,
        when that is not so: a worker was faster. What was said already is not said again, and the problem is
        gone.
        """
        checks.text("the population", population)
        checks.body("the body of an entry", said)
        checks.exact("a digest", inputs, checks.DIGEST_BYTES)
        checks.moment("now", now)
        with self._database.writing() as sql:
            sql.execute(select(log_head.c.number).with_for_update())  # one worker at a time
            found = _standing(sql, population)
            if found.said != after:
                return False
            values: dict[str, Any] = {"said": said, "inputs": inputs, "items": items, "problem": ""}
            if said != found.said:
                values |= {"previous": found.said, "at": now}
                books.append(sql, kind, said, now)
            _change(sql, population, **values)
            return True

    def note(self, population: str, problem: str) -> None:
        """Keep what is wrong with a newer refinement, empty for nothing."""
        checks.text("the population", population)
        with self._database.writing(durable=False) as sql:
            _change(sql, population, problem=problem[:_LONGEST].replace("\0", ""))

    def asked(self, population: str, day: int, by: int) -> None:
        """Count questions that were answered on a day, days since 1970."""
        checks.text("the population", population)
        with self._database.writing(durable=False) as sql:
            count = case((refinement.c.day == day, refinement.c.asked + by), else_=by)
            _change(sql, population, day=day, asked=count)

    def spend(self, tokens: Sequence[Spending]) -> list[bytes | None]:
        """Spend tokens; return for each None, or what it was spent for before."""
        with self._database.writing(durable=False) as sql:
            return [_spend(sql, one) for one in tokens]


def _standing(sql: Connection, population: str) -> RefinementRow:
    row = sql.execute(select(refinement).where(refinement.c.population == population)).one_or_none()
    if row is None:
        return _NOTHING
    return RefinementRow(**{name: row._mapping[name] for name in RefinementRow.__slots__})


def _change(sql: Connection, population: str, **values: Any) -> None:
    nothing = {name: getattr(_NOTHING, name) for name in RefinementRow.__slots__}
    sql.execute(_MAKE[sql.dialect.name], {"population": population, **nothing})
    sql.execute(update(refinement).where(refinement.c.population == population).values(**values))


def _spend(sql: Connection, token: Spending) -> bytes | None:
    row = {"key_id": token.key_id, "nonce": token.nonce, "bound": token.bound, "seated": True}
    if sql.execute(_SPEND[sql.dialect.name], row).first() is not None:
        return None
    return bytes(sql.execute(_FOR, {"key_id": token.key_id, "nonce": token.nonce}).scalar_one())
