"""One training at scale, and what it took: what `confidante lab simulate` does.

The same training as `lab rank`, over people out of a file or made up as they are asked for, in this process
or spread over a Ray cluster. Nobody's list is written; what counts is time, memory and, for made-up people,
whose next event is known, how good the model is.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Protocol, final

import numpy as np

from confidante.core.values import Catalogue
from confidante.lab.baselines import fit_popularity
from confidante.lab.batch_sum import SumBackend
from confidante.lab.data.dataset import Dataset
from confidante.lab.experiment import Run, Training, costs
from confidante.lab.memory import peak_bytes
from confidante.lab.metrics import Scorer, estimate, full_ranks, ndcg_at_k
from confidante.lab.people import SimulatedPeople, SyntheticPeople, synthetic_catalogue
from confidante.lab.published_recommender import PublishedRecommender
from confidante.lab.simulation import Progress

K = 10
GRADED = 2000  # at most so many made-up people grade the model


class Workers(SumBackend, Protocol):
    """Processes that add up together."""

    @property
    def workers(self) -> int:
        """How many there are."""

    def peaks(self) -> list[int | None]:
        """Return the most memory each held, in bytes, None where unknown."""


@final
@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a simulation is spread over: see `RaySums`."""

    workers: int | None = None
    address: str | None = None


def simulate(
    source: Dataset | SyntheticPeople,
    training: Training,
    cluster: Cluster | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train over the people of a data set or over made-up ones and return what it took, ready for JSON.

    cluster: spread it, with `training.engine` "aggregate"; None for this process alone. Memory is in bytes,
    seconds are those of the training without the start of the workers. `sums_digest` names the integers of
    each task's sum: equal digests, equal sums. Raises ConfidanteError.
    """
    if isinstance(source, SyntheticPeople):
        crowd: SimulatedPeople = source
        catalogue, report = synthetic_catalogue(source.items), {}
    else:
        crowd, catalogue, report = source.histories, source.catalogue, source.report.to_json()
    with _spread(crowd, cluster) as workers:
        run = training.train(crowd, catalogue, progress, workers)
        peaks = [] if workers is None else workers.peaks()
    result = costs(run, training)
    for task, record in zip(result["tasks"], run.records, strict=True):
        task |= {"seconds": round(record.seconds, 3), "sum_digest": record.digest}
    return {
        **result,
        "devices": crowd.people,
        "items": len(catalogue),
        "made_up": isinstance(source, SyntheticPeople),
        "engine": training.engine if cluster is None else "ray",
        "workers": len(peaks),
        "seed": training.seed,
        "seconds": round(run.seconds, 3),
        "peak_bytes": peak_bytes(),
        "worker_peak_bytes": max((peak for peak in peaks if peak is not None), default=None),
        "quality": _quality(source, catalogue, run) if isinstance(source, SyntheticPeople) else None,
        **report,
    }


def _spread(crowd: SimulatedPeople, cluster: Cluster | None) -> AbstractContextManager[Workers | None]:
    if cluster is None:
        return nullcontext()
    from confidante.lab.ray_workers import RaySums

    return RaySums(crowd, workers=cluster.workers, address=cluster.address)


def _quality(crowd: SyntheticPeople, catalogue: Catalogue, run: Run) -> dict[str, Any]:
    """Return NDCG@10 of the next event of some made-up people, beside popularity without privacy."""
    people = np.unique(np.linspace(0, crowd.people - 1, min(GRADED, crowd.people)).astype(np.int64))
    histories = crowd.select(people)
    held_out = crowd.next_items(people)
    models: dict[str, Scorer] = {
        "model": PublishedRecommender(run.published, catalogue),
        "popularity": fit_popularity(histories, len(catalogue)),
    }
    graded: dict[str, Any] = {"people": len(people), "k": K}
    for name, model in models.items():
        ndcg = estimate(ndcg_at_k(full_ranks(model, histories, held_out, repeat=True), K))
        graded[name] = asdict(ndcg)
    return graded
