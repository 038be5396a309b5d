"""What commands print for people, on one screen."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from confidante.lab.data.dataset import Tally
from confidante.lab.demo import LABELS, PRIVATE, Accuracy, Demo, K
from confidante.lab.demo_reasons import ShownPerson, ShownSuggestion
from confidante.lab.frontier import Frontier
from confidante.lab.metrics import Estimate


def size(count: float) -> str:
    """Return bytes in a readable unit."""
    return (
        f"{count:,.0f} B"
        if count < 1000
        else f"{count / 1e3:,.1f} kB"
        if count < 1e6
        else f"{count / 1e6:,.2f} MB"
    )


def promise(result: Mapping[str, Any]) -> str:
    """Return the guarantee as one sentence."""
    if not result["noise"]:
        return "no noise: what secure aggregation alone would give, no differential privacy"
    return (
        f"user-level epsilon {result['epsilon_server']:.4g} against the coordinator, "
        f"{result['epsilon_release']:.4g} against everyone else, delta {result['delta']:g}"
    )


def how(engine: str) -> str:
    """Return what kind of sums an engine takes, in words."""
    return {
        "secure": "secure sums",
        "ideal": "sums (ideal engine: the secure sums' integers, added in the open)",
        "aggregate": "sums (aggregate engine: simulated, the same law as secure sums)",
        "ray": "sums (aggregate engine over Ray workers: simulated, the same law as secure sums)",
    }[engine]


def show_rank(result: Mapping[str, Any], out: Path) -> None:
    """Print what a ranking took."""
    console = Console(highlight=False)
    for tally in (*result["skipped"], *result["notes"]):
        console.print(str(Tally(**tally)), markup=False)
    console.print(
        f"{result['devices']:,} devices, {result['items']:,} items, "
        f"{result['sums']} {how(result['engine'])}, "
        f"{size(result['upload_bytes'])} of vectors up per device, {result['seconds']:.1f} s"
    )
    console.print(promise(result))
    if result["without_order"]:
        console.print(
            f"people whose events have all one time, so that no order is known: {result['without_order']:,}"
        )
    if result["short_lists"]:
        console.print(
            f"lists shorter than {result['k']:,}, for want of candidates: {result['short_lists']:,} "
            f"(empty, so not in the file: {result['empty_lists']:,})"
        )
    console.print(f"{result['rows']:,} rows written to {out}", markup=False)


def show_demo(demo: Demo, page: Path) -> None:
    """Print the whole demo on one screen."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=100)
    console.print(
        f"[bold]Confidante on {demo.source}[/bold]: {demo.devices:,} people, a simulated device each; "
        f"{demo.dropped:,} dropped out of every round"
    )
    console.print(_accuracy_table(demo))
    console.print(_groups_table(demo))
    console.print(_costs_table(demo))
    console.print(_people_table(demo.people, console.width))
    console.print(f"Report: {page}", markup=False)
    if demo.profile is not None:
        console.print(
            f"One person's device, with {demo.profile.events} events and a real round in its ledger "
            f"({size(demo.profile.bytes_sent)}): confidante open --profile {demo.profile.folder}",
            markup=False,
            soft_wrap=True,
        )


def show_frontier(frontier: Frontier, out: Path) -> None:
    """Print accuracy by epsilon."""
    table = _table(
        f"NDCG@{K} on the {frontier.part} part, {frontier.devices:,} devices, delta {frontier.delta:g}",
        "epsilon",
        "NDCG (95 % interval)",
        "by seed",
    )
    table.add_row("popularity", str(frontier.popularity), "")
    for point in frontier.points:
        seeds = ", ".join(f"{value:.4f}" for value in point.seeds)
        table.add_row(f"{point.epsilon:g}", str(point.ndcg), seeds, style="green")
    table.add_row("no noise", str(frontier.no_noise), "")
    console = Console(highlight=False)
    for tally in (*frontier.report.skipped, *frontier.report.notes):
        console.print(str(tally), markup=False)
    if frontier.left_out:
        console.print(f"people with too few events to hold some out, left out: {frontier.left_out:,}")
    console.print(table)
    console.print(f"Picture: {out}", markup=False)


def _table(title: str, *columns: str) -> Table:
    """Return a table whose first column is text and whose others are numbers."""
    table = Table(
        box=box.SIMPLE_HEAD, title=title or None, title_justify="left", title_style="", padding=(0, 1, 0, 0)
    )
    table.show_edge = False
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    return table


def _accuracy_table(demo: Demo) -> Table:
    def row(accuracy: Accuracy) -> tuple[str, str, str]:
        return LABELS[accuracy.model], str(accuracy.ndcg), str(accuracy.hr)

    table = _table(
        f"\nEach person's newest item, looked for among all {demo.items:,} (95 % intervals)",
        "",
        f"NDCG@{K}",
        f"HR@{K}",
    )
    for accuracy in demo.accuracy:
        table.add_row(*row(accuracy), style="bold green" if accuracy.model == PRIVATE else "")
    return table


