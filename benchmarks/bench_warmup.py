"""How good a device's list is after its first events: NDCG@10 and HR@10 after 0, 1, 3, 10 and 30 of them.

    python benchmarks/bench_warmup.py [--data ml-100k ml-1m] [--people 2000] [--plot docs/images/warm-up.png]
    python benchmarks/bench_warmup.py --tune

Needs the data sets in the folder that CONFIDANTE_SHARED names; without it, says so and stops. Leave-one-out
on the frozen splits: the held-out event is ranked among all items that the person did not have before, while
the device knows only the last events before it. People with at least 30 events; the same people and the same
candidates for every point. Scores are the device's own (`build_query` and `rank` over a `Library`), ties
lose, and lists are compared with those of a real `Device` for some people. The federated model is trained
once on the visible part, at epsilon 8 and delta 1e-5 against the coordinator; a device adds the words of
titles and labels to it, and `its model alone` is without them. `--tune` grades choices of the text part on
the validation part.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import _movielens as movielens
from _movielens import Data
from confidante.core.values import Catalogue
from confidante.device.catalog import build
from confidante.device.catalog.index import FlatIndex
from confidante.device.catalog.library import Library
from confidante.device.device import Device
from confidante.device.recommend.counterfactual import rank
from confidante.device.recommend.query import build_query, top_k
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.lab.baselines import fit_popularity
from confidante.lab.metrics import Ranks, estimate, hr_at_k, ndcg_at_k
from confidante.models.snapshot import decode

KNOWN = (0, 1, 3, 10, 30)
EPSILON = 8.0
FEDERATED, MODEL_ALONE = "federated, epsilon 8", "federated, its model alone"
ALONE, POPULARITY = "no federation: words and labels", "popularity, not private"
COMPARED = 12  # people whose lists are compared with a real device's


def split_of(data: Data, person: int, known: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return the events that the device knows, what else is no candidate, and the held-out row."""
    history = data.history(person)
    cut = len(history) - known
    older = history[:cut]
    if data.hidden is not None:
        start, stop = data.hidden.indptr[person : person + 2].tolist()
        older = np.concatenate((older, data.hidden.items[start:stop].astype(np.int64)))
    return history[cut:], older, int(data.held_out.items[data.held_out.indptr[person]])


def ranks(data: Data, library: Library, people: NDArray[np.int64], known: int) -> Ranks:
    """Return everyone's rank of the held-out item; among equal scores it comes last."""
    found = np.empty(len(people), dtype=np.int64)
    for place, person in enumerate(people.tolist()):
        events, older, held_out = split_of(data, person, known)
        ranking = rank(build_query(library, movielens.profile(events), exclude=older), held_out)
        own = ranking.scores[np.searchsorted(ranking.rows, held_out)]
        found[place] = np.count_nonzero(ranking.scores >= own)
    return Ranks(np.arange(len(people) + 1), found)


def popularity_ranks(data: Data, people: NDArray[np.int64]) -> Ranks:
    scores = fit_popularity(data.visible, len(data.catalogue)).score(data.visible.select(people[:1]))[0]
    found = np.empty(len(people), dtype=np.int64)
    for place, person in enumerate(people.tolist()):
        _, older, held_out = split_of(data, person, 0)
        candidates = np.ones(len(scores), dtype=np.bool_)
        candidates[older] = False
        found[place] = np.count_nonzero(scores[candidates] >= scores[held_out])
    return Ranks(np.arange(len(people) + 1), found)


def graded(found: Ranks) -> dict[str, Any]:
    ndcg, hr = estimate(ndcg_at_k(found, 10)), estimate(hr_at_k(found, 10))
    return {
        "ndcg_at_10": ndcg.value,
        "ndcg_low": ndcg.low,
        "ndcg_high": ndcg.high,
        "hr_at_10": hr.value,
        "hr_low": hr.low,
        "hr_high": hr.high,
    }


