"""What lists are refined with: keys of the gateway, what was announced, and tokens of questions."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, final

from sqlalchemy import Connection, bindparam, case, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from confidante.coordinator.store import checks, public_log
from confidante.coordinator.store.database import Database
from confidante.coordinator.store.tables import gateway_key, log, log_head, refinement, token_spent
from confidante.coordinator.store.values import GatewayRow, RefinementRow, Spending
from confidante.coordinator.store.waiting_pool import SPEND
from confidante.core.errors import StoreError

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
class RefinementRepository:
    """The refinements of all populations. Like `Store`: each method is one transaction; raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keys(self) -> list[GatewayRow]:
        """Return the gateway's keys, the newest last."""
        with self._database.reading() as sql:
            return _keys(sql)

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
        self,
        population: str,
        kind: str,
        say: Callable[[GatewayRow], bytes],
        inputs: bytes,
        items: int,
        after: bytes,
        now: float,
        *,
        renewed: bool,
        least: float,
    ) -> bool:
        """Say in the public log, as an entry of this kind, what a population refines with from now on.

        say: returns what to say, given the newest key, so that nobody says an older one after it. after: what
        the caller knows to have been said, empty for nothing. renewed: whether the vectors are others.
        least: seconds between two entries. Returns False, with nothing done, when something else was said by
        now, or it is too soon. What was said already is not said again, and the problem is gone.
        """
        checks.text("the population", population)
        checks.exact("a digest", inputs, checks.DIGEST_BYTES)
        checks.moment("now", now)
        with self._database.writing() as sql:
            sql.execute(select(log_head.c.number).with_for_update())  # one worker at a time
            found, keys = _standing(sql, population), _keys(sql)
            if found.said != after:
                return False
            if not keys:
                raise StoreError("the gateway's key is gone: restart the coordinator", retry=True)
            said = checks.body("the body of an entry", say(keys[-1]))
            values: dict[str, Any] = {"said": said, "inputs": inputs, "items": items, "problem": ""}
            if said != found.said:
                if found.said and now < _said_at(sql, kind, found.said) + least:
                    return False
                if renewed:
                    values |= {"previous": found.said, "at": now}
                public_log.append(sql, kind, said, now)
            _change(sql, population, **values)
            return True

    def said_at(self, kind: str, said: bytes) -> float:
        """Return when the public log said this last, seconds since 1970; -inf when it never did."""
        with self._database.reading() as sql:
            return _said_at(sql, kind, said)

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
        """Spend tokens; return for each None, or what it was spent for before.

        That is empty when its key was forgotten at this very moment, with all that was spent of it.
        """
        order = sorted(range(len(tokens)), key=lambda place: (tokens[place].key_id, tokens[place].nonce))
        found = list[bytes | None]([None] * len(tokens))
        with self._database.writing(durable=False) as sql:
            for place in order:  # the same for all: two that spend some of the same would wait for each other
                found[place] = _spend(sql, tokens[place])
        return found


def _keys(sql: Connection) -> list[GatewayRow]:
    rows = sql.execute(select(gateway_key).order_by(gateway_key.c.number))
    return [GatewayRow(row.number, row.secret, row.made) for row in rows]


def _said_at(sql: Connection, kind: str, said: bytes) -> float:
    newest = select(log.c.at).where(log.c.kind == kind, log.c.body == said)
    found = sql.execute(newest.order_by(log.c.number.desc()).limit(1)).scalar_one_or_none()
    return -math.inf if found is None else float(found)


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
    if sql.execute(SPEND[sql.dialect.name], asdict(token) | {"seated": True}).first() is not None:
        return None
    bound = sql.execute(_FOR, {"key_id": token.key_id, "nonce": token.nonce}).scalar_one_or_none()
    return b"" if bound is None else bytes(bound)
