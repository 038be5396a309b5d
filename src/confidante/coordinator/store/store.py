"""The store: all that a coordinator must not forget. Workers share it and keep nothing themselves."""

from typing import Self, final

from confidante.coordinator.store.database import Database
from confidante.coordinator.store.messages import Messages
from confidante.coordinator.store.operator_queries import OperatorQueries
from confidante.coordinator.store.payments import Payments
from confidante.coordinator.store.public_log import PublicLog
from confidante.coordinator.store.references import references
from confidante.coordinator.store.refinement import RefinementRepository
from confidante.coordinator.store.rounds import Rounds
from confidante.coordinator.store.tokens import TokenRepository
from confidante.coordinator.store.waiting_pool import WaitingPool


@final
class Store:
    """One database, a repository for each kind of thing in it.

    Each method of a repository is one transaction: on disk when it returns, without effect when it raises.
    May be used from many threads; another process opens its own. Times are seconds since 1970 and come from
    the caller. All may be repeated when it is not known whether they came through. Every method raises
    StoreError, with `retry` set where trying again may help.

    Stability: internal
    """

    def __init__(self, database: Database) -> None:
        """Use `Store.open`."""
        self._database = database
        self.pool = WaitingPool(database)
        self.rounds = Rounds(database)
        self.payments = Payments(database)
        self.messages = Messages(database)
        self.log = PublicLog(database)
        self.tokens = TokenRepository(database)
        self.refinement = RefinementRepository(database)
        self.operator = OperatorQueries(database)

    @classmethod
    def open(cls, url: str) -> Self:
        """Connect to sqlite:///<path> or postgresql://<user>:<password>@<host>/<name>."""
        return cls(Database(url))

    def migrate(self) -> None:
        """Bring the tables to this version's, from none or from an older one's."""
        self._database.migrate()

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def references(self) -> set[str]:
        """Return the names of all bodies that the database speaks of."""
        with self._database.snapshot() as sql:
            return references(sql)
