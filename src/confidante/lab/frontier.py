"""Accuracy against epsilon, between popularity and the same model without noise."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from matplotlib.figure import Figure

from confidante.core.errors import DataError, PlanError
from confidante.core.files import check_writable, written_whole
from confidante.lab.baselines import fit_popularity
from confidante.lab.data.dataset import Dataset, LoadReport
from confidante.lab.experiment import Training
from confidante.lab.metrics import Estimate, Scorer, estimate, full_ranks, ndcg_at_k
from confidante.lab.published_recommender import PublishedRecommender
from confidante.lab.report_plots import (
    Draw,
    Palette,
    empty_axes,
    inline_svg,
    picture_bytes,
    rendered,
)
from confidante.lab.simulation import Progress
from confidante.lab.split import leave_one_out
from confidante.privacy.accounting import calibrate

K = 10
SUFFIXES = (".html", ".svg", ".png")


@final
@dataclass(frozen=True, slots=True)
class Point:
    """Accuracy at one epsilon: each person's NDCG averaged over the seeds, then over people.

    seeds: the mean over people for each seed, which shows how much the noise alone moves it.
    """

    epsilon: float
    ndcg: Estimate
    seeds: tuple[float, ...]


@final
@dataclass(frozen=True, slots=True)
class Frontier:
    """Points by increasing epsilon, and the two end lines.

    part: what was graded, valid or test; left_out: people with too few events to hold some out; report: what
    became of the rows of the file.
    """

    part: str
    delta: float
    devices: int
    left_out: int
    points: tuple[Point, ...]
    popularity: Estimate
    no_noise: Estimate
    report: LoadReport

    def to_json(self) -> dict[str, Any]:
        """Return the figures as one object."""
        figures = asdict(self)
        del figures["report"]
        return {**figures, **self.report.to_json()}


def run_frontier(
    dataset: Dataset,
    epsilons: Sequence[float],
    *,
    seeds: int = 2,
    delta: float = 1e-5,
    test: bool = False,
    progress: Progress | None = None,
) -> Frontier:
    """Train once for each epsilon and seed and grade on each person's held-out item.

    test: grade on the last item (training on all before it) instead of the one before the last. Raises
    ConfidanteError.
    """
    if seeds < 1:
        raise PlanError(f"seeds is {seeds}: give 1 or more")
    if not epsilons:
        raise PlanError("there is no epsilon to try: give some, separated by commas")
    for epsilon in epsilons:
        calibrate(epsilon, delta, (1.0,))  # refuse an impossible one before hours of training
    split = leave_one_out(dataset.histories)
    history, relevant = split.visible(valid=test), split.test if test else split.valid
    hidden = None if test else split.test
    visible = Dataset(
        history, dataset.catalogue, tuple(dataset.user_ids[p] for p in split.people.tolist()), dataset.report
    )

    def grade(scorer: Scorer) -> np.ndarray[Any, np.dtype[np.float64]]:
        return ndcg_at_k(full_ranks(scorer, history, relevant, also_hidden=hidden), K)

    def trained(epsilon: float | None, seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        name = "no noise" if epsilon is None else f"epsilon {epsilon:g}, seed {seed}"
        report = progress or (lambda _what, _part: None)
        training = Training(epsilon=epsilon, delta=delta, seed=seed)
        run = training.run(visible, lambda what, part: report(f"{name}: {what}", part))
        return grade(PublishedRecommender(run.published, dataset.catalogue))

    points = []
    for epsilon in sorted(set(epsilons)):
        runs = np.stack([trained(epsilon, seed) for seed in range(seeds)])
        points.append(Point(epsilon, estimate(runs.mean(axis=0)), tuple(runs.mean(axis=1).tolist())))
    return Frontier(
        part="test" if test else "valid",
        delta=delta,
        devices=history.people,
        left_out=dataset.histories.people - history.people,
        points=tuple(points),
        popularity=estimate(grade(fit_popularity(history, len(dataset.catalogue)))),
        no_noise=estimate(trained(None, 0)),
        report=dataset.report,
    )


def check_out(out: Path) -> None:
    """Raise DataError, before any work, when no picture can be written there."""
    if out.suffix.lower() not in SUFFIXES:
        raise DataError(f"is not a picture format that we write: end it with {', '.join(SUFFIXES)}", path=out)
    check_writable(out)


def write_frontier(frontier: Frontier, out: Path) -> None:
    """Write the picture, as a page of its own when `out` ends with .html. Raises DataError."""
    check_out(out)
    draw = frontier_picture(frontier)
    kind = out.suffix.lower().removeprefix(".")
    if kind == "html":
        svg = inline_svg(draw, "frontier", "Accuracy against epsilon; the table has the numbers.")
        drawn = rendered("frontier.html.j2", frontier=frontier, k=K, picture=svg).encode()
    else:
        drawn = picture_bytes(draw, kind)
    with written_whole(out) as half:
        half.write_bytes(drawn)


def frontier_picture(frontier: Frontier) -> Draw:
    """Draw NDCG against epsilon on a logarithmic axis, with 95 % intervals and the two end lines."""

    def draw(palette: Palette) -> Figure:
        figure, axes = empty_axes(palette)
        epsilons = [point.epsilon for point in frontier.points]
        low = [point.ndcg.low for point in frontier.points]
        high = [point.ndcg.high for point in frontier.points]
        ends = (
            (frontier.no_noise, palette.central, "no noise"),
            (frontier.popularity, palette.popularity, "popularity"),
        )
        for end, colour, name in ends:
            axes.axhspan(end.low, end.high, color=colour, alpha=0.13, linewidth=0)
            axes.axhline(
                end.value, color=colour, linewidth=1.6, linestyle="--", label=f"{name} {end.value:.3f}"
            )
        axes.fill_between(epsilons, low, high, color=palette.private, alpha=0.18, linewidth=0)
        axes.plot(
            epsilons,
            [p.ndcg.value for p in frontier.points],
            color=palette.private,
            marker="o",
            label="private",
        )
        axes.set_xscale("log")
        axes.set_xticks(epsilons, [f"{epsilon:g}" for epsilon in epsilons])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.set_xlabel("user-level epsilon against the coordinator")
        axes.set_ylabel(f"NDCG@{K} ({frontier.part})")
        axes.legend(frameon=False, labelcolor=palette.ink, loc="best", fontsize=10)
        return figure

    return draw
