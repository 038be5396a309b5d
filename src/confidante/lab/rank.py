"""A file of interactions in, everybody's best items out: what `confidante lab rank` does."""

import csv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO, final

from confidante.core.errors import DataError, PlanError
from confidante.core.files import same_place, written_whole
from confidante.core.values import Catalogue
from confidante.lab.batch_sum import Adder
from confidante.lab.data.csv_files import load_csv
from confidante.lab.data.dataset import Dataset, LoadReport
from confidante.lab.experiment import Run, run_training
from confidante.lab.people import Crowd
from confidante.lab.published_recommender import PublishedRecommender
from confidante.lab.simulation import Engine, Progress

_LARGEST_UPLOAD = 1 << 30


@final
@dataclass(frozen=True, slots=True)
class Training:
    """How to train, as a caller of the command line asks for it.

    epsilon: user-level, what the coordinator faces at worst; None for secure aggregation without noise.
    dropout: part of the devices that really vanish; at most `max_dropout`, for which the noise is planned.
    repeat: repurchase data, where people meet an item again. Raises PlanError for what cannot be.
    """

    epsilon: float | None = 4.0
    delta: float = 1e-5
    seed: int = 0
    engine: Engine = "aggregate"
    max_dropout: float = 0.3
    max_collusion: float = 0.1
    dropout: float = 0.0
    bits: int = 20
    max_upload: int = 3_000_000
    repeat: bool = False

    def __post_init__(self) -> None:
        """Refuse what no later check would name as clearly."""
        if self.seed < 0:
            raise PlanError(f"the seed is {self.seed}: give 0 or more")
        if not 0 <= self.dropout <= self.max_dropout:  # NaN fails too
            raise PlanError(
                f"dropout is {self.dropout}, and the noise is planned for at most {self.max_dropout}: "
                "give a part from 0 to max_dropout"
            )
        if not 8 <= self.bits <= 32:
            raise PlanError(f"bits is {self.bits}: the ring has 8 to 32 bits")
        if not 1024 <= self.max_upload <= _LARGEST_UPLOAD:
            raise PlanError(f"max_upload is {self.max_upload} bytes: give from 1,024 to {_LARGEST_UPLOAD:,}")

    def run(self, dataset: Dataset, progress: Progress | None = None) -> Run:
        """Train on all interactions of a data set. Raises ConfidanteError."""
        if len(dataset.catalogue) < 2:
            raise DataError(
                "has one item only: give at least two to choose between", path=dataset.report.source
            )
        return self.train(dataset.histories, dataset.catalogue, progress)

    def train(
        self,
        crowd: Crowd,
        catalogue: Catalogue,
        progress: Progress | None = None,
        adder: Adder | None = None,
    ) -> Run:
        """Train on all events of a crowd; adder: see `Simulator`. Raises ConfidanteError."""
        return run_training(crowd, catalogue, adder=adder, progress=progress, **asdict(self))


def rank_file(
    train: Path,
    items: Path | None,
    out: Path,
    k: int,
    training: Training,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train on a CSV file, write `user,item,rank` to `out` and return what it took, ready for JSON.

    Every user of the file gets `k` rows, or all candidates when there are fewer: `short_lists` counts such
    users, and `empty_lists` those of them without any candidate, who are not in the file. An item of the
    user's own history is a candidate only with `training.repeat`. The file appears whole or not at all.
    Raises ConfidanteError.
    """
    if k < 1:
        raise DataError(f"k is {k}: give 1 or more")
    for source in (train, items):
        if source is not None and same_place(source, out):
            raise DataError("is an input: write the ranking to another file", path=out)
    with written_whole(out) as half:
        dataset = load_csv(train, items, repeats="all" if training.repeat else "first")
        run = training.run(dataset, progress)
        with half.open("w", encoding="utf-8", newline="") as file:
            lengths = _write(file, dataset, run, k, repeat=training.repeat)
    return {
        **summary(run, training, dataset),
        "k": k,
        "rows": sum(lengths),
        "short_lists": sum(length < k for length in lengths),
        "empty_lists": lengths.count(0),
    }


def summary(run: Run, training: Training, dataset: Dataset) -> dict[str, Any]:
    """Return what a training on a file took and promises, ready for JSON."""
    return {
        **costs(run, training),
        "devices": dataset.histories.people,
        "items": len(dataset.catalogue),
        "engine": training.engine,
        "seed": training.seed,
        "seconds": round(run.seconds, 3),
        **load_report(dataset.report),
    }


def costs(run: Run, training: Training) -> dict[str, Any]:
    """Return what a training took and promises, ready for JSON: a figure that does not exist is None."""
    private = training.epsilon is not None
    guarantee = run.guarantee
    return {
        "sums": run.rounds,
        "tasks": [
            {
                "task": record.plan.task,
                "sums": record.rounds,
                "entries": record.plan.length,
                "upload_bytes": record.upload_bytes,
                "noise_multiplier": record.plan.noise_multiplier,
                "survivors": record.survivors,
                "dropped": record.dropped,
            }
            for record in run.records
        ],
        "upload_bytes": run.upload_bytes,
        "largest_upload_bytes": run.largest_upload,
        "noise": private,
        "epsilon": training.epsilon,
        "epsilon_server": guarantee.server_epsilon if private else None,
        "epsilon_release": guarantee.release_epsilon if private else None,
        "delta": guarantee.delta if private else None,
        "adjacency": guarantee.adjacency if private else None,
        "assumes": "the list of items is public, also of those that only events name" if private else None,
    }


def load_report(report: LoadReport) -> dict[str, Any]:
    """Return what became of the rows of a file, ready for JSON."""
    return {
        "rows_read": report.read,
        "rows_kept": report.kept,
        "skipped": [
            {"what": tally.what, "count": tally.count, "first_line": tally.first_line}
            for tally in report.skipped
        ],
        "notes": [
            {"what": tally.what, "count": tally.count, "first_line": tally.first_line}
            for tally in report.notes
        ],
    }


def _write(file: TextIO, dataset: Dataset, run: Run, k: int, *, repeat: bool) -> list[int]:
    """Write everybody's rows and return the number of each."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("user", "item", "rank"))
    names, lengths = dataset.catalogue.ids, []
    recommender = PublishedRecommender(run.published, dataset.catalogue)
    lists = recommender.lists(dataset.histories, k, repeats=repeat)
    for user, (chosen, _) in zip(dataset.user_ids, lists, strict=True):
        writer.writerows((user, names[item], rank) for rank, item in enumerate(chosen.tolist(), 1))
        lengths.append(len(chosen))
    return lengths
