"""Rounds that were published, without the rosters that make rows large, and what each ended."""

from typing import Any

from sqlalchemy import Connection, Row, func, select

from confidante.coordinator.store.references import named_in
from confidante.coordinator.store.tables import log, rounds
from confidante.coordinator.store.values import PUBLISHED, PublishedRound

_INDEX = 4  # bytes of a survivor
_ENTRIES = 50  # of the log, read at once: the end of a round is soon after its announcement
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


def ended_with(sql: Connection, round_id: bytes) -> str:
    """Return the kind of the log's entry about a published round's end; empty when there is none."""
    after = select(rounds.c.entry).where(rounds.c.id == round_id).scalar_subquery()
    wanted = select(log.c.kind, log.c.body).where(log.c.number > after).order_by(log.c.number)
    with sql.execute(wanted, execution_options={"yield_per": _ENTRIES}) as entries:
        return next((row.kind for row in entries if named_in(row.body).get("round") == round_id), "")


def _round(row: Row[*tuple[Any, ...]]) -> PublishedRound:
    return PublishedRound(
        row.id, row.task, row.task_body, row.plan, row.result, row.survivors // _INDEX, row.ended
    )