def _groups_table(demo: Demo) -> Table:
    models = [accuracy.model for accuracy in demo.accuracy]
    table = _table(f"\nWho gains, who loses (NDCG@{K})", "group", "people", *models, "cost of privacy")
    for group in demo.groups[1:]:
        means = [f"{group.means[model]:.4f}" for model in models]
        cost = group.means["private"] - group.means["central"]
        table.add_row(group.group, str(group.people), *means, f"{cost:+.4f}")
    return table


def _costs_table(demo: Demo) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_row("", "")
    table.add_row(
        "privacy",
        f"user-level epsilon {demo.epsilon_server:.3f} against the coordinator (planned for 30 % dropout, "
        f"10 % collusion), {demo.epsilon_release:.3f} against everyone else; delta {demo.delta:g}",
    )
    table.add_row("adjacency", demo.adjacency)
    down = "no protocol run" if demo.bytes_down is None else f"{size(demo.bytes_down)} down"
    table.add_row(
        "cost",
        f"{size(demo.bytes_up)} up, {down} per device; {demo.rounds} rounds ({demo.engine} engine); "
        f"{demo.seconds:.1f} s",
    )
    return table


def _people_table(people: Sequence[ShownPerson], width: int) -> Table:
    room = max(36, width - 45)  # what the other columns leave
    parts = " / ".join(share.what for share in people[0].suggestions[0].parts)
    table = _table(f"\nThree people, and why: shares of the score ({parts})")
    for name, columns in (("suggestion", 22), ("because of", room)):
        table.add_column(name, width=columns, no_wrap=True, overflow="ellipsis")
    table.add_column("by part", width=16, no_wrap=True, justify="right")
    for person in people:
        table.add_row(Text(f"{person.name}, {person.events} items", "bold"))
        for suggestion in person.suggestions:
            table.add_row(
                Text(suggestion.title, "green"), Text(because(suggestion, room)), by_part(suggestion)
            )
    return table


def because(suggestion: ShownSuggestion, width: int) -> str:
    """Return the own items that weigh most, each with its share of the score, in one line of `width`."""
    named = suggestion.because[:2]
    rest = 1 - suggestion.popularity - sum(share.share for share in named)
    room = max(8, (width - len(", others -99%")) // 2 - len(" -99%, "))
    return ", ".join([*(f"{_short(s.what, room)} {s.share:.0%}" for s in named), f"others {rest:.0%}"])


def _short(text: str, room: int) -> str:
    text = re.sub(r" \(\d{4}\)$", "", text)
    return text if len(text) <= room else text[: room - 1].rstrip() + "\u2026"


def by_part(suggestion: ShownSuggestion) -> str:
    """Return the share of each part of the model."""
    return " / ".join(f"{share.share:.0%}" for share in suggestion.parts)


def show_simulation(result: Mapping[str, Any]) -> None:
    """Print what a training at scale took."""
    console = Console(highlight=False)
    for tally in (*result.get("skipped", ()), *result.get("notes", ())):
        console.print(str(Tally(**tally)), markup=False)
    table = _table("", "sum", "numbers", "bytes up a device", "devices in it", "seconds")
    for task in result["tasks"]:
        table.add_row(
            task["task"],
            f"{task['entries']:,}",
            size(task["upload_bytes"]),
            f"{task['survivors']:,}",
            f"{task['seconds']:.1f}",
        )
    console.print(table)
    made_up = "made-up " if result["made_up"] else ""
    console.print(
        f"{result['devices']:,} {made_up}devices, {result['items']:,} items, "
        f"{result['sums']} {how(result['engine'])}, "
        f"{size(result['upload_bytes'])} of vectors up per device, {result['seconds']:.1f} s"
    )
    console.print(promise(result))
    console.print(_memory(result))
    if result["quality"] is not None:
        quality = result["quality"]
        console.print(
            f"NDCG@{quality['k']} of the next event of {quality['people']:,} made-up devices: "
            f"{Estimate(**quality['model'])}; popularity {Estimate(**quality['popularity'])}"
        )


def _memory(result: Mapping[str, Any]) -> str:
    """Return peak memory as one sentence."""
    driver, worker = result["peak_bytes"], result["worker_peak_bytes"]
    said = "unknown" if driver is None else size(driver)
    if not result["workers"]:
        return f"peak memory: {said}"
    each = "unknown" if worker is None else size(worker)
    return f"peak memory: {said} here, at most {each} in a worker, of {result['workers']}"
