"""The coordinator's memory on SQLite or PostgreSQL: `Store`, and the values it takes and gives."""

from confidante.coordinator.store.store import Store
from confidante.coordinator.store.values import (
    ABORTED,
    COLLECTING,
    PUBLISHED,
    Accepted,
    Late,
    Payment,
    Repeated,
    RoundRow,
    RoundState,
    Sent,
    Standing,
    Waiting,
)
from confidante.wire.transparency_log import LogEntry

__all__ = [
    "ABORTED",
    "COLLECTING",
    "PUBLISHED",
    "Accepted",
    "Late",
    "LogEntry",
    "Payment",
    "Repeated",
    "RoundRow",
    "RoundState",
    "Sent",
    "Standing",
    "Store",
    "Waiting",
]
