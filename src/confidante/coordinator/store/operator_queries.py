"""What an operator looks at, without the rosters and messages that make rounds large, and what they say."""

from typing import Any, final

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from confidante.coordinator.store import checks
from confidante.coordinator.store.database import Database
from confidante.coordinator.store.rounds import HEARD
from confidante.coordinator.store.tables import counter, flag, pool, rounds
from confidante.coordinator.store.values import RoundFacts, Waiters

_INDEX = 4  # bytes of a survivor
_COLUMNS = (
    *(rounds.c[name] for name in ("id", "population", "task", "phase", "deadline", "expected", "clients")),
    *(rounds.c[name] for name in ("outcome", "reason", "opened", "ended")),
    func.length(rounds.c.survivors).label("survivors"),
    rounds.c.noise_multiplier,
    HEARD.label("heard"),
)
_LOGGED_OUT = "logged out"


@final
class OperatorQueries:
    """The operator's view. Like `Store`: each method is one transaction; raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rounds(self, population: str, limit: int = 100) -> list[RoundFacts]:
        """Return the rounds of a population, the newest first, without what makes them large."""
        checks.text("the population", population)
        checks.client(limit)
        with self._database.reading() as sql:
            wanted = select(*_COLUMNS).where(rounds.c.population == population)
            found = sql.execute(wanted.order_by(rounds.c.number.desc()).limit(limit))
            return [_facts(row._mapping) for row in found]

    def round(self, round_id: bytes) -> RoundFacts | None:
        """Return one round so, None when there is none."""
        with self._database.reading() as sql:
            row = sql.execute(select(*_COLUMNS).where(rounds.c.id == round_id)).one_or_none()
            return None if row is None else _facts(row._mapping)

    def outcomes(self) -> dict[tuple[str, str], int]:
        """Return how many rounds there are by population and outcome (running, published, aborted)."""
        with self._database.reading() as sql:
            counted = select(rounds.c.population, rounds.c.outcome, func.count().label("n"))
            grouped = counted.group_by(rounds.c.population, rounds.c.outcome)
            return {(row.population, row.outcome or "running"): row.n for row in sql.execute(grouped)}

    def waiters(self, population: str, seen: float) -> list[Waiters]:
        """Return how many devices of a population wait, by tier: those that were seen at `seen` or later."""
        checks.text("the population", population)
        checks.moment("seen", seen)
        with self._database.reading() as sql:
            counted = select(pool.c.tier, func.count().label("n"))
            there = counted.where(pool.c.population == population, pool.c.seen >= seen)
            grouped = there.group_by(pool.c.tier).order_by(pool.c.tier)
            return [Waiters(population, row.tier, row.n) for row in sql.execute(grouped)]

    def counts(self) -> dict[str, int]:
        """Return every counter."""
        with self._database.reading() as sql:
            return {row.event: row.value for row in sql.execute(select(counter).order_by(counter.c.event))}

    def paused(self, population: str) -> bool:
        """Whether the operator wants no new round of a population."""
        with self._database.reading() as sql:
            return bool(_flags(sql).get(f"paused {population}"))

    def pause(self, population: str, paused: bool) -> None:
        """Open no new round of a population, or go on. A round that runs is not touched."""
        checks.text("the population", population, 190)
        with self._database.writing() as sql:
            _set_flag(sql, f"paused {population}", "yes" if paused else "")

    def gave_up(self, population: str) -> str:
        """Return after which round a population paused itself last, empty if it never did."""
        with self._database.reading() as sql:
            return _flags(sql).get(f"gave up {population}", "")

    def give_up(self, population: str, after: str) -> bool:
        """Pause a population after a round; False, nothing done, when it was paused for this one before."""
        checks.text("the population", population, 190)
        with self._database.writing() as sql:
            if _flags(sql).get(f"gave up {population}") == after:
                return False
            _set_flag(sql, f"gave up {population}", after)
            _set_flag(sql, f"paused {population}", "yes")
            return True

    def sessions_ended(self) -> int:
        """Return when somebody logged out last, in milliseconds since 1970; 0 when nobody did."""
        with self._database.reading() as sql:
            return int(_flags(sql).get(_LOGGED_OUT, "0"))

    def end_sessions(self, now: int) -> None:
        """Let no session that began up to now (milliseconds since 1970) go on."""
        with self._database.writing() as sql:
            _set_flag(sql, _LOGGED_OUT, str(now))


def _flags(sql: Connection) -> dict[str, str]:
    """Return all flags."""
    return {row.name: row.value for row in sql.execute(select(flag).order_by(flag.c.name))}


def _set_flag(sql: Connection, name: str, value: str) -> None:
    """Set a flag, or change it."""
    insert = (postgresql.insert if sql.dialect.name == "postgresql" else sqlite.insert)(flag)
    made = insert.values(name=name, value=value)
    sql.execute(made.on_conflict_do_update(index_elements=[flag.c.name], set_={"value": value}))


def _facts(row: Any) -> RoundFacts:
    return RoundFacts(
        **{name: row[name] for name in RoundFacts.__slots__ if name != "survivors"},
        survivors=(row["survivors"] or 0) // _INDEX,
    )
