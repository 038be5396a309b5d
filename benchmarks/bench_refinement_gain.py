"""What refinement by a server is worth: NDCG@10 and HR@10 with it, and without it where a person refuses.

    python benchmarks/bench_refinement_gain.py [--people 6040] [--phase test]
    python benchmarks/bench_refinement_gain.py --tune

Needs MovieLens-1M in the folder that CONFIDANTE_SHARED names; without it, says so and stops. Leave-one-out on
the frozen split: the held-out event is ranked among all items that the person did not have before; ties lose.

One federated model is trained on everybody at epsilon 8. The server keeps its 64 columns that move scores
most, and all items. A device has 32 of them, and not the newest items: the 5 % that anybody rated first last.
Who refuses has that and nothing else, so an item that the device lacks is never found. Who lets the server
refine has the server's items in the library, placed by their labels, years and titles, and the server's
points merged with the list (`device.refinement.merging`), by the integers that the encrypted path gives.
Beside it: the device with the server's items and no points; refined by a server that knows no more than the
device, which tells what of a gain is knowledge and what the way of merging; refined by the points of one
bucket of 8, chosen with local privacy at epsilon 2; the server's points alone; a
device that has all that the server has itself. `--tune` grades spreads of the server's points, and points
that are only added, on the validation part; `--columns 16 8` takes other columns.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import _movielens as movielens
from _movielens import Data
from confidante.core.entropy import SystemEntropy
from confidante.core.values import Catalogue
from confidante.device.catalog.library import Library
from confidante.device.recommend.counterfactual import rank
from confidante.device.recommend.query import Added, ScoringQuery, build_query
from confidante.device.refinement.bucket import choose
from confidante.device.refinement.merging import REFINE_SPREAD, Heard, added
from confidante.lab.metrics import UNREACHED, Ranks, estimate, hr_at_k, ndcg_at_k
from confidante.models.refinement.build import build, narrowed
from confidante.models.refinement.model import ItemSide, QuerySide
from confidante.models.snapshot import Published, decode

EPSILON = 8.0
COLUMNS = (64, 32)
NEWEST = 0.05
SPREADS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.2)
ADDED = (0.5, 1.0, 2.0, 4.0)
REFUSED, PLACED, REFINED = "refused: the device alone", "the server's items, no points", "refined"
EQUAL = "refined by a server that knows no more"
BUCKETS, CHOICE = 8, 2.0
BUCKET = f"refined in one of {BUCKETS} buckets, epsilon {CHOICE:g}"
ALONE, WIDE = "the server's points alone", "a device that has the wide model"


@dataclass(frozen=True)
class World:
    """older: rows that devices know; place: row of each item among them, -1 for the newest."""

    data: Data
    older: NDArray[np.int64]
    place: NDArray[np.int64]
    refused: Library
    placed: Library
    wide: Library
    server: tuple[QuerySide, ItemSide]
    equal: tuple[QuerySide, ItemSide]


def newest(data: Data) -> NDArray[np.bool_]:
    """Return the items whose first visible event is latest; an item without any is newer still."""
    first = np.full(len(data.catalogue), np.iinfo(np.int64).max)
    np.minimum.at(first, data.visible.items, data.visible.times)
    found = np.zeros(len(first), dtype=np.bool_)
    found[np.argsort(-first, kind="stable")[: round(NEWEST * len(first))]] = True
    return found


def world(data: Data, columns: Sequence[int]) -> World:
    server, device = columns
    published = decode(movielens.trained(data, EPSILON))
    older = np.flatnonzero(~newest(data))
    place = np.full(len(data.catalogue), -1, dtype=np.int64)
    place[older] = np.arange(len(older))
    known = without(narrowed(published, device), older)
    return World(
        data,
        older,
        place,
        movielens.library(replace(data, catalogue=known.catalogue), known),
        movielens.library(data, known),
        movielens.library(data, narrowed(published, server)),
        build(published, data.catalogue, dimensions=server, buckets=BUCKETS),
        build(known, data.catalogue, dimensions=device),
    )


def without(published: Published, rows: NDArray[np.int64]) -> Published:
    """Return the model of some of its items only."""
    whole = published.catalogue
    if whole is None:
        raise SystemExit("a model comes without its catalogue")
    kept = rows.tolist()
    catalogue = Catalogue(
        tuple(whole.ids[k] for k in kept),
        tuple(whole.titles[k] for k in kept),
        tuple(whole.labels[k] for k in kept),
    )
    return replace(published, model=published.model.subset(rows), catalogue=catalogue)


def ranks(made: World, people: NDArray[np.int64], *, tune: bool) -> Mapping[str, Ranks]:
    """Return everyone's rank of the held-out item, each way."""
    found: dict[str, list[int]] = {}
    for person in people.tolist():
        for name, place in ways(made, person, tune=tune):
            found.setdefault(name, []).append(place)
    indptr = np.arange(len(people) + 1)
    return {name: Ranks(indptr, np.array(values, dtype=np.int64)) for name, values in found.items()}


