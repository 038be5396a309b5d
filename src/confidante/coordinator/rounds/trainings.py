"""The trainings of a population so far, read from the sums that were published."""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, final

import msgspec

from confidante.coordinator.config.measures import NEWEST, PREFIX, PREVIOUS, Measure
from confidante.coordinator.config.population import Population
from confidante.coordinator.rounds.cohorts import Cohorts
from confidante.coordinator.rounds.training import Model, Published, Result, Training, noisy_sum
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.store.values import PublishedRound, RoundRow, RoundState
from confidante.models.refinement.build import narrowed
from confidante.models.snapshot import decode, encode
from confidante.secagg.server import SumResult
from confidante.tasks.base import Task
from confidante.tasks.codec import kind_of

_FIRST_LOOK = 8


@final
class Trainings:
    """One training after the other: what the running one has, and wants next; the models of those before."""

    def __init__(self, store: Store, bodies: Bodies, population: Population) -> None:
        self._store, self._bodies, self.population = store, bodies, population
        self.training = training = Training(population)
        self._go_on = lru_cache(4)(training.go_on)
        self._kept = lru_cache(8)(lambda ref: Result.read(bodies.get(ref)))
        self._model_in = lru_cache(4096)(lambda ref: self._kept(ref).model)
        self._cohorts = Cohorts(bodies, population, training.wire)

    def next_sum(self) -> tuple[int, Task, bool, float]:
        """Return the running training's number, its next sum's task, whether it has begun, its due time."""
        number, sums, due = self._standing()
        task = self._go_on(sums)
        if isinstance(task, Model):  # of a catalogue that was changed and changed back: learn it anew
            number, sums, task = number + 1, (), self._go_on(())
        assert not isinstance(task, Model)  # noqa: S101  (nothing is learnt from no sums)
        return number, task, bool(sums), due

    def models(self, wanted: str) -> Iterator[str]:
        """Give the published model of that name (hex), none when there is none."""
        newest = ""
        for row in self._rounds():
            model = self._model_in(row.result)
            if not model:
                continue
            newest = newest or model
            other = wanted == PREVIOUS and model != newest
            if wanted in (model, NEWEST) or other:
                yield model

    def widest(self, model: str) -> str:
        """Return the whole model (hex) of which devices were given `model`: itself, where they have all."""
        for row in self._rounds():
            if self._model_in(row.result) == model:
                return self._kept(row.result).wide or model
        return model

    def cohort_task(self, measure: Measure) -> Task:
        """Return what a measure over cohorts asks of devices now."""
        return self._cohorts.task(measure, next(self.models(NEWEST), ""))

    def _rounds(self) -> Iterator[PublishedRound]:
        """Give all published rounds of trainings, the newest first, a few at a time."""
        given, limit = 0, _FIRST_LOOK
        while True:
            rounds = self._store.rounds.published(self.population.name, limit, otherwise=PREFIX)
            yield from rounds[given:]
            if len(rounds) < limit:
                return
            given, limit = len(rounds), 4 * limit

    def conclude(self, state: RoundState, result: SumResult) -> tuple[str, tuple[str, bytes]]:
        """Return where the sum of a round is kept, and the entry of the public log that goes with it.

        With the last sum of a training, its model is kept, too, and the entry names it; with a sum over
        cohorts, what is published of it.
        """
        row = state.row
        kept = Result.of(result.sum)
        said: dict[str, Any] = {
            "population": row.population,
            "task": row.task,
            "round": row.id,
            "survivors": len(result.survivors),
            "sum": hashlib.sha256(kept.total).digest(),
        }
        kind, number = "sum", number_of(row.task)
        if not row.task.startswith(PREFIX):
            running, sums, _due = self._standing()
            mine = Published(row.task_body, row.plan, len(result.survivors), kept.total)
            found = self._go_on((*sums, mine)) if running == number else None
            if isinstance(found, Model):
                kind, kept = "model", self._published_model(result, found.data)
                said |= {"training": number, "model": bytes.fromhex(kept.model)}
                if kept.wide:  # not for devices, but for all to see that there is one
                    said["wide"] = bytes.fromhex(kept.wide)
        elif published := self._published_cohorts(row, kept.total, len(result.survivors)):
            kind, kept = "cohorts", Result.of(result.sum, cohorts=published)
            said |= {
                "cohorts": bytes.fromhex(published),
                "catalogue": self.training.wire.digest,
            }
        return self._bodies.put(kept.encode()), (kind, msgspec.msgpack.encode(said))

    def _published_cohorts(self, row: RoundRow, total: bytes, survivors: int) -> str:
        """Return where what is published of a sum over cohorts is kept; empty for any other sum.

        One of a measure, or of a catalogue, that the population has no more is a sum and nothing else.
        """
        measure = next(
            (one for one in self.population.tasks if one.tree and row.task.startswith(one.prefix)), None
        )
        if measure is None or kind_of(row.task_body) != measure.kind:
            return ""
        if not self.training.wire.names(row.task_body):
            return ""
        total_of = noisy_sum(total, row.plan, survivors)
        model = next(self.models(NEWEST), "")
        return self._bodies.put(self._cohorts.release(measure, model, row.task_body, total_of))

    def _published_model(self, result: SumResult, data: bytes) -> Result:
        """Return what is kept of the last sum of a training: the model for devices, and the whole one."""
        terms = self.population.refinement
        if terms is None or not terms.device_columns:
            return Result.of(result.sum, self._bodies.put(data))
        narrow = narrowed(decode(data), terms.device_columns)
        given = encode(narrow.model, narrow.catalogue, narrow.features)
        return Result.of(result.sum, self._bodies.put(given), wide=self._bodies.put(data))

    def _standing(self) -> tuple[int, tuple[Published, ...], float]:
        """Return the number of the running training, the sums it has, and when it may go on."""
        number, sums = 0, list[Published]()
        for row in self._rounds():
            if number and number_of(row.task) != number:
                break
            kept = self._kept(row.result)
            if kept.model:
                return number_of(row.task) + 1, (), row.ended + self.population.every
            number = number_of(row.task)
            sums.append(Published(row.task_body, row.plan, row.survivors, kept.total))
        return max(number, 1), tuple(sums), 0.0


def number_of(task: str) -> int:
    """Return the number of the training that a round is of, or of the measure's rounds."""
    return int(task.rpartition(" ")[2])
