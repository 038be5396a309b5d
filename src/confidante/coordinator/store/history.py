"""Rounds that were published, without the rosters that make rows large."""

from typing import Any

from sqlalchemy import Connection, Row, func, select

from confidante.coordinator.store.tables import rounds
from confidante.coordinator.store.values import PUBLISHED, PublishedRound

_INDEX = 4  # bytes of a survivor
_COLUMNS = (
    rounds.c.id,
    rounds.c.task,
    rounds.c.task_body,
    rounds.c.plan,
    rounds.c.result,
    rounds.c.ended,
    func.length(rounds.c.survivors).label("survivors"),
)


def published(
    sql: Connection, population: str, limit: int, begins: str, otherwise: str
) -> list[PublishedRound]:
    """Return rounds whose task begins so, and not with `otherwise` (when that is not empty), newest first."""
    wanted = select(*_COLUMNS).where(rounds.c.population == population)
    wanted = wanted.where(rounds.c.phase == PUBLISHED, rounds.c.task.startswith(begins, autoescape=True))
    if otherwise:
        wanted = wanted.where(~rounds.c.task.startswith(otherwise, autoescape=True))
    return [_round(row) for row in sql.execute(wanted.order_by(rounds.c.number.desc()).limit(limit))]


def _round(row: Row[*tuple[Any, ...]]) -> PublishedRound:
    return PublishedRound(
        row.id, row.task, row.task_body, row.plan, row.result, row.survivors // _INDEX, row.ended
    )
