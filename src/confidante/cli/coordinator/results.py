"""`confidante coordinator results`: what the sums of the rounds found."""

import math
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from confidante.cli.coordinator.options import BodiesOption, DatabaseOption, Definitions, coordinator, place
from confidante.cli.options import AsJson, Limit
from confidante.cli.terminal import print_json, say

if TYPE_CHECKING:
    from confidante.coordinator.reports.results import RoundReport


@coordinator.command()
def results(
    populations: Definitions = None,
    *,
    database: DatabaseOption = None,
    bodies: BodiesOption = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Show what the sums found: the result of each task, and the models learnt."""
    from confidante.coordinator.reports.results import results as read

    here = place(populations, database, bodies)
    with here.open_store() as store:
        opened = here.open_bodies()
        found = [(one.name, it) for one in here.populations() for it in read(store, opened, one, limit)]
    if as_json:
        print_json([{"population": name, **_fields(it)} for name, it in found])
        return
    for name, it in found:
        when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(it.at))
        say(f"{when}Z  {it.id.hex()[:12]}  {name}  {it.task}: {it.devices} devices, epsilon {it.epsilon:.4g}")
        for line in _words(it):
            say(f"    {line}")
    if not found:
        say("no round was published yet")


def _words(it: "RoundReport") -> list[str]:
    """Return what a round found, in words."""
    if it.damaged:
        return [it.damaged]
    if it.found is None:
        return [f"model {model[:12]}" for model in it.models]
    shown = it.found.rows(it.models)
    table = (shown.headings, *shown.rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]

    def line(row: tuple[str, ...]) -> str:
        cells = (
            cell.rjust(width) if place in shown.numbers else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(cells).rstrip()

    return [*map(line, table), *([shown.note] if shown.note else [])]


def _fields(it: "RoundReport") -> dict[str, Any]:
    found = asdict(it)
    found["id"] = it.id.hex()
    found["epsilon"] = it.epsilon if math.isfinite(it.epsilon) else None
    return found
