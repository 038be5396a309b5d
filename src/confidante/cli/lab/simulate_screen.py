"""What `confidante lab simulate` prints for people."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from confidante.cli.lab.screen import how, promise, size
from confidante.lab.data.dataset import Tally


def show_simulation(result: Mapping[str, Any]) -> None:
    """Print what a training at scale took."""
    console = Console(highlight=False)
    for tally in (*result.get("skipped", ()), *result.get("notes", ())):
        console.print(str(Tally(**tally)), markup=False)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("sum")
    for column in ("numbers", "bytes up a device", "devices in it", "seconds"):
        table.add_column(column, justify="right")
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
            f"{_interval(quality['model'])}; popularity {_interval(quality['popularity'])}"
        )


def _memory(result: Mapping[str, Any]) -> str:
    """Return peak memory as one sentence."""
    driver, worker = result["peak_bytes"], result["worker_peak_bytes"]
    said = "unknown" if driver is None else size(driver)
    if not result["workers"]:
        return f"peak memory: {said}"
    each = "unknown" if worker is None else size(worker)
    return f"peak memory: {said} here, at most {each} in a worker, of {result['workers']}"


def _interval(graded: Mapping[str, float]) -> str:
    return f"{graded['ndcg']:.4f} ({graded['low']:.4f} to {graded['high']:.4f})"
