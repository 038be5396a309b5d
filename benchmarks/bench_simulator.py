"""Client updates a second of the lab's simulator, one process: the whole path of one private sum.

Measured is `Simulator.take`, nothing left out: choose the plan, select people, `client_update`, clip, scale,
quantise with dither, sum, and add the noise of all survivors (engine `aggregate`, noise multiplier 4).

- `popularity`: the popularity task, about 30 non-zero numbers a person: the target is for these;
- `item pairs`: the item-pair task, about 30 pairs a person; it computes more before it has its numbers;
- `empty`: no entry at all, what the machinery itself costs (the reference);
- `dense`: every number non-zero, the worst case, which no sparse code helps; its vectors lie ready.

Each case runs in a process of its own, so the peak memory is that of the case, interpreter included.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from _timing import in_child, parser, peak_mib, rates, seconds_of, verdict
from confidante.core.values import Histories, SparseRows
from confidante.lab.entropy import SeededEntropy
from confidante.lab.simulation import Simulator
from confidante.tasks.base import Task
from confidante.tasks.item_pairs import ItemPairTask
from confidante.tasks.popularity import PopularityTask

TARGETS = {1_000: 80_000, 100_000: 20_000}
KINDS = ("popularity", "item pairs", "empty", "dense")
PEOPLE, EVENTS, REPEATS = 20_000, 30, 9
PAIR_EVENTS, PAIR_WINDOW = 12, 3  # 11 + 10 + 9 pairs
DENSE_ENTRIES = 10_000_000  # numbers in all in a dense case


@dataclass(frozen=True)
class ReadyTask:
    """Vectors that cost nothing to compute: the first `entries` numbers of a unit vector, or none."""

    length: int
    entries: int
    name: str = "ready"
    l2_bound: float = 1.0
    linf_bound: float = 0.5

    def client_update(self, histories: Histories) -> SparseRows:
        people, entries = histories.people, self.entries
        value = np.sin(np.arange(1, entries + 1))
        value /= np.linalg.norm(value) if entries else 1
        return SparseRows(
            np.arange(people + 1) * entries,
            np.tile(np.arange(entries), people),
            np.tile(value, people),
            self.length,
        )


def world(kind: str, length: int) -> tuple[Task, Histories]:
    """Return a task of `length` numbers (item pairs: the nearest number of pairs) and its people."""
    rng = np.random.default_rng(1)
    if kind == "item pairs":
        size = round((1 + np.sqrt(1 + 8 * length)) / 2)
        task: Task = ItemPairTask(np.arange(size), np.ones(size), size, PAIR_WINDOW, 3.0, 500)
        events, items, people = PAIR_EVENTS, size, PEOPLE
    elif kind == "popularity":
        task, events, items, people = PopularityTask(length), EVENTS, length, PEOPLE
    elif kind == "empty":
        task, events, items, people = ReadyTask(length, 0), 1, length, PEOPLE
    else:
        people = min(PEOPLE, max(DENSE_ENTRIES // length, 50))
        task, events, items = ReadyTask(length, length), 1, length
    drawn = rng.integers(0, items, people * events).astype(np.int32)
    return task, Histories(np.arange(people + 1) * events, drawn, np.zeros(people * events, np.int64))


def measure(kind: str, length: int) -> dict[str, Any]:
    task, histories = world(kind, length)
    simulator = Simulator(histories, {task.name: 4.0}, SeededEntropy(1, "bench"), bits=32)
    rows = task.client_update(histories.slice(0, 50))
    seconds = seconds_of(lambda: simulator.take(task), REPEATS)
    return {
        "kind": kind,
        "length": task.length,
        "people": histories.people,
        "entries_a_person": len(rows.values) / rows.rows,
        "updates_per_second": rates(histories.people, seconds),
        "peak_mib": peak_mib(),
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--case", nargs=2, metavar=("KIND", "LENGTH"), help="measure one case in here")
    given = options.parse_args()
    if given.case:
        print(json.dumps(measure(given.case[0], int(given.case[1]))))
        return
    cases = []
    for length, target in TARGETS.items():
        for kind in KINDS:
            case = in_child(__file__, "--case", kind, length)
            case |= {"target": target, "ratio_to_target": case["updates_per_second"]["median"] / target}
            cases.append(case)
        empty = next(c for c in cases if c["kind"] == "empty" and c["target"] == target)
        for case in cases[-len(KINDS) :]:
            case["ratio_to_empty"] = (
                case["updates_per_second"]["median"] / empty["updates_per_second"]["median"]
            )
    if given.json:
        print(json.dumps({"cases": cases}))
        return
    for case in cases:
        rate = case["updates_per_second"]
        judged = verdict(case["ratio_to_target"]) if case["kind"] == "popularity" else "no target"
        print(
            f"{case['kind']:10} {case['length']:>7,} numbers, {case['entries_a_person']:>9,.1f} not zero: "
            f"{rate['median']:>9,.0f} updates/s [{rate['minimum']:,.0f} to {rate['maximum']:,.0f}], "
            f"{case['ratio_to_empty']:.3f} of empty, peak {case['peak_mib']:,.0f} MiB; {judged}"
        )


if __name__ == "__main__":
    main()
