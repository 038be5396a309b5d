"""Fifty real device processes with MovieLens-100K histories learn a model; the simulator learns it beside.

Without noise the two models have to be the same bytes; with noise every sum has to be off by the noise that
was planned. Needs the data sets that we may not ship.
"""

import tempfile
from pathlib import Path
from typing import Any

from _movielens import dump, load
from _timing import parser
from confidante.lab.rehearsal import rehearse

EPSILON = 8.0


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--devices", type=int, default=50)
    asked = made.parse_args()
    data = load("ml-100k", "test")
    if data is None:
        return
    people = data.visible.slice(0, asked.devices)
    found: list[dict[str, Any]] = []
    for epsilon in (None, EPSILON):
        with tempfile.TemporaryDirectory() as folder:
            ended = rehearse(people, data.catalogue, Path(folder), epsilon=epsilon)
        found.append(
            {
                "epsilon": epsilon,
                "devices": asked.devices,
                "seconds": round(ended.seconds, 1),
                "largest device, MiB": round(ended.peak_bytes / (1 << 20), 1),
                "as planned": ended.as_planned,
                "same model": ended.same if epsilon is None else None,
                "noise over planned": {one.task: round(one.noise, 4) for one in ended.sums},
                "entries": {one.task: one.entries for one in ended.sums},
            }
        )
    if asked.json:
        dump(found)
        return
    for one in found:
        print(*(f"{name}: {value}" for name, value in one.items()), sep="\n  ")


if __name__ == "__main__":
    main()
