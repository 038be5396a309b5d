"""Items that came after the training: how a device ranks what it can only place by labels, year and words.

    python benchmarks/bench_new_items.py [--data ml-100k ml-1m] [--people 2000] [--json]

Needs the data sets in the folder that CONFIDANTE_SHARED names; without it, says so and stops. A twentieth of
the items, drawn at random or the newest by the year in the title, is taken out of the catalogue and out of
everybody's history. A model is trained on the rest (epsilon 8, delta 1e-5 against the coordinator) and laid
out by the device's own code; then the items come back as a catalogue refresh brings them
(`library_build.extended`), without any training. Graded are people who met such items: what they know are
their 30 newest other events before the last such meeting, right are all new items that they met, candidates
are all items but their other events. Among all items, and among new items only. References: a random order
(the mean over 5 orders); popularity, which knows
nothing of new items and puts them last (ties lose); and popularity of an oracle that saw everybody's events.
Also told: how many lists of 10 have a new item, and how many new items are in anybody's.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import _movielens as movielens
from _cold_start import NewPerson, later_ranks, ranks_of
from confidante.core.values import Catalogue, Histories
from confidante.device.catalog.build import extended
from confidante.device.catalog.text import best_available
from confidante.device.recommend.query import build_query
from confidante.lab.experiment import Training
from confidante.lab.metrics import estimate, hr_at_k, ndcg_at_k, recall_at_k
from confidante.models.snapshot import decode
from confidante.packs.media import MEDIA
from confidante.training.publish import publish

PART = 0.05
EPSILON = 8.0
KNOWN = 30
ORDERS = 5
Scores = NDArray[np.floating]


@dataclass(frozen=True)
class World:
    """Items in the order of a device's rows: those of the training, then the new ones.

    people: what each knows, what else is no candidate, and which new items are right, by row.
    """

    catalogue: Catalogue
    old: int
    training: Histories
    people: list[tuple[NDArray[np.int64], NewPerson]]


def new_items(catalogue: Catalogue, met: NDArray[np.int64], how: str) -> NDArray[np.int64]:
    """Return the items that are taken out, of those that anybody met."""
    count = max(1, int(len(catalogue) * PART))
    if how == "random":
        return np.sort(np.random.default_rng(2026).choice(met, count, replace=False))
    found = [re.search(r"\((\d{4})\)\s*$", catalogue.titles[item]) for item in met.tolist()]
    years = np.array([int(year[1]) if year else 0 for year in found])
    shuffled = np.random.default_rng(2026).permutation(len(met))
    return np.sort(met[shuffled[np.argsort(-years[shuffled], kind="stable")[:count]]])


def world(data: movielens.Data, how: str, most_people: int) -> World:
    full = data.visible
    new = new_items(data.catalogue, np.unique(full.items).astype(np.int64), how)
    is_new = np.isin(np.arange(len(data.catalogue)), new)
    order = np.concatenate((np.flatnonzero(~is_new), new))
    row_of = np.argsort(order)
    rows = row_of[full.items]
    old = len(order) - len(new)
    kept = rows < old
    lengths = np.bincount(full.person_of_event[kept], minlength=full.people)
    training = Histories(
        np.concatenate(([0], np.cumsum(lengths))), rows[kept].astype(np.int32), full.times[kept]
    )
    people = []
    for person in range(full.people):
        start, stop = full.indptr[person : person + 2].tolist()
        own = rows[start:stop]
        fresh = np.flatnonzero(own >= old)
        if len(fresh):
            before = own[: fresh[-1]]
            others = own[own < old]
            right = NewPerson(person, others, np.zeros(len(others), dtype=np.int64), own[fresh])
            people.append((before[before < old][-KNOWN:], right))
    if len(people) > most_people:
        few = np.sort(np.random.default_rng(0).choice(len(people), most_people, replace=False))
        people = [people[place] for place in few.tolist()]
    catalogue = Catalogue(
        *(
            tuple(column[k] for k in order.tolist())
            for column in (data.catalogue.ids, data.catalogue.titles, data.catalogue.labels)
        )
    )
    return World(catalogue, old, training, people)


def scored(made: World) -> list[Scores]:
    """Return a device's scores of all rows for each person, after the refresh that brings the new items."""
    old = Catalogue(
        *(c[: made.old] for c in (made.catalogue.ids, made.catalogue.titles, made.catalogue.labels))
    )
    run = Training(epsilon=EPSILON, delta=movielens.DELTA, seed=0).train(made.training, old)
    published = decode(publish(run.learnt, old))
    items = movielens.items_of(made.catalogue)
    library = extended(
        movielens.library_of(old, published),
        items[made.old :],
        np.arange(made.old, len(items)),
        published,
        best_available(),
        MEDIA,
    )
    rows = np.arange(len(items))
    return [
        build_query(library, movielens.profile(known), exclude=p.first).scores(rows)
        for known, p in made.people
    ]


