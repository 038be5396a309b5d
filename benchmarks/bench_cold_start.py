"""New people: NDCG@10 and HR@10 after 0 signals, three picks and half an imported history, noise on.

    python benchmarks/bench_cold_start.py [--data ml-100k ml-1m] [--folds 4] [--groups] [--json]
    python benchmarks/bench_cold_start.py --fade
    python benchmarks/bench_cold_start.py --tune

Needs the data sets in the folder that CONFIDANTE_SHARED names; without it, says so and stops. People are cut
into five parts at random, with a fixed seed. The share of the budget for picks, STRENGTH and PICK_WEIGHT
were chosen on the first part (`--tune`, which grades ENOUGH as well: that one was set and not chosen by it);
each of the other four is held out in turn, in no sum at all, and a model is trained on everybody else:
epsilon 8 and delta 1e-5 against the coordinator, the sums for cohorts and picks within the same budget. So
every new person counts once, over four trainings with noise of their own.

A new person's first half, by time, is what may be known; right is what the second half has
(`_cold_start.py`). Candidates are all items but those of the first half, the same for every line. "The newest
event" grades only the last event of each person, with all before it no candidates, as the other benchmarks
do. Picks: of the slate that a device shows, the three of the first half with the best ratings, then the
newest; fewer where there are fewer. Scores are the device's own (`build_query` over a `Library`). Cohorts:
gender, then age. "Before" is the same device on a training without the sums for cohorts and picks.
`--fade`: the group and three picks, and besides the newest 1, 5 or 20 other events of the first half (or as
many as there are), with the fade, without it (group and picks count in full), and with a switch (neither
counts once there is an event).

Popularity, not private, counts people of the same training part. Intervals: bootstrap over people, 95 %.
"""

import csv
import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import _movielens as movielens
from _cold_start import (
    Cold,
    NewPerson,
    Shares,
    later_ranks,
    new_people,
    ranks_of,
    train_cold,
)
from confidante.core.values import Catalogue, Histories
from confidante.device.catalog.library import Library
from confidante.device.recommend.group_prior import GroupPrior
from confidante.device.recommend.onboarding import slate
from confidante.device.recommend.query import Profile, build_query
from confidante.lab.metrics import estimate, hr_at_k, ndcg_at_k
from confidante.models import shrinkage
from confidante.packs.media import MEDIA
from confidante.tasks import likes
from confidante.tasks.cohorts.tree import everyone_by

EPSILON = 8.0
PARTS = 5
AGES = {1: "<18", 18: "18-24", 25: "25-34", 35: "35-44", 45: "45-49", 50: "50-55", 56: "56+"}
TREE = everyone_by({"gender": ("M", "F"), "age": tuple(AGES.values())})

POPULARITY, DP = "popularity, not private", "global DP popularity"
WAYS = {"fade": shrinkage.ENOUGH, "no fade": 1e12, "switch": 1e-12}
"""Own events at which a group counts half: as on a device, never, and at the first."""

Values = dict[str, list[NDArray[np.int64]]]


@dataclass(frozen=True)
class Data:
    name: str
    catalogue: Catalogue
    histories: Histories
    ratings: NDArray[np.int64]
    groups: NDArray[np.int64]
    part: NDArray[np.int64]


def load(name: str) -> Data | None:
    split = movielens.load(name, "test")
    if split is None:
        return None
    visible, newest = split.visible, split.held_out
    histories = Histories(
        visible.indptr + np.arange(visible.people + 1),
        np.insert(visible.items, visible.indptr[1:], newest.items),
        np.insert(visible.times, visible.indptr[1:], newest.times),
    )
    folder = movielens.shared() / "data" / name
    rated, stated = _files(folder, name)
    ids = split.catalogue.ids
    people = histories.person_of_event.tolist()
    ratings = np.array(
        [rated[split.people[p], ids[i]] for p, i in zip(people, histories.items.tolist(), strict=True)]
    )
    groups = np.array([TREE.leaf_of(stated[one]) for one in split.people])
    part = np.random.default_rng(2026).permutation(histories.people) % PARTS
    return Data(name, split.catalogue, histories, ratings, groups, part)


