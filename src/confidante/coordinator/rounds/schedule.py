"""Which round a population needs next, and what a round that ends well was good for.

A population has one training after the other, and measures. One round runs at a time; what is due and fits
the budget is opened, a training before any measure. All of it follows from the store: what is remembered
between calls saves time only, and of two workers that find the same one opens it (`Store.open_round`).
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import final

from confidante.coordinator.config.noise import TRAINING, costs
from confidante.coordinator.config.population import Population
from confidante.coordinator.config.upload_sizes import tier_of
from confidante.coordinator.rounds.budget import BudgetStanding, overspends, standing
from confidante.coordinator.rounds.selection import draw_roster, fit_for
from confidante.coordinator.rounds.training_history import TrainingHistory, number_of
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.store.values import (
    PUBLISHED,
    Payment,
    RoundRow,
    RoundState,
    Waiting,
)
from confidante.core.durations import spoken
from confidante.core.entropy import SystemEntropy
from confidante.core.errors import PlanError, StoreError
from confidante.privacy.plan import SumPlan, plan_sum
from confidante.secagg.config import SEED_BYTES, RoundConfig
from confidante.secagg.phases import Phase
from confidante.tasks.base import Task
from confidante.tasks.registry import encode_task
from confidante.wire.plans import encode_plan
from confidante.wire.rounds import SALT_BYTES, Announcement, Asks, Tier, encode
from confidante.wire.transparency_log import LogEntry

_LONGEST_REST = 86400.0
_MOST_FAILED = 6
_GAVE_UP = (
    f"paused by itself, as {_MOST_FAILED} rounds in a row ended without a sum: see `confidante coordinator "
    "rounds` for why, then `confidante coordinator resume`"
)
_DOUBLINGS = 32
_SKEW = 60.0  # seconds by which the clocks of two hosts may differ


@final
@dataclass(frozen=True, slots=True)
class _Wanted:
    """A round that is to be opened. name: of it; what: for people; due: from when on.

    task: None while it cannot be told what to compute, and lacks: why. multiplier: of its noise; share: of
    what it belongs to. purpose: the switch that it needs.
    """

    name: str
    what: str
    due: float
    task: Task | None
    multiplier: float
    share: float
    purpose: Asks = "train"
    lacks: str = ""


@final
class Schedule:
    """The rounds of one population, one after the other. `says` tells a person where they stand."""

    def __init__(self, store: Store, bodies: Bodies, population: Population, entropy: SystemEntropy) -> None:
        self._store, self._bodies, self._entropy = store, bodies, entropy
        self.population = population
        self.says = "nothing was done yet"
        self._trainings = TrainingHistory(store, bodies, population)
        self._training = self._trainings.training
        self.conclude = self._trainings.conclude
        self._plan = lru_cache(64)(plan_sum)
        self._costs = costs(population)

    def open_next(self, now: float) -> bool:
        """Open the round that is due, if enough devices wait for it; False when nothing was opened.

        What does not fit the budget is passed over. Raises StoreError.
        """
        store, name = self._store, self.population.name
        newest = next(
            iter(store.rounds.newest(name, 1)), None
        )  # before all else is read: `after` makes one moment
        if newest is not None and not newest.outcome:
            return False
        if store.operator.paused(name):
            gave_up = newest is not None and store.operator.gave_up(name) == newest.row.id.hex()
            self.says = _GAVE_UP if gave_up else "paused: its operator wants no new round"
            return False
        if newest is not None and newest.ended > now + _SKEW:
            store.rounds.set_back(name, now)
            newest = store.rounds.newest(name, 1)[0]
        if newest is not None and self._give_up(newest):
            return True
        if newest is not None and self._rest(newest, now) > 0:
            return False
        training = self._training_next()
        wanted = [training, *self._measures()]
        due = sorted(
            (one for one in wanted if one.due <= now), key=lambda one: (one is not training, one.due)
        )
        budget = standing(store, self.population, self._training.wire)
        said = []
        for one in due:
            problem = budget.problems[TRAINING if one is training else one.what]
            if problem:
                said.append(f"skipped, as {problem}")
                continue
            found = self._devices_for(one, now)
            if isinstance(found, str):
                said.append(found)
                continue
            return self._open(one, *found, newest.number if newest else 0, now)
        self.says = self._words(said, budget, wanted, now)
        return False

    def drop_who_left(self, now: float) -> None:
        """Let devices go that did not ask again in time: they count for nothing, and take nobody's place."""
        name, oldest = self.population.name, max(now - self.population.waiting, 0.0)
        _there, gone = self._store.pool.count(name, oldest, "", "")
        if gone:
            self._store.pool.forget(name, oldest)

    def _give_up(self, newest: RoundState) -> bool:
        """Pause after so many failures in a row, once for each so many; whoever resumes has had a look."""
        name = self.population.name
        if newest.phase == PUBLISHED or self._store.rounds.failures(name) % _MOST_FAILED:
            return False
        if not self._store.operator.give_up(name, newest.row.id.hex()):
            return False
        self.says = _GAVE_UP
        return True

    def _rest(self, newest: RoundState, now: float) -> float:
        """Return the seconds to wait after a failure: twice as many with each in a row, at most a day."""
        if newest.phase == PUBLISHED:
            return 0.0
        rest, failed = self.population.rest, self._store.rounds.failures(self.population.name)
        rest = max(rest, min(rest * 2.0 ** min(failed - 1, _DOUBLINGS), _LONGEST_REST))
        left = newest.ended + rest - now
        if left > 0:
            self.says = (
                f"round {newest.row.id.hex()[:12]} ({newest.row.task}) ended without a sum: {newest.reason}; "
                f"failures in a row: {failed}; the next round may be opened in {spoken(left)}"
            )
        return left

    def afford(self, state: RoundState) -> None:
        """Check once more that the budget holds what a round is about to pay; StoreError when it does not."""
        spent = self._store.payments.spent(self.population.name)
        problem = overspends(self.population, spent, (state.cost.noise_multiplier,), state.row.task)
        if problem:
            raise StoreError(f"the budget is spent: {problem}")

    @staticmethod
    def _words(said: list[str], budget: BudgetStanding, wanted: list[_Wanted], now: float) -> str:
        """Return why nothing was opened."""
        if budget.stopped:
            return budget.words
        lacking = [one.lacks for one in wanted if one.lacks]
        coming = min(
            (one for one in wanted if now < one.due < math.inf), key=lambda one: one.due, default=None
        )
        if not said and coming is not None:
            said = [f"{coming.what} begins in {spoken(coming.due - now)}"]
        return "; ".join(said or lacking)

    def _training_next(self) -> _Wanted:
        """Return what the training waits for."""
        number, task, begun, due = self._trainings.next_sum()
        budget = self._training.budget
        what = f"training {number}" if not begun else f"from {task.name} on training {number}"
        return _Wanted(
            f"{task.name} {number}",
            what,
            due,
            task,
            budget.multipliers[task.name],
            budget.shares[task.name],
        )

    def _measures(self) -> Iterator[_Wanted]:
        """Give the next round of each measure, in the order of the file."""
        for one in self.population.tasks:
            last = self._store.rounds.published(self.population.name, 1, begins=one.prefix)
            number, due = (number_of(last[0].task) + 1, last[0].ended + one.every) if last else (1, 0.0)
            multiplier = self._costs.get(one.prefix.strip(), (0.0,))[0]
            task, lacks = self._trainings.task_of(one), ""
            if task is None:
                due, lacks = (
                    math.inf,
                    f"{one.prefix}waits for {' and '.join(one.config.models)}: not published yet",
                )
            yield _Wanted(
                f"{one.prefix}{number}",
                one.prefix.strip(),
                due,
                task,
                multiplier,
                1.0,
                one.purpose,
                lacks,
            )

    def _devices_for(self, wanted: _Wanted, now: float) -> tuple[SumPlan, list[Waiting]] | str:
        """Return the plan of a round and who is to be in it, or in words why there is none yet."""
        store, population = self._store, self.population
        assert wanted.task is not None  # noqa: S101  (what lacks something is never due)
        task = wanted.task
        try:
            plan = self._plan(
                task.name,
                task.length,
                task.l2_bound,
                task.linf_bound,
                wanted.multiplier,
                population.cohort,
                population.bits,
            )
        except PlanError as error:
            return f"no round is opened: {error}"
        needed, oldest = population.cohort.devices, max(now - population.waiting, 0.0)
        tier = tier_of(task, plan, population.small_bytes)
        large = "large" if tier is Tier.LARGE else ""
        fit, _gone = store.pool.count(population.name, oldest, large, wanted.purpose)
        roster = list[Waiting]()
        if fit >= needed:
            here = [one for one in store.pool.all(population.name) if one.seen >= oldest]
            willing = fit_for(here, tier, wanted.purpose)
            fit, roster = len(willing), draw_roster(willing, needed, self._entropy)
        if not roster:
            sort = f"{large} devices" if large else "devices"
            return f"{fit} of {needed} {sort} with the switch {wanted.purpose} on wait for {wanted.name}"
        return plan, roster

    def _open(self, wanted: _Wanted, plan: SumPlan, roster: list[Waiting], after: int, now: float) -> bool:
        """Announce a round and open it; False when another worker was faster."""
        store, population = self._store, self.population
        assert wanted.task is not None  # noqa: S101  (nobody is seated for it otherwise)
        name, body = wanted.name, encode_task(wanted.task, self._training.wire)
        entry = self._announce(wanted, plan, body, now)
        # The graph is drawn after the roster: nobody who made an identity could foresee its neighbours.
        graph_seed = self._entropy.draw(SEED_BYTES)
        row = RoundRow(
            id=entry.hash,
            entry=entry.number,
            population=population.name,
            task=name,
            task_body=body,
            plan=encode_plan(plan),
            config=RoundConfig.of_plan(plan, entry.hash, graph_seed).encode(),
            roster=tuple(one.identity for one in roster),
            seats=tuple(one.seat for one in roster),
        )
        cost = Payment(plan.noise_multiplier, wanted.share)
        deadline = now + population.seconds(Phase.ADVERTISE.name)
        opened = store.rounds.open(row, deadline, cost, now, after=after)
        if opened:
            self.says = f"round {row.id.hex()[:12]} ({row.task}) was opened with {len(row.roster)} devices"
        return opened

    def _announce(self, wanted: _Wanted, plan: SumPlan, body: bytes, now: float) -> LogEntry:
        """Return the log's entry for a round. Its hash is the round's id, so that whoever is in one round was
        shown one log."""
        wire = self._training.wire
        self._bodies.put(wire.data)
        said = Announcement(
            population=self.population.name,
            task=wanted.name,
            purpose=wanted.purpose,
            plan=hashlib.sha256(encode_plan(plan)).digest(),
            body=hashlib.sha256(body).digest(),
            catalogue=wire.digest,
            salt=self._entropy.draw(SALT_BYTES),
        )
        return self._store.log.append("round", encode(said), now)