def ways(made: World, person: int, *, tune: bool) -> Iterator[tuple[str, int]]:
    """Give the rank of a person's held-out item, each way."""
    data = made.data
    events = data.history(person)
    held_out = int(data.held_out.items[data.held_out.indptr[person]])
    hidden = np.zeros(0, dtype=np.int64)
    if data.hidden is not None:
        start, stop = data.hidden.indptr[person : person + 2].tolist()
        hidden = data.hidden.items[start:stop].astype(np.int64)

    there = int(made.place[held_out])
    if there < 0:
        yield REFUSED, UNREACHED
    else:
        had, gone = made.place[events], made.place[hidden]
        yield REFUSED, place_of(scored(made.refused, had[had >= 0], gone[gone >= 0]), there)
    query = scored(made.placed, events, hidden)
    yield PLACED, place_of(query, held_out)
    yield REFINED, place_of(query.with_added(refinement(made.server, query)), held_out)
    yield EQUAL, place_of(query.with_added(refinement(made.equal, query)), held_out)
    yield BUCKET, place_of(query.with_added(in_bucket(made.server, query)), held_out)
    if tune:
        more = refinement(made.server, query)
        for spread in SPREADS:
            grown = refinement(made.server, query, spread / REFINE_SPREAD)
            yield f"spread {spread:g}", place_of(query.with_added(grown), held_out)
        twice = refinement(made.server, query, 2.0).refinement
        points = twice - more.refinement  # without what merging takes off
        for spread in ADDED:
            only = replace(more, refinement=points * spread / REFINE_SPREAD)
            yield f"only added, spread {spread:g}", place_of(query.with_added(only), held_out)
    candidates = np.flatnonzero(query.allowed)
    heard = points_of(made.server, query)
    yield ALONE, int(np.count_nonzero(heard[candidates] >= heard[held_out]))
    yield WIDE, place_of(scored(made.wide, events, hidden), held_out)


def scored(library: Library, events: NDArray[np.int64], hidden: NDArray[np.int64]) -> ScoringQuery:
    return build_query(library, movielens.profile(events), exclude=hidden)


def points_of(server: tuple[QuerySide, ItemSide], query: ScoringQuery) -> NDArray[np.float64]:
    """Return what a server answers, by the integers of the encrypted path."""
    side, items = server
    rounded = side.rounded(side.query(query.profile.rows, query.ages, query.weights))
    return side.points(items.scores(rounded), rounded.scale)


def refinement(server: tuple[QuerySide, ItemSide], query: ScoringQuery, times: float = 1.0) -> Added:
    """Return what a device merges, the server's points so many times."""
    points = points_of(server, query) * times
    return merged(server, query, points, np.arange(len(points)))