def _files(folder: Path, name: str) -> tuple[dict[tuple[str, str], int], dict[str, dict[str, str]]]:
    """Return ratings by person and item, and what each person states: gender and band of age."""
    if name == "ml-1m":
        with gzip.open(folder / "ratings.dat.gz", "rt", encoding="latin-1") as file:
            ratings = [line.split("::") for line in file]
        people = [line.split("::") for line in (folder / "users.dat").read_text("latin-1").splitlines()]
        stated = {row[0]: {"gender": row[1], "age": AGES[int(row[2])]} for row in people}
    else:
        with (folder / "u.data").open(newline="") as file:
            ratings = list(csv.reader(file, delimiter="\t"))
        people = [line.split("|") for line in (folder / "u.user").read_text("latin-1").splitlines()]
        stated = {row[0]: {"gender": row[2], "age": _band(int(row[1]))} for row in people}
    return {(row[0], row[1]): int(row[2]) for row in ratings}, stated


def _band(age: int) -> str:
    return AGES[max(start for start in AGES if start <= max(age, 1))]


def fold(data: Data, part: int, shares: Shares, seed: int) -> tuple[Cold, Cold | None, list[NewPerson]]:
    """Return a training without the people of one part, one without cohorts and picks, and these people."""
    others = np.flatnonzero(data.part != part)
    histories = data.histories.select(others)

    def trained(wanted: Shares) -> Cold:
        return train_cold(
            histories,
            data.catalogue,
            epsilon=EPSILON,
            delta=movielens.DELTA,
            seed=seed,
            shares=wanted,
            tree=TREE,
            groups=data.groups[others],
        )

    new = new_people(data.histories, data.ratings, np.flatnonzero(data.part == part))
    return trained(shares), trained(Shares(0.0, 0.0)), new


def profile(rows: NDArray[np.int64], *, picked: bool, prior: GroupPrior | None) -> Profile:
    made = movielens.profile(rows)
    return Profile(
        made.numbers,
        made.rows,
        made.weights,
        made.contexts,
        picks=np.ones(len(rows), dtype=np.int64) if picked else None,
        prior=prior,
    )


def slate_of(data: Data, library: Library) -> NDArray[np.int64]:
    items = movielens.items_of(data.catalogue)
    return slate(library, lambda rows: [items[row] for row in rows.tolist()], groups=MEDIA.groups)


def fading(
    library: Library, person: NewPerson, shown: NDArray[np.int64], count: int, way: str, prior: Any
) -> Any:
    """Return the scores of a person with picks and so many events. way: see WAYS."""
    chosen = person.picks(shown)
    events = person.first[~np.isin(person.first, chosen)][-count:]
    made = profile(np.concatenate((chosen, events)), picked=True, prior=prior)
    if made.picks is not None:
        made.picks[len(chosen) :] = 0
    kept, shrinkage.ENOUGH = shrinkage.ENOUGH, WAYS[way]
    try:
        return build_query(library, made).scores(np.arange(len(library)))
    finally:
        shrinkage.ENOUGH = kept


def score_all(
    data: Data, part: int, shares: Shares, *, faded: bool = False
) -> tuple[dict[str, Any], list[NewPerson], dict[str, Any]]:
    """Return by line of the table the scores of each new person, the people, and what is told of the fold."""
    cold, plain, new = fold(data, part, shares, seed=part)
    library = movielens.library_of(data.catalogue, cold.published)
    before = movielens.library_of(data.catalogue, plain.published)
    others = data.histories.select(np.flatnonzero(data.part != part))
    counts = np.bincount(others.items, minlength=len(data.catalogue)).astype(np.float64)
    shown = slate_of(data, library)
    rows = np.arange(len(data.catalogue))
    groups: dict[int, GroupPrior | None] = {}

    def group(person: NewPerson) -> GroupPrior | None:
        place = int(data.groups[person.number])
        if place not in groups:
            points = cold.table.prior(place) if cold.table is not None else None
            groups[place] = None if points is None else GroupPrior("own", points, lambda _: None)
        return groups[place]

    def scored(on: Library, known: NDArray[np.int64], *, picked: bool, prior: GroupPrior | None) -> Any:
        return build_query(on, profile(known, picked=picked, prior=prior)).scores(rows)

    nothing = np.zeros(0, dtype=np.int64)
    lines: dict[str, Callable[[NewPerson], Any]] = {
        POPULARITY: lambda _: counts,
        DP: lambda _: before.model.prior.astype(np.float64),
        "0 signals, no cohort (budget shared)": lambda _: library.model.prior.astype(np.float64),
        "0 signals, cohort": lambda p: scored(library, nothing, picked=False, prior=group(p)),
        "3 picks, before: as events": lambda p: scored(before, p.picks(shown), picked=True, prior=None),
        "3 picks": lambda p: scored(library, p.picks(shown), picked=True, prior=None),
        "3 picks, cohort": lambda p: scored(library, p.picks(shown), picked=True, prior=group(p)),
        "half a history, before": lambda p: scored(before, p.first, picked=False, prior=None),
        "half a history": lambda p: scored(library, p.first, picked=False, prior=None),
        "half a history, cohort": lambda p: scored(library, p.first, picked=False, prior=group(p)),
    }
    if faded:
        lines = {name: lines[name] for name in (POPULARITY, DP, "0 signals, cohort", "3 picks, cohort")}
        for count in (1, 5, 20):
            for way in WAYS:
                lines[f"3 picks, cohort, {count} events, {way}"] = lambda p, count=count, way=way: fading(
                    library, p, shown, count, way, group(p)
                )
    had = [len(person.picks(shown)) for person in new]
    served = [] if cold.table is None else [TREE.groups[g].name for g in cold.table.rows]
    told = {
        "people": len(new),
        "slate": len(shown),
        "with_three_picks": sum(count == 3 for count in had),
        "with_none": had.count(0),
        "groups_served": served,
        "epsilon": cold.guarantee.server_epsilon,
        "epsilon_before": plain.guarantee.server_epsilon,
    }
    return lines, new, told


