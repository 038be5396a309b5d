"""A population's sums over cohorts: which items they count, and what is published of them.

All of it is a function of what is public already: the population's file, the newest model, the noisy sum.
"""

import math
from functools import lru_cache
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.coordinator.config.measures import Measure
from confidante.coordinator.config.population import Population
from confidante.coordinator.store.bodies import Bodies
from confidante.models.snapshot import decode as read_model
from confidante.tasks.base import NoisySum, Task
from confidante.tasks.codec import CatalogueWire
from confidante.tasks.cohort_release import CohortRelease
from confidante.tasks.cohort_table import cohort_table, noisy_sizes
from confidante.tasks.cohorts import ITEM_NORM, CohortTask
from confidante.tasks.popularity import popularity


@final
class Cohorts:
    """The sums over cohorts of one population."""

    def __init__(self, bodies: Bodies, population: Population, wire: CatalogueWire) -> None:
        """wire: the population's catalogue."""
        self._bodies, self._population, self._wire = bodies, population, wire
        self._prior = lru_cache(2)(self._read_prior)
        self._asked = lru_cache(2)(self._task)

    def task(self, measure: Measure, model: str) -> Task:
        """Return what devices are asked to compute now.

        model: name of the newest model's body, empty before there is one: its prior says which items are
        popular; without, the first of the catalogue are counted.
        """
        return self._asked(measure, model)

    def release(self, measure: Measure, model: str, task_body: bytes, total: NoisySum) -> bytes:
        """Return what is published of a sum; DataError or WireError for a sum of another catalogue.

        model: as above. Where there is none, the sum itself says what is popular with everyone.
        """
        task = self._wire.decode_task(task_body)
        assert isinstance(task, CohortTask)  # noqa: S101  (a round of cohorts has no other task)
        prior = self._prior(model) if model else _popular(task, total)
        table = cohort_table(task, total, prior, catalogue=self._wire.digest, gate=measure.gate)
        sizes, spreads = noisy_sizes(task, total)
        return CohortRelease(
            task_body, measure.gate, tuple(sizes.tolist()), tuple(spreads.tolist()), table
        ).encode()

    def _task(self, measure: Measure, model: str) -> Task:
        items = len(self._population.catalogue)
        width = measure.width(items, self._population.max_length)
        if width == items:
            return measure.task(items, ())
        columns = np.arange(width)
        if model:
            prior = self._prior(model)
            columns = np.sort(np.argsort(-prior, kind="stable")[:width])
        return measure.task(items, (), columns.astype(np.int64))

    def _read_prior(self, model: str) -> NDArray[np.float64]:
        """Return a model's prior of the items of today's catalogue, float64 [items]."""
        published = read_model(self._bodies.get(model))
        known = () if published.catalogue is None else published.catalogue.ids
        prior = dict(zip(known, published.model.prior.astype(np.float64).tolist(), strict=False))
        least = min(prior.values(), default=0.0)
        return np.array([max(prior.get(item, least), 0.0) for item in self._population.catalogue.ids])


def _popular(task: CohortTask, total: NoisySum) -> NDArray[np.float64]:
    """Return the prior that the sum of all groups gives, float64 [items], 1 for the most popular item."""
    groups = len(task.tree)
    sums = total.values[: groups * task.width].reshape(groups, task.width).sum(axis=0) / ITEM_NORM
    found = popularity(NoisySum(sums, total.variance * groups, total.contributors))
    prior = np.full(task.items, math.sqrt(float(found.min() / found.max())))
    prior[slice(None) if task.columns is None else task.columns] = np.sqrt(found / found.max())
    return prior