def same_as_device(data: Data, library: Library, published: bytes | None, people: Sequence[int]) -> int:
    """Return how many lists were compared with a real device's; stop when one differs."""
    compared = 0
    index = FlatIndex(library.model)
    with (
        tempfile.TemporaryDirectory() as folder,
        Device(Path(folder) / "profile", InsecurePlaintextKey()) as device,
    ):
        if published is None:
            device.items.add(data.items)
        else:
            device.federation.install_model(published)
        for person in people:
            for known in KNOWN:
                events, older, _ = split_of(data, person, known)
                ours = top_k(build_query(library, movielens.profile(events), exclude=older), index, 10)
                for at, row in enumerate(events.tolist()):
                    device.record(data.catalogue.ids[row], at=float(at))
                theirs = device.recommend(10, exclude=[data.catalogue.ids[row] for row in older.tolist()])
                names = [suggestion.item.id for suggestion in theirs.suggestions]
                if names != [data.catalogue.ids[row] for row in ours.tolist()]:
                    raise SystemExit(f"{data.name}: person {person}, {known} events: the device differs")
                compared += 1
                device.forget(everything=True)
    return compared


def curve(data: Data, most_people: int) -> dict[str, Any]:
    people = data.with_events(max(KNOWN), most_people)
    published = movielens.trained(data, EPSILON)
    models: list[tuple[str, bytes | None]] = [(FEDERATED, published), (ALONE, None)]
    rows: list[dict[str, Any]] = []
    compared = 0
    for name, body in models:
        library = movielens.library(data, body)
        compared += same_as_device(
            data, library, body, people[:: len(people) // COMPARED][:COMPARED].tolist()
        )
        variants = {name: library}
        if body is not None:
            variants[MODEL_ALONE] = of_spread(library, 0.0)
        for variant, made in variants.items():
            rows += [
                {"model": variant, "events": known, **graded(ranks(data, made, people, known))}
                for known in KNOWN
            ]
    reference = graded(popularity_ranks(data, people))
    rows += [{"model": POPULARITY, "events": known, **reference} for known in KNOWN]
    return {"data": data.name, "people": len(people), "lists_like_a_device": compared, "rows": rows}


# --- choices, on the validation part


def tune(data: Data, most_people: int) -> None:
    people = data.with_events(max(KNOWN), most_people)
    published = decode(movielens.trained(data, EPSILON))
    held_out = data.held_out.items[data.held_out.indptr[:-1]][people]

    print(f"\n{data.name}: half-life of words alone, {len(people)} people, NDCG@10 after 1, 3, 10, 30 events")
    words = movielens.library(data, None)
    for half_life in (1.0, 2.0, 3.0, 5.0, 10.0, 30.0):
        line(
            f"half-life {half_life:g}",
            data,
            changed(words, lambda part, h=half_life: replace(part, half_life=h)),
            people,
        )

    print(f"\n{data.name}: words beside the model for items that it knows, by their spread")
    known = movielens.library(data, published)
    for spread in (0.0, 0.2, 0.4, 0.8, 1.6):
        line(f"spread {spread:g}", data, of_spread(known, spread), people)

    lost = np.random.default_rng(0).random(len(data.catalogue)) < 0.2
    kept = np.flatnonzero(~lost)
    catalogue = Catalogue(
        *(
            tuple(column[k] for k in kept.tolist())
            for column in (data.catalogue.ids, data.catalogue.titles, data.catalogue.labels)
        )
    )
    partial = replace(published, model=published.model.subset(kept), catalogue=catalogue)
    unknown = movielens.library(data, partial)
    of_lost = people[lost[held_out]]
    print(
        f"\n{data.name}: a fifth of the items hidden from the model, by the spread of their words; of "
        f"{len(of_lost)} people whose held-out item is hidden, then of all {len(people)}"
    )
    for spread in (0.0, 0.2, 0.4, 0.8, 1.6):
        made = of_spread(unknown, spread)
        line(f"spread {spread:g}, hidden", data, made, of_lost)
        line(f"spread {spread:g}, all", data, made, people)


def of_spread(library: Library, spread: float) -> Library:
    """Return the library with its text part's scores spread so far, beside those of the model's own parts."""
    factor = np.float32(spread / build.TEXT_SPREAD)
    return changed(library, lambda part: replace(part, item_weights=part.item_weights * factor))


def changed(library: Library, change: Callable[..., Any]) -> Library:
    """Return the library with its text part changed."""
    part = next(part for part in library.model.parts if part.name == build.TEXT_PART)
    return replace(library, model=library.model.with_part(change(part)))


def line(name: str, data: Data, library: Library, people: NDArray[np.int64]) -> None:
    cells = []
    for known in KNOWN[1:]:
        found = ranks(data, library, people, known)
        cells.append(f"{ndcg_at_k(found, 10).mean():.4f} (HR {hr_at_k(found, 10).mean():.4f})")
    print(f"  {name:24} {'  '.join(cells)}", flush=True)


# --- what is shown


def report(curves: Sequence[dict[str, Any]]) -> None:
    for one in curves:
        print(
            f"\n{one['data']}, {one['people']} people; {one['lists_like_a_device']} lists are those of a "
            "real device\n\n| model | events known | NDCG@10 (95 %) | HR@10 (95 %) |\n|---|---|---|---|"
        )
        for row in one["rows"]:
            ndcg = f"{row['ndcg_at_10']:.4f} ({row['ndcg_low']:.4f}-{row['ndcg_high']:.4f})"
            hr = f"{row['hr_at_10']:.4f} ({row['hr_low']:.4f}-{row['hr_high']:.4f})"
            print(f"| {row['model']} | {row['events']} | {ndcg} | {hr} |")


def plot(curves: Sequence[dict[str, Any]], path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    titles = {"ml-100k": "MovieLens-100K", "ml-1m": "MovieLens-1M"}
    colours = {FEDERATED: "#0f766e", MODEL_ALONE: "#2f6fc4", ALONE: "#c2620a", POPULARITY: "#94a1b2"}
    ink, quiet, grid = "#16202e", "#5b6879", "#d9dfe7"
    style = {"font.size": 11, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": quiet}
    with mpl.rc_context(
        {**style, "text.color": ink, "axes.labelcolor": ink, "xtick.color": quiet, "ytick.color": quiet}
    ):
        figure = Figure(figsize=(4.4 * len(curves), 4.2), layout="constrained")
        axes = figure.subplots(1, len(curves), squeeze=False)[0]
        places = range(len(KNOWN))
        for one, drawn in zip(curves, axes, strict=True):
            for name, colour in colours.items():
                rows = [row for row in one["rows"] if row["model"] == name]
                values = [row["ndcg_at_10"] for row in rows]
                flat = name == POPULARITY
                drawn.plot(
                    places,
                    values,
                    color=colour,
                    lw=2,
                    ls="--" if flat else "-",
                    marker="" if flat else "o",
                    label=name,
                )
                if name in {FEDERATED, ALONE}:
                    drawn.fill_between(
                        places,
                        [r["ndcg_low"] for r in rows],
                        [r["ndcg_high"] for r in rows],
                        color=colour,
                        alpha=0.15,
                        lw=0,
                    )
            drawn.set_title(f"{titles[one['data']]}, {one['people']:,} people", fontsize=11, loc="left")
            drawn.set_xticks(list(places), [str(known) for known in KNOWN])
            drawn.set_xlabel("own events that the device knows")
            drawn.set_ylim(bottom=0)
            drawn.grid(axis="y", color=grid, lw=0.8)
        axes[0].set_ylabel("NDCG@10 of the next item")
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False, fontsize=10)
        figure.savefig(path, dpi=160, facecolor="white", metadata={"Software": None})


def main() -> None:
    arguments = movielens.parser(__doc__)
    arguments.add_argument("--plot", type=Path, help="where to draw the curves, a .png")
    arguments.add_argument(
        "--tune", action="store_true", help="grade choices of the text part on the validation part"
    )
    given = arguments.parse_args()
    curves = []
    for name in given.data:
        data = movielens.load(name, "valid" if given.tune else given.phase)
        if data is None:
            return
        if given.tune:
            tune(data, given.people)
        else:
            curves.append(curve(data, given.people))
    if given.tune:
        return
    if given.plot:
        plot(curves, given.plot)
    if given.json:
        movielens.dump({"phase": given.phase, "epsilon": EPSILON, "delta": movielens.DELTA, "curves": curves})
    else:
        report(curves)


if __name__ == "__main__":
    main()