def newest(person: NewPerson) -> NewPerson:
    """Return the person as if only the last event were to come, and all before it no candidates."""
    last = person.later[-1:]
    return NewPerson(person.number, np.concatenate((person.first, person.later[:-1])), person.ratings, last)


def measured(data: Data, parts: list[int], shares: Shares, *, faded: bool = False) -> dict[str, Any]:
    ndcg: dict[str, list[float]] = {}
    hr: dict[str, list[float]] = {}
    last: dict[str, list[float]] = {}
    told, groups = [], []
    for part in parts:
        lines, new, fold_told = score_all(data, part, shares, faded=faded)
        told.append(fold_told)
        groups += [int(data.groups[person.number]) for person in new]
        for name, score in lines.items():
            scores = [score(person) for person in new]
            halves = ranks_of([later_ranks(s, p) for s, p in zip(scores, new, strict=True)])
            lasts = ranks_of([later_ranks(s, newest(p)) for s, p in zip(scores, new, strict=True)])
            ndcg.setdefault(name, []).extend(ndcg_at_k(halves, 10))
            hr.setdefault(name, []).extend(hr_at_k(halves, 10))
            last.setdefault(name, []).extend(ndcg_at_k(lasts, 10))
    rows = []
    base = np.array(ndcg[POPULARITY])
    for name in ndcg:
        mine = np.array(ndcg[name])
        gain = _ratio(mine, base)
        rows.append(
            {
                "line": name,
                "ndcg_at_10": _interval(mine),
                "hr_at_10": _interval(np.array(hr[name])),
                "newest_ndcg_at_10": _interval(np.array(last[name])),
                "over_popularity": gain,
                "newest_over_popularity": _ratio(np.array(last[name]), np.array(last[POPULARITY])),
            }
        )
    cohort = np.array(ndcg["0 signals, cohort"]) - np.array(ndcg[DP])
    by_group = [
        {
            "group": TREE.groups[place].name,
            "people": int(np.sum(np.array(groups) == place)),
            "dp": float(np.array(ndcg[DP])[np.array(groups) == place].mean()),
            "cohort": float(np.array(ndcg["0 signals, cohort"])[np.array(groups) == place].mean()),
            "difference": _interval(cohort[np.array(groups) == place]),
        }
        for place in sorted(set(groups))
    ]
    return {
        "data": data.name,
        "people": len(base),
        "folds": told,
        "rows": rows,
        "by_group": by_group,
        "cohort_over_dp": _interval(cohort),
        "fade": [
            {
                "events": count,
                "against": way,
                "difference": _interval(
                    np.array(ndcg[f"3 picks, cohort, {count} events, fade"])
                    - np.array(ndcg[f"3 picks, cohort, {count} events, {way}"])
                ),
            }
            for count in ((1, 5, 20) if faded else ())
            for way in WAYS
            if way != "fade"
        ],
    }


