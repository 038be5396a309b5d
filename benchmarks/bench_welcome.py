"""How long it takes to choose what a new person is shown: thirty titles of all tastes, and thirty others.

    python benchmarks/bench_welcome.py [--items 1000 10000 100000] [--repeat 11]

Made-up titles of three words and one or two of forty labels, no model: items are known by their words. The
library is loaded before. Wall and processor milliseconds, medians; the limit is 50 ms at 10,000 items.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from confidante.core.values import Item
from confidante.device.device import Device
from confidante.device.storage.keys import InsecurePlaintextKey

LIMIT_MS = 50.0


def made_up(count: int) -> list[Item]:
    """Return items with titles that hardly repeat."""
    choose = random.Random(1)  # noqa: S311  (made-up titles)
    words = [f"word{number}" for number in range(3000)]
    labels = [f"kind {number}" for number in range(40)]
    return [
        Item(f"i{number}", " ".join(choose.choices(words, k=3)), tuple({*choose.choices(labels, k=2)}))
        for number in range(count)
    ]


def median_ms(call: Callable[[], object], repeat: int) -> tuple[float, float]:
    """Return the median wall and processor time of a call, in milliseconds."""
    wall, work = [], []
    for _ in range(repeat):
        began, worked = time.perf_counter(), time.process_time()
        call()
        wall.append(1e3 * (time.perf_counter() - began))
        work.append(1e3 * (time.process_time() - worked))
    return statistics.median(wall), statistics.median(work)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", nargs="+", type=int, default=[1000, 10_000, 100_000])
    parser.add_argument("--repeat", type=int, default=11)
    given = parser.parse_args()
    for count in given.items:
        with (
            tempfile.TemporaryDirectory() as folder,
            Device(Path(folder) / "p", InsecurePlaintextKey()) as device,
        ):
            device.items.add(made_up(count))
            shown = [item.id for item in device.onboarding.slate()]
            first = median_ms(device.onboarding.slate, given.repeat)
            others = median_ms(lambda: device.onboarding.slate(after=shown), given.repeat)  # noqa: B023
            print(
                f"{count:>7,} items: {len(shown)} titles in {first[0]:.1f} ms ({first[1]:.1f} ms of work), "
                f"others in {others[0]:.1f} ms ({others[1]:.1f} ms)"
            )


if __name__ == "__main__":
    main()
