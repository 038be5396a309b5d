"""Measure what it costs to keep what a person had: 100,000 items, of which the newest 500 events are kept.

    python benchmarks/bench_seen.py [--json]

Bytes are of the vault's file, with and without marks. Lists are of ten. Beside each time is that of the same
library where nothing was had but what is remembered.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from _timing import milliseconds, parser
from confidante import Device, InsecurePlaintextKey, Item

ITEMS, HAD, SPARE = 110_000, 100_000, 500


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def lists(device: Device) -> dict[str, Any]:
    """Time one event and the list after it, and then the list alone."""
    last = f"i{ITEMS - 1}"

    def after_an_event() -> None:
        device.record(last)
        device.recommend(10)

    return {
        "list_after_event": milliseconds(after_an_event),
        "list": milliseconds(lambda: device.recommend(10)),
    }


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "profile"
        with Device(folder, InsecurePlaintextKey()) as device:
            device.items.add(Item(f"i{k}", f"Title number {k}", (f"genre {k % 20}",)) for k in range(ITEMS))
            for k in range(SPARE):
                device.record(f"i{HAD + k}")
        before = size(folder)
        with Device(folder, InsecurePlaintextKey()) as device:
            remembered = lists(device)
            ids = [f"i{k}" for k in range(HAD)]
            marking = milliseconds(lambda: device.history.seen.mark(ids), 3)
            had = lists(device)
            first_page = milliseconds(lambda: device.history.seen.list(25))
            device._vault.rotate()
        return {
            "had": HAD,
            "bytes_an_item": (size(folder) - before) / HAD,
            "mark_all": marking,
            "first_page": first_page,
            **{f"remembered_{name}": value for name, value in remembered.items()},
            **{f"had_{name}": value for name, value in had.items()},
        }


def main() -> None:
    given = parser(__doc__).parse_args()
    result = measure()
    if given.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{'bytes of the vault an item':46} {result['bytes_an_item']:8.1f}")
    for name, what in (
        ("mark_all", f"mark {HAD:,} items"),
        ("first_page", "list 25 of them"),
        ("remembered_list_after_event", f"one event and a list, {SPARE} had"),
        ("had_list_after_event", f"the same, {HAD:,} had"),
        ("remembered_list", f"a list alone, {SPARE} had"),
        ("had_list", f"the same, {HAD:,} had"),
    ):
        row = result[name]
        print(f"{what:46} {row['median']:8.2f} ms [{row['quartile_1']:.2f}, {row['quartile_3']:.2f}]")


if __name__ == "__main__":
    main()
