"""What commands print for people, on one screen."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console


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
        return "no noise: secure aggregation only, no differential privacy"
    return (
        f"user-level epsilon {result['epsilon_server']:.2f} against the coordinator, "
        f"{result['epsilon_release']:.2f} against everyone else, delta {result['delta']:g}"
    )


def show_rank(result: Mapping[str, Any], out: Path) -> None:
    """Print what a ranking took."""
    console = Console(highlight=False)
    for tally in (*result["skipped"], *result["notes"]):
        where = "" if tally["first_line"] is None else f" (first: line {tally['first_line']})"
        console.print(f"{tally['what']}: {tally['count']:,}{where}", markup=False)
    console.print(
        f"{result['devices']:,} devices, {result['items']:,} items, {result['sums']} secure sums, "
        f"{size(result['upload_bytes'])} up per device, {result['seconds']:.1f} s"
    )
    console.print(promise(result))
    console.print(f"{result['rows']:,} rows written to {out}", markup=False)
