"""Thinning a data set: leaving out items that few people have, for comparisons that cannot hold them all."""

import numpy as np

from confidante.core.errors import DataError
from confidante.lab.data.dataset import Dataset, LoadReport, Tally
from confidante.lab.split import take


def keep_common_items(dataset: Dataset, min_people: int) -> Dataset:
    """Return the data set without the items that fewer than `min_people` people have, all people kept.

    Counted in the report. This looks at the data without paying for it, so it is for comparing models on
    equal terms and no part of a private one. Raises DataError when no item is left.
    """
    histories, items = dataset.histories, len(dataset.catalogue)
    pairs = np.unique(histories.person_of_event * items + histories.items)
    common = np.bincount(pairs % items, minlength=items) >= min_people
    if not common.any():
        raise DataError(f"no item was met by {min_people} people: lower min_people")
    kept = np.flatnonzero(common).tolist()
    catalogue = dataset.catalogue.select(kept)
    left = take(histories, common[histories.items])
    new_index = np.cumsum(common) - 1
    left = type(left)(left.indptr, new_index[left.items].astype(np.int32), left.times)
    report, dropped = dataset.report, len(histories.items) - len(left.items)
    skipped = (*report.skipped, Tally(f"events with items that fewer than {min_people} people have", dropped))
    report = LoadReport(report.source, report.read, len(left.items), skipped, report.notes)
    return Dataset(left, catalogue, dataset.user_ids, report)
