"""`confidante coordinator results`: what the sums of the rounds found."""

import math
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from confidante.cli.coordinator.options import BodiesOption, DatabaseOption, Definitions, coordinator, place
from confidante.cli.options import AsJson
from confidante.cli.terminal import print_json, say

if TYPE_CHECKING:
    from confidante.coordinator.reports.results import GroupSeen, Outcome
    from confidante.tasks.quality import Quality


@coordinator.command()
def results(
    populations: Definitions = None,
    *,
    database: DatabaseOption = None,
    bodies: BodiesOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of each, newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what the sums found: quality, comparisons, popularity, contributors, cohorts, models learnt."""
    from confidante.coordinator.reports.results import results as read

    here = place(populations, database, bodies)
    opened = here.open_bodies()
    with here.open_store() as store:
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


def _words(it: "Outcome") -> list[str]:
    """Return what a round found, in words."""
    from confidante.coordinator.reports.results import Groups, ItemCounts, verdict
    from confidante.tasks.quality import Comparison, Quality

    if it.damaged:
        return [it.damaged]
    match it.found:
        case ItemCounts(top=top, error=error):
            return [f"{value:10.2f} ± {error:.2f}  {title or item}" for item, title, value in top]
        case Quality():
            return [_grade(it.models, 0, it.found)]
        case Comparison(a=a, b=b):
            return [_grade(it.models, 0, a), _grade(it.models, 1, b), verdict(it.found)]
        case Groups(groups=groups, gate=gate):
            return [_group(one) for one in groups] + [
                f"a group reads a table of its own when its size, less what the noise may add, is {gate:g}"
            ]
    return [f"model {model[:12]}" for model in it.models]


def _group(one: "GroupSeen") -> str:
    folded = f"  folded into: {one.served_by}" if one.folded else ""
    return f"{one.size:10.1f} ± {one.error:.1f}  {'  ' * one.depth}{one.name}{folded}"


def _grade(models: tuple[str, ...], place: int, one: "Quality") -> str:
    shown = models[place][:12] if place < len(models) else "?"
    return f"model {shown}: hit rate {one.hit_rate:.4f}, NDCG {one.ndcg:.4f} (noise ± {one.error:.4f})"


def _fields(it: "Outcome") -> dict[str, Any]:
    found = asdict(it)
    found["id"] = it.id.hex()
    found["epsilon"] = it.epsilon if math.isfinite(it.epsilon) else None
    return found
