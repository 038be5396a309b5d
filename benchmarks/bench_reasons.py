"""Whether reasons are true: what happens to a suggestion when the events that it names are taken away.

    python benchmarks/bench_reasons.py [--data ml-100k ml-1m] [--people 300]

Needs the data sets in the folder that CONFIDANTE_SHARED names; without it, says so and stops. Each person's
visible history (their newest 500 events) goes into a real `Device` with the federated model (epsilon 8), and
everything is asked of it: the five best items and their reasons by `recommend`, and for each item
`what_if` without its one or three strongest own events, without as many random own events, and without the
most recent ones. Fidelity is how often the item then leaves the top five. `explain` gives the smallest set of
events without which it leaves; `what_if` says whether that is true. The additivity error is the largest
difference between a score and the sum of its reasons.
"""

import tempfile
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

import _movielens as movielens
from _movielens import Data
from confidante.device.device import Device
from confidante.device.recommend.counterfactual import MOST_EVENTS
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.values import ReasonKind, Suggestion
from confidante.lab.metrics import estimate

TOP, EPSILON, LONGEST = 5, 8.0, 500
SIZES = (1, 3)
NAMED, RANDOM, RECENT = "named", "random own", "most recent"


def measure(data: Data, most_people: int) -> dict[str, Any]:
    people = data.with_events(max(SIZES), most_people)
    left: dict[tuple[str, int], list[float]] = {}
    sizes: Counter[int] = Counter()
    items = smallest = confirmed = 0
    error = 0.0
    with (
        tempfile.TemporaryDirectory() as folder,
        Device(Path(folder) / "profile", InsecurePlaintextKey()) as device,
    ):
        device.federation.install_model(movielens.trained(data, EPSILON))
        for person in people.tolist():
            rng = np.random.default_rng(person)
            for at, row in enumerate(data.history(person)[-LONGEST:].tolist()):
                device.record(data.catalogue.ids[row], at=float(at))
            events = [event.number for event in device.history.events(limit=LONGEST)]  # newest first
            for suggestion in device.recommend(TOP).suggestions:
                items += 1
                for size in SIZES:
                    tried = {
                        NAMED: strongest(suggestion, size),
                        RANDOM: rng.choice(events, size, replace=False).tolist(),
                        RECENT: events[:size],
                    }
                    for name, numbers in tried.items():
                        gone = leaves(device, suggestion.item.id, numbers)
                        left.setdefault((name, size), []).append(float(gone))
                why = device.explain(suggestion.item.id, n=TOP)
                error = max(error, abs(suggestion.unexplained), abs(why.suggestion.unexplained))
                found = why.counterfactual.events
                sizes[len(found)] += 1
                smallest += bool(found) and why.counterfactual.smallest
                confirmed += bool(found) and leaves(device, suggestion.item.id, found)
            device.forget(everything=True)
    return {
        "data": data.name,
        "people": len(people),
        "items": items,
        "leaves_the_top": [
            {"events": size, "which": name, **interval(values, items // len(people))}
            for (name, size), values in left.items()
        ],
        "counterfactual_sizes": {size: sizes[size] for size in range(MOST_EVENTS + 1)},
        "found": items - sizes[0],
        "smallest": smallest,
        "confirmed_by_what_if": confirmed,
        "additivity_error": error,
    }


def strongest(suggestion: Suggestion, size: int) -> list[int]:
    """Return the named events that speak most for an item."""
    events = [reason for reason in suggestion.reasons if reason.kind is ReasonKind.EVENT]
    events.sort(key=lambda reason: -reason.points)
    return [reason.event for reason in events[:size] if reason.event is not None]


def leaves(device: Device, item: str, without: Collection[int]) -> bool:
    answer = device.recommender.what_if(without=without, n=TOP)
    return all(suggestion.item.id != item for suggestion in answer.suggestions)


def interval(values: list[float], by: int) -> dict[str, float]:
    """Return the mean with its interval over people, each of whom has `by` items."""
    found = estimate(np.array(values).reshape(-1, by).mean(axis=1))
    return {"share": found.value, "low": found.low, "high": found.high}


def report(one: dict[str, Any]) -> None:
    print(f"\n{one['data']}: {one['items']} items of {one['people']} people\n")
    print(f"| without | leaves the top {TOP} (95 %) |\n|---|---|")
    for row in one["leaves_the_top"]:
        events = "event" if row["events"] == 1 else "events"
        print(
            f"| {row['events']} {row['which']} {events} | "
            f"{row['share']:.1%} ({row['low']:.1%} to {row['high']:.1%}) |"
        )
    sizes = one["counterfactual_sizes"]
    listed = ", ".join(f"{count} of {size}" for size, count in sizes.items() if size and count)
    print(
        f"\ncounterfactual of at most {MOST_EVENTS} events: {one['found'] / one['items']:.1%} of the items "
        f"({listed}); for {sizes[0]} it says that there is none so short\n"
        f"no smaller one was left untried: {one['smallest']} of {one['found']}\n"
        f"confirmed by what_if: {one['confirmed_by_what_if']} of {one['found']}\n"
        f"largest |score - sum of reasons|: {one['additivity_error']:.1e}"
    )


def main() -> None:
    arguments = movielens.parser(__doc__)
    arguments.set_defaults(people=300)
    given = arguments.parse_args()
    found = []
    for name in given.data:
        data = movielens.load(name, given.phase)
        if data is None:
            return
        found.append(measure(data, given.people))
        if not given.json:
            report(found[-1])
    if given.json:
        movielens.dump({"epsilon": EPSILON, "top": TOP, "data": found})


if __name__ == "__main__":
    main()