def graded(made: World, scores: list[Scores]) -> dict[str, Any]:
    """Return the figures among all items and among new items, and how far new items reach."""
    everyone = [later_ranks(one, p) for one, (_, p) in zip(scores, made.people, strict=True)]
    nothing = np.zeros(0, dtype=np.int64)
    among = [
        later_ranks(one[made.old :], NewPerson(p.number, nothing, nothing, p.later - made.old))
        for one, (_, p) in zip(scores, made.people, strict=True)
    ]
    lists, reached = 0, set()
    for one, (_, person) in zip(scores, made.people, strict=True):
        shown = one.astype(np.float64).copy()
        shown[person.first] = -np.inf
        best = np.argsort(-shown, kind="stable")[:10]
        fresh = best[best >= made.old]
        lists += bool(len(fresh))
        reached.update(fresh.tolist())
    return {
        "all": _figures(everyone),
        "new": _figures(among),
        "lists_with_new": lists / len(scores),
        "new_items_in_lists": len(reached) / (len(made.catalogue) - made.old),
    }


def _figures(rows: list[NDArray[np.int64]]) -> dict[str, list[float]]:
    ranks = ranks_of(rows)
    found = {
        "ndcg_at_10": ndcg_at_k(ranks, 10),
        "hr_at_10": hr_at_k(ranks, 10),
        "recall_at_50": recall_at_k(ranks, 50),
    }
    return {name: [e.value, e.low, e.high] for name, e in ((n, estimate(v)) for n, v in found.items())}


def random_order(made: World) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    runs = [graded(made, [rng.random(len(made.catalogue)) for _ in made.people]) for _ in range(ORDERS)]
    return {
        **{
            part: {name: list(np.mean([run[part][name] for run in runs], axis=0)) for name in runs[0][part]}
            for part in ("all", "new")
        },
        **{
            name: float(np.mean([run[name] for run in runs]))
            for name in ("lists_with_new", "new_items_in_lists")
        },
    }


def measured(data: movielens.Data, how: str, most_people: int) -> dict[str, Any]:
    made = world(data, how, most_people)
    old = np.bincount(made.training.items, minlength=len(made.catalogue)).astype(np.float64)
    place = {item: row for row, item in enumerate(made.catalogue.ids)}
    rows = np.array([place[item] for item in data.catalogue.ids])
    seen = np.bincount(rows[data.visible.items], minlength=len(rows)).astype(np.float64)
    lines = {
        "random order": random_order(made),
        "popularity": graded(made, [old] * len(made.people)),
        "popularity, oracle": graded(made, [seen] * len(made.people)),
        "a device": graded(made, scored(made)),
    }
    return {
        "data": data.name,
        "new": how,
        "people": len(made.people),
        "items": len(made.catalogue),
        "new_items": len(made.catalogue) - made.old,
        "lines": lines,
    }


def report(one: dict[str, Any]) -> None:
    print(
        f"\n{one['data']}, new items: {one['new']}; {one['new_items']} of {one['items']}, graded on "
        f"{one['people']} people\n\n"
        "| order | all: NDCG@10 (95 %) | HR@10 | recall@50 | new only: NDCG@10 (95 %) | HR@10 | recall@50 "
        "| lists of 10 with a new item | new items in a list |\n|---|---|---|---|---|---|---|---|---|"
    )
    for name, row in one["lines"].items():
        cells = []
        for part in ("all", "new"):
            value, low, high = row[part]["ndcg_at_10"]
            cells += [f"{value:.4f} ({low:.4f}-{high:.4f})"]
            cells += [f"{row[part][key][0]:.3f}" for key in ("hr_at_10", "recall_at_50")]
        cells += [f"{row['lists_with_new']:.1%}", f"{row['new_items_in_lists']:.1%}"]
        print(f"| {name} | " + " | ".join(cells) + " |")


def main() -> None:
    given = movielens.parser(__doc__).parse_args()
    found = []
    for name in given.data:
        data = movielens.load(name, given.phase)
        if data is None:
            return
        for how in ("random", "newest"):
            found.append(measured(data, how, given.people))
            if not given.json:
                report(found[-1])
    if given.json:
        movielens.dump({"epsilon": EPSILON, "delta": movielens.DELTA, "phase": given.phase, "data": found})


if __name__ == "__main__":
    main()
