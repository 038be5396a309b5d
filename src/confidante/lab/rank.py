"""A file of interactions in, everybody's best items out: what `confidante lab rank` does."""

import csv
import io
from pathlib import Path
from typing import Any, TextIO

from confidante.core.errors import DataError
from confidante.core.files import same_place, written_whole
from confidante.lab.data.csv_files import load_csv
from confidante.lab.data.dataset import Dataset
from confidante.lab.experiment import Run, Training, costs
from confidante.lab.published_recommender import PublishedRecommender
from confidante.lab.simulation import Progress


def rank_file(
    train: Path,
    items: Path | None,
    out: Path,
    k: int,
    training: Training,
    progress: Progress | None = None,
    *,
    ratings: bool = False,
) -> dict[str, Any]:
    """Train on a CSV file, write `user,item,rank` to `out` and return what it took, ready for JSON.

    Every user of the file gets `k` rows, or all candidates when there are fewer: `short_lists` counts such
    users, and `empty_lists` those of them without any candidate, who are not in the file. An item of the
    user's own history is a candidate only with `training.repeat`. `without_order` counts users all of whose
    events have one time: no order is read out of how their rows stand. The file appears whole or not at all.
    ratings: see `load_csv`. Raises ConfidanteError.
    """
    if k < 1:
        raise DataError(f"k is {k}: give 1 or more")
    for source in (train, items):
        if source is not None and same_place(source, out):
            raise DataError("is an input: write the ranking to another file", path=out)
    with written_whole(out) as half:
        dataset = load_csv(train, items, repeats="all" if training.repeat else "first", ratings=ratings)
        run = training.run(dataset, progress)
        with half.open("w", encoding="utf-8", newline="") as file:
            lengths = _write(file, dataset, run, k, repeat=training.repeat)
    return {
        **costs(run, training),
        "devices": dataset.histories.people,
        "items": len(dataset.catalogue),
        "engine": training.engine,
        "seed": training.seed,
        "seconds": round(run.seconds, 3),
        **dataset.report.to_json(),
        "k": k,
        "rows": sum(lengths),
        "without_order": int(dataset.histories.unordered.sum()),
        "short_lists": sum(length < k for length in lengths),
        "empty_lists": lengths.count(0),
    }


def _write(file: TextIO, dataset: Dataset, run: Run, k: int, *, repeat: bool) -> list[int]:
    """Write everybody's rows and return the number of each."""
    file.write("user,item,rank\n")
    names, lengths = [_cell(item) for item in dataset.catalogue.ids], []
    recommender = PublishedRecommender(run.published, dataset.catalogue)
    lists = recommender.lists(dataset.histories, k, repeats=repeat)
    for user, chosen in zip(map(_cell, dataset.user_ids), lists, strict=True):
        ranked = enumerate(chosen.tolist(), 1)
        file.write("".join([f"{user},{names[item]},{rank}\n" for rank, item in ranked]))
        lengths.append(len(chosen))
    return lengths


def _cell(text: str) -> str:
    """Return a text as CSV quotes it; once for each item, which stands in thousands of rows."""
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow((text,))
    return row.getvalue()