def _interval(values: NDArray[np.float64]) -> list[float]:
    found = estimate(values)
    return [found.value, found.low, found.high]


def _ratio(mine: NDArray[np.float64], base: NDArray[np.float64]) -> list[float]:
    """Return mean over mean, less 1, with its bootstrap interval over people, who are the same in both."""
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, len(base), len(base)) for _ in range(1000)]
    found = [mine[one].mean() / base[one].mean() - 1 for one in drawn]
    low, high = np.percentile(found, [2.5, 97.5])
    return [float(mine.mean() / base.mean() - 1), float(low), float(high)]


def report(one: dict[str, Any], *, groups: bool) -> None:
    three, none = (sum(told[key] for told in one["folds"]) for key in ("with_three_picks", "with_none"))
    epsilon = max(told["epsilon"] for told in one["folds"])
    print(
        f"\n{one['data']}: {one['people']} new people; {three} had three of the slate, {none} none; "
        f"epsilon {epsilon:.2f}\n\n"
        "| known | NDCG@10 (95 %) | HR@10 | over popularity (95 %) | the newest event: NDCG@10 | over |\n"
        "|---|---|---|---|---|---|"
    )
    for row in one["rows"]:
        value, low, high = row["ndcg_at_10"]
        gain = "{:+.1%} ({:+.1%} to {:+.1%})".format(*row["over_popularity"])
        last, last_low, last_high = row["newest_ndcg_at_10"]
        print(
            f"| {row['line']} | {value:.4f} ({low:.4f}-{high:.4f}) | {row['hr_at_10'][0]:.3f} | {gain} "
            f"| {last:.4f} ({last_low:.4f}-{last_high:.4f}) | {row['newest_over_popularity'][0]:+.1%} |"
        )
    print("\ncohort less global DP popularity: {:+.4f} ({:+.4f} to {:+.4f})".format(*one["cohort_over_dp"]))
    for row in one["fade"]:
        difference = "{:+.4f} ({:+.4f} to {:+.4f})".format(*row["difference"])
        print(f"after {row['events']} events, fade less {row['against']}: {difference}")
    if groups:
        print("\n| group | people | global DP | cohort | difference (95 %) |\n|---|---|---|---|---|")
        for row in one["by_group"]:
            difference = "{:+.4f} ({:+.4f} to {:+.4f})".format(*row["difference"])
            print(
                f"| {row['group']} | {row['people']} | {row['dp']:.4f} | {row['cohort']:.4f} | {difference} |"
            )


def tune(data: Data) -> None:
    """Grade choices on the people of the first part, who are in no figure elsewhere."""
    for share in (0.1, 0.15, 0.2):
        show(f"picks {share:g} of the budget", data, Shares(share))
    for name, module, values in (
        ("STRENGTH", likes, (0.8, 1.2, 1.6)),
        ("PICK_WEIGHT", shrinkage, (0.0, 0.01, 0.02, 0.04)),
        ("ENOUGH", shrinkage, (1.0, 10.0, 100.0)),
    ):
        kept = getattr(module, name)
        for value in values:
            setattr(module, name, value)
            show(f"{name} {value:g}", data, Shares())
        setattr(module, name, kept)


def show(name: str, data: Data, shares: Shares) -> None:
    found = measured(data, [0], shares)
    cells = [f"{row['line']} {row['over_popularity'][0]:+.1%}" for row in found["rows"][1:]]
    print(f"{data.name}: {name}: " + "; ".join(cells), flush=True)


def main() -> None:
    arguments = movielens.parser(__doc__)
    arguments.add_argument("--folds", type=int, default=PARTS - 1, choices=range(1, PARTS))
    arguments.add_argument("--groups", action="store_true", help="also by group")
    arguments.add_argument("--fade", action="store_true", help="the fade after 1, 5 and 20 events instead")
    arguments.add_argument("--tune", action="store_true", help="grade choices on the people kept for that")
    given = arguments.parse_args()
    found = []
    for name in given.data:
        data = load(name)
        if data is None:
            return
        if given.tune:
            tune(data)
        else:
            found.append(measured(data, list(range(1, given.folds + 1)), Shares(), faded=given.fade))
            if not given.json:
                report(found[-1], groups=given.groups)
    if given.json and not given.tune:
        movielens.dump({"epsilon": EPSILON, "delta": movielens.DELTA, "data": found})


if __name__ == "__main__":
    main()
