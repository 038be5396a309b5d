"""What rounds took out of a population's budget: written once, for good."""

from typing import final

from sqlalchemy import ColumnElement, Connection, insert, literal, select

from confidante.coordinator.store import checks
from confidante.coordinator.store.database import Database
from confidante.coordinator.store.tables import payment, rounds
from confidante.coordinator.store.values import Payment


@final
class Payments:
    """What was paid for. Like `Store`: each method is one transaction; raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, population: str) -> list[Payment]:
        """Return all that was ever paid, oldest first."""
        checks.text("the population", population)
        paid = select(payment.c.noise_multiplier, payment.c.share).where(payment.c.population == population)
        with self._database.reading() as sql:
            return [Payment(*row) for row in sql.execute(paid.order_by(payment.c.number))]

    def spent(self, population: str) -> list[float]:
        """Return the noise multipliers of all that was ever paid, oldest first."""
        return [one.noise_multiplier for one in self.all(population)]


def pay(sql: Connection, *which: ColumnElement[bool], now: float) -> None:
    """Take what these rounds cost out of the budget, in the order in which they were opened."""
    cost = (rounds.c.id, rounds.c.population, rounds.c.noise_multiplier, rounds.c.share, literal(now))
    names = ("round_id", "population", "noise_multiplier", "share", "at")
    sql.execute(insert(payment).from_select(names, select(*cost).where(*which).order_by(rounds.c.number)))
