"""The trainings of a population so far, read from the sums that were published."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, final

import msgspec
import numpy as np
from numpy.typing import NDArray

from confidante.coordinator.config.measures import PREFIX, Measure
from confidante.coordinator.config.population import Population
from confidante.coordinator.rounds.training_replay import (
    Model,
    PublishedSum,
    Result,
    TrainingReplay,
    noisy_sum,
)
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.store.values import PublishedRound, RoundRow, RoundState
from confidante.models.refinement.build import narrowed
from confidante.models.snapshot import decode, encode
from confidante.secagg.server import SumResult
from confidante.tasks.base import NEWEST, PREVIOUS, Task, TaskContext
from confidante.tasks.registry import kind_of, read_form

_FIRST_LOOK = 8


@final
class TrainingHistory:
    """One training after the other: what the running one has, and wants next; the models of those before."""

    def __init__(self, store: Store, bodies: Bodies, population: Population) -> None:
        self._store, self._bodies, self.population = store, bodies, population
        self.training = training = TrainingReplay(population)
        self._go_on = lru_cache(4)(training.go_on)
        self._kept = lru_cache(8)(lambda ref: Result.read(bodies.get(ref)))
        self._model_in = lru_cache(4096)(lambda ref: self._kept(ref).model)
        self._prior = lru_cache(2)(self._read_prior)
        self._asked = lru_cache(8)(self._task)

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

    def task_of(self, measure: Measure) -> Task | None:
        """Return what a measure asks of devices now; None before the models that it names are published."""
        wanted = [next(self.models(one), "") for one in measure.config.models]
        return (
            self._asked(measure.name, tuple(wanted), next(self.models(NEWEST), "")) if all(wanted) else None
        )

    def _task(self, name: str, models: tuple[str, ...], newest: str) -> Task:
        [measure] = [one for one in self.population.tasks if one.name == name]
        return measure.config.task(self._context(models, newest))

    def _context(self, models: Sequence[str], newest: str) -> TaskContext:
        """models, newest: published models (hex), empty where there is none."""
        return TaskContext(
            self.training.wire,
            self.population.max_length,
            tuple(map(bytes.fromhex, models)),
            lambda: self._prior(newest) if newest else None,
        )

    def _read_prior(self, model: str) -> NDArray[np.float64]:
        """Return a model's prior of the items of today's catalogue, float64 [items]."""
        published = decode(self._bodies.get(model))
        known = () if published.catalogue is None else published.catalogue.ids
        prior = dict(zip(known, published.model.prior.astype(np.float64).tolist(), strict=False))
        least = min(prior.values(), default=0.0)
        return np.array([max(prior.get(item, least), 0.0) for item in self.population.catalogue.ids])

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

        With the last sum of a training, its model is kept, too, and the entry names it; with a measure's
        sum, what is published of it.
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
            mine = PublishedSum(row.task_body, row.plan, len(result.survivors), kept.total)
            found = self._go_on((*sums, mine)) if running == number else None
            if isinstance(found, Model):
                kind, kept = "model", self._published_model(result, found.data)
                said |= {"training": number, "model": bytes.fromhex(kept.model)}
                if kept.wide:  # not for devices, but for all to see that there is one
                    said["wide"] = bytes.fromhex(kept.wide)
        elif released := self._release(row, kept.total, len(result.survivors)):
            kind = kind_of(read_form(row.task_body)).name
            kept = Result.of(result.sum, release=released)
            said |= {kind: bytes.fromhex(released), "catalogue": self.training.wire.digest}
        return self._bodies.put(kept.encode()), (kind, msgspec.msgpack.encode(said))

    def _release(self, row: RoundRow, total: bytes, survivors: int) -> str:
        """Return where what is published of a measure's sum is kept; empty when the sum is all.

        One of a measure, or of a catalogue, that the population has no more is a sum and nothing else.
        """
        measure = next((one for one in self.population.tasks if row.task.startswith(one.prefix)), None)
        form = read_form(row.task_body)
        if measure is None or kind_of(form) != measure.kind or form.catalogue != self.training.wire.digest:
            return ""
        noisy = noisy_sum(total, row.plan, survivors)
        context = self._context((), next(self.models(NEWEST), ""))
        data = measure.config.release(row.task_body, noisy, context)
        return self._bodies.put(data) if data else ""

    def _published_model(self, result: SumResult, data: bytes) -> Result:
        """Return what is kept of the last sum of a training: the model for devices, and the whole one."""
        terms = self.population.refinement
        if terms is None or not terms.device_columns:
            return Result.of(result.sum, self._bodies.put(data))
        narrow = narrowed(decode(data), terms.device_columns)
        given = encode(narrow.model, narrow.catalogue, narrow.features)
        return Result.of(result.sum, self._bodies.put(given), wide=self._bodies.put(data))

    def _standing(self) -> tuple[int, tuple[PublishedSum, ...], float]:
        """Return the number of the running training, the sums it has, and when it may go on."""
        number, sums = 0, list[PublishedSum]()
        for row in self._rounds():
            if number and number_of(row.task) != number:
                break
            kept = self._kept(row.result)
            if kept.model:
                return number_of(row.task) + 1, (), row.ended + self.population.every
            number = number_of(row.task)
            sums.append(PublishedSum(row.task_body, row.plan, row.survivors, kept.total))
        return max(number, 1), tuple(sums), 0.0


def number_of(task: str) -> int:
    """Return the number of the training that a round is of, or of the measure's rounds."""
    return int(task.rpartition(" ")[2])