def in_bucket(server: tuple[QuerySide, ItemSide], query: ScoringQuery) -> Added:
    """Return what a device merges that named one bucket."""
    side, _ = server
    rounded = side.rounded(side.query(query.profile.rows, query.ages, query.weights))
    rows = side.in_bucket(choose(side.centroids, rounded.values, CHOICE, SystemEntropy()))
    return merged(server, query, points_of(server, query)[rows], rows)


def merged(
    server: tuple[QuerySide, ItemSide],
    query: ScoringQuery,
    points: NDArray[np.float64],
    rows: NDArray[np.int64],
) -> Added:
    items = server[0].items
    heard = Heard(rows, points, np.zeros(items), np.ones(items, dtype=np.bool_))
    return added(server[0], heard, query, np.arange(items))


def place_of(query: ScoringQuery, held_out: int) -> int:
    """Return the rank of the held-out row."""
    ranking = rank(query, held_out)
    own = ranking.scores[np.searchsorted(ranking.rows, held_out)]
    return int(np.count_nonzero(ranking.scores >= own))


def graded(found: Mapping[str, Ranks], chosen: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Return each way's figures for the chosen people, and by how much it differs from refusing."""
    rows = []
    base = ndcg_at_k(found[REFUSED], 10)[chosen]
    for name, ranked in found.items():
        own = ndcg_at_k(ranked, 10)[chosen]
        ndcg, hr, gain = estimate(own), estimate(hr_at_k(ranked, 10)[chosen]), estimate(own - base)
        rows.append(
            {
                "way": name,
                "people": int(chosen.sum()),
                **{f"ndcg_{key}": getattr(ndcg, key) for key in ("value", "low", "high")},
                **{f"hr_{key}": getattr(hr, key) for key in ("value", "low", "high")},
                **{f"gain_{key}": getattr(gain, key) for key in ("value", "low", "high")},
            }
        )
    return rows


def table(title: str, rows: list[dict[str, Any]]) -> None:
    print(f"\n{title}, {rows[0]['people']:,} people\n")
    print("| way | NDCG@10 (95 %) | HR@10 (95 %) | NDCG@10 beyond refusing (95 %) |\n|---|---|---|---|")
    for row in rows:
        cells = [
            f"{row[f'{name}_value']:{form}} ({row[f'{name}_low']:{form}} to {row[f'{name}_high']:{form}})"
            for name, form in (("ndcg", ".4f"), ("hr", ".4f"), ("gain", "+.4f"))
        ]
        print(f"| {row['way']} | {' | '.join(cells)} |")


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--phase", choices=["test", "valid"], default="test")
    arguments.add_argument("--people", type=int, default=6040, help="at most so many, a fixed sample")
    arguments.add_argument("--columns", type=int, nargs=2, default=COLUMNS, help="server's, device's")
    arguments.add_argument("--tune", action="store_true", help="grade spreads on the validation part")
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    given = arguments.parse_args()
    phase = "valid" if given.tune else given.phase
    data = movielens.load("ml-1m", phase)
    if data is None:
        return
    made = world(data, given.columns)
    people = data.with_events(1, given.people)
    people = people[np.diff(data.held_out.indptr)[people] > 0]
    found = ranks(made, people, tune=given.tune)
    held_out = data.held_out.items[data.held_out.indptr[people]]
    everyone = np.ones(len(people), dtype=np.bool_)
    of_newest = made.place[held_out] < 0
    parts = [("everybody", everyone), ("whose held-out item is one of the newest", of_newest)]
    results = {title: graded(found, chosen) for title, chosen in parts if chosen.any()}
    facts = {
        "phase": phase,
        "epsilon": EPSILON,
        "server_columns": given.columns[0],
        "device_columns": given.columns[1],
        "items": len(data.catalogue),
        "newest_items": len(data.catalogue) - len(made.older),
        "spread": REFINE_SPREAD,
    }
    if given.json:
        movielens.dump({**facts, "results": results})
        return
    print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items()))
    for title, rows in results.items():
        table(title, rows)


if __name__ == "__main__":
    main()
