"""Keys of anonymous tokens, who was given how many, and which were spent."""

from collections.abc import Collection
from typing import Any, final

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from confidante.coordinator.store import checks, public_log
from confidante.coordinator.store.database import Database
from confidante.coordinator.store.tables import (
    log_head,
    revoked,
    token_given,
    token_key,
    token_secret,
    token_spent,
)
from confidante.coordinator.store.values import TokenKeyRow

_SECRET = {
    "postgresql": postgresql.insert(token_secret).on_conflict_do_nothing(),
    "sqlite": sqlite.insert(token_secret).on_conflict_do_nothing(),
}
_LASTING = -1  # the epoch of a secret that outlives epochs
_CHUNK = 500


@final
class TokenRepository:
    """The tokens of all populations. Like `Store`: each method is one transaction; raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keys(self, population: str) -> list[TokenKeyRow]:
        """Return the keys that are kept, the newest last."""
        checks.text("the population", population)
        with self._database.reading() as sql:
            return _keys(sql, population)

    def add_key(self, population: str, key: TokenKeyRow, kind: str, after: bytes | None) -> bool:
        """Add a key, and what is said of it to the public log, as an entry of this kind.

        after: name of the newest key that the caller knows. Returns False, with nothing done, when there is
        another one: a worker was faster.
        """
        checks.text("the population", population)
        checks.text("the kind", kind)
        checks.body("the body of an entry", key.said)
        checks.exact("the name of a key", key.id, checks.DIGEST_BYTES)
        checks.exact("a key", key.secret, checks.DIGEST_BYTES)
        checks.moment("now", key.made)
        with self._database.writing() as sql:
            return _add_key(sql, population, key, kind, after)

    def forget(self, population: str, epoch: int, keys: list[bytes]) -> None:
        """Forget who was given tokens before `epoch`, and some keys with all that was spent of them."""
        checks.text("the population", population)
        with self._database.writing() as sql:
            _forget(sql, population, epoch, keys)

    def secret(self, population: str, epoch: int | None, fresh: bytes) -> bytes:
        """Return the 32 secret bytes of an epoch (None: of all); at the first call they become `fresh`."""
        checks.text("the population", population)
        checks.exact("a secret", fresh, checks.DIGEST_BYTES)
        with self._database.writing() as sql:
            return _secret(sql, population, epoch, fresh)

    def give(
        self, population: str, epoch: int, subject: bytes, request: bytes, count: int, most: int
    ) -> bool:
        """Note that a subject is given `count` tokens; False, with nothing noted, when it had too many.

        subject, request: 32 bytes each. The same request counts once, and is heard `most` times at the most.
        """
        checks.text("the population", population)
        checks.exact("a subject", subject, checks.DIGEST_BYTES)
        checks.exact("a request", request, checks.DIGEST_BYTES)
        with self._database.writing() as sql:
            return _give(sql, population, epoch, subject, request, count, most)

    def revoke(self, population: str, names: Collection[bytes]) -> int:
        """Let invitations of these numbers be good for nothing; return how many were good before."""
        checks.text("the population", population)
        with self._database.writing() as sql:
            found = sql.scalars(select(revoked.c.name).where(revoked.c.population == population))
            fresh = set(names) - set(found)
            if fresh:
                sql.execute(insert(revoked), [{"population": population, "name": name} for name in fresh])
            return len(fresh)

    def revoked(self, population: str, name: bytes) -> bool:
        """Whether the invitation of this number was revoked."""
        where = (revoked.c.population == population, revoked.c.name == name)
        with self._database.reading() as sql:
            return sql.execute(select(revoked.c.name).where(*where)).first() is not None


def _keys(sql: Connection, population: str) -> list[TokenKeyRow]:
    """Return the keys of a population, the newest last."""
    rows = sql.execute(
        select(token_key).where(token_key.c.population == population).order_by(token_key.c.made)
    )
    return [TokenKeyRow(row.id, row.secret, row.said, row.made) for row in rows]


def _add_key(sql: Connection, population: str, key: TokenKeyRow, kind: str, after: bytes | None) -> bool:
    """Add a key with its entry of the public log; False when `after` is not the newest."""
    sql.execute(select(log_head.c.number).with_for_update())  # one worker at a time
    kept = _keys(sql, population)
    if (kept[-1].id if kept else None) != after:
        return False
    sql.execute(
        insert(token_key).values(
            id=key.id, population=population, secret=key.secret, said=key.said, made=key.made
        )
    )
    public_log.append(sql, kind, key.said, key.made)
    return True


def _forget(sql: Connection, population: str, epoch: int, old: list[bytes]) -> None:
    """Forget what belongs to epochs that are over."""
    for table in (token_given, token_secret):
        sql.execute(
            delete(table).where(
                table.c.population == population, table.c.epoch < epoch, table.c.epoch != _LASTING
            )
        )
    if old:
        sql.execute(delete(token_spent).where(token_spent.c.key_id.in_(old)))
        sql.execute(delete(token_key).where(token_key.c.id.in_(old)))


def _secret(sql: Connection, population: str, epoch: int | None, fresh: bytes) -> bytes:
    """Return the secret of an epoch (None: of all epochs); `fresh` when there was none."""
    row = {"population": population, "epoch": _LASTING if epoch is None else epoch}
    sql.execute(_SECRET[sql.dialect.name], {**row, "value": fresh})
    found = select(token_secret.c.value).where(
        token_secret.c.population == row["population"], token_secret.c.epoch == row["epoch"]
    )
    return bytes(sql.execute(found).scalar_one())


def _give(
    sql: Connection, population: str, epoch: int, subject: bytes, request: bytes, count: int, most: int
) -> bool:
    """Note that a subject is given `count` tokens for a request; False when that is more than `most` in all.

    The same request counts once, and is heard `most` times at the most.
    """
    who: dict[str, Any] = {"population": population, "epoch": epoch, "subject": subject}
    of_subject = [token_given.c[name] == value for name, value in who.items()]
    if sql.dialect.name == "postgresql":  # of one subject one request at a time, or two could pass the limit
        sql.execute(select(func.pg_advisory_xact_lock(int.from_bytes(subject[:8], signed=True))))
    again = (
        update(token_given)
        .where(*of_subject, token_given.c.request == request, token_given.c.times < most)
        .values(times=token_given.c.times + 1)
    )
    if sql.execute(again).rowcount:
        return True
    rows = sql.execute(
        select(token_given.c.request, token_given.c.count.label("given")).where(*of_subject)
    ).all()
    if any(row.request == request for row in rows) or sum(row.given for row in rows) + count > most:
        return False
    sql.execute(insert(token_given).values(**who, request=request, count=count, times=1))
    return True


def seat(sql: Connection, bound: list[bytes]) -> None:
    """Use up the tokens that are bound to these: they sit in a round now."""
    for start in range(0, len(bound), _CHUNK):
        some = token_spent.c.bound.in_(bound[start : start + _CHUNK])
        sql.execute(update(token_spent).where(some).values(seated=True))
