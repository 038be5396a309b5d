"""Which round a population needs next, and what a round that ends well was good for.

What is remembered between calls is worked out from the store and saves time only.
"""

import hashlib
from functools import lru_cache
from typing import Any, final

import msgspec

from confidante.coordinator.bodies import Bodies
from confidante.coordinator.population import Population
from confidante.coordinator.selection import draw_roster
from confidante.coordinator.store import Store
from confidante.coordinator.store.values import (
    COLLECTING,
    PUBLISHED,
    Payment,
    RoundRow,
    RoundState,
)
from confidante.coordinator.training import Model, Published, Result, Training
from confidante.core.entropy import SystemEntropy
from confidante.core.errors import PlanError
from confidante.core.publog import LogEntry
from confidante.models.task import Task
from confidante.models.task_wire import encode_plan
from confidante.privacy.plan import SumPlan
from confidante.protocol.config import SEED_BYTES, RoundConfig
from confidante.protocol.coordination import SALT_BYTES, Announcement, encode
from confidante.protocol.server import SumResult

_FIRST_LOOK = 8


@final
class Schedule:
    """The trainings of one population, one after the other. `says` tells a person where they stand."""

    def __init__(self, store: Store, bodies: Bodies, population: Population, entropy: SystemEntropy) -> None:
        self._store, self._bodies, self._entropy = store, bodies, entropy
        self.population = population
        self.says = "nothing was done yet"
        training = Training(population)
        self._training = training
        self._go_on = lru_cache(4)(training.go_on)
        self._overspends = lru_cache(4)(training.overspends)
        self._kept = lru_cache(8)(lambda ref: Result.read(bodies.get(ref)))

    def open_next(self, now: float) -> bool:
        """Open the round that the training waits for, if enough devices wait; False when nothing was opened.

        Raises StoreError.
        """
        store, name = self._store, self.population.name
        paid = store.payments(name)  # before all else is read: `after` makes one moment of it
        newest = store.rounds(name, 1)
        if newest and not newest[0].outcome:
            return False
        if store.paused(name):
            self.says = "paused: its operator wants no new round"
            return False
        if newest and newest[0].phase != PUBLISHED and now < newest[0].ended + self.population.rest:
            return False
        number, sums, due = self._standing()
        if now < due:
            self.says = f"training {number} begins in {due - now:.0f} seconds"
            return False
        task = self._go_on(sums)
        if isinstance(task, Model):  # of a catalogue that was changed and changed back: learn it anew
            number, task = number + 1, self._go_on(())
        assert not isinstance(task, Model)  # noqa: S101  (nothing is learnt from no sums)
        spent = tuple(payment.noise_multiplier for payment in paid)
        problem = self._overspends(spent, task.name)
        if problem:
            self.says = problem
            return False
        try:
            plan = self._training.plan(task)
        except PlanError as error:
            self.says = f"no round is opened: {error}"
            return False
        return self._open(task, number, plan, len(paid), now)

    def conclude(self, state: RoundState, result: SumResult) -> tuple[str, tuple[str, bytes]]:
        """Return where the sum of a round is kept, and the entry of the public log that goes with it.

        With the last sum of a training, its model is kept, too, and the entry names it.
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
        kind, number = "sum", _number(state)
        running, sums, _due = self._standing()
        mine = Published(row.task_body, row.plan, len(result.survivors), kept.total)
        found = self._go_on((*sums, mine)) if running == number else None
        if isinstance(found, Model):
            kind, kept = "model", Result.of(result.sum, self._bodies.put(found.data))
            said |= {"training": number, "model": bytes.fromhex(kept.model)}
        return self._bodies.put(kept.encode()), (kind, msgspec.msgpack.encode(said))

    def _standing(self) -> tuple[int, tuple[Published, ...], float]:
        """Return the number of the running training, the sums it has, and when it may go on."""
        number, sums = 0, list[Published]()
        for state in self._published():
            if number and _number(state) != number:
                break
            kept = self._kept(state.result)
            if kept.model:
                return _number(state) + 1, (), state.ended + self.population.every
            number = _number(state)
            sums.append(Published(state.row.task_body, state.row.plan, len(state.survivors), kept.total))
        return max(number, 1), tuple(sums), 0.0

    def _published(self) -> list[RoundState]:
        """Return published rounds, the newest first, back to another training than the newest's."""
        limit = _FIRST_LOOK
        while True:
            rounds = self._store.rounds(self.population.name, limit)
            found = [state for state in rounds if state.phase == PUBLISHED]
            if len(rounds) < limit or len({_number(state) for state in found}) > 1:
                return found
            limit *= 4

    def _open(self, task: Task, number: int, plan: SumPlan, paid: int, now: float) -> bool:
        """Announce a round, open it and pay; False while too few wait, or when another was faster."""
        store, population = self._store, self.population
        waiting = store.pool(population.name)
        oldest = max(now - population.waiting, 0.0)
        if any(one.since < oldest for one in waiting):
            store.pool_forget(population.name, oldest)
            waiting = [one for one in waiting if one.since >= oldest]
        roster = draw_roster(waiting, population.cohort.devices, self._entropy)
        if not roster:
            self.says = f"{len(waiting)} of {population.cohort.devices} devices wait for {task.name}"
            return False
        name, body = f"{task.name} {number}", self._training.wire.encode_task(task)
        entry = self._announce(name, plan, body, now)
        # The graph is drawn after the roster: nobody who made an identity could foresee its neighbours.
        graph_seed = self._entropy.draw(SEED_BYTES)
        row = RoundRow(
            id=entry.hash,
            entry=entry.number,
            population=population.name,
            task=name,
            task_body=body,
            plan=encode_plan(plan),
            config=config_of(plan, entry.hash, graph_seed).encode(),
            roster=tuple(one.identity for one in roster),
            seats=tuple(one.seat for one in roster),
        )
        payment = Payment(plan.noise_multiplier, self._training.budget.shares[plan.task])
        deadline = now + population.seconds(COLLECTING[0])
        opened = store.open_round(row, deadline, payment, now, after=paid)
        if opened:
            self.says = f"round {row.id.hex()[:12]} ({row.task}) was opened with {len(row.roster)} devices"
        return opened

    def _announce(self, task: str, plan: SumPlan, body: bytes, now: float) -> LogEntry:
        """Return the log's entry for a round. Its hash is the round's id, so that whoever is in one round was
        shown one log."""
        wire = self._training.wire
        self._bodies.put(wire.data)
        said = Announcement(
            population=self.population.name,
            task=task,
            plan=hashlib.sha256(encode_plan(plan)).digest(),
            body=hashlib.sha256(body).digest(),
            catalogue=wire.digest,
            salt=self._entropy.draw(SALT_BYTES),
        )
        return self._store.append_log("round", encode(said), now)


def config_of(plan: SumPlan, round_id: bytes, graph_seed: bytes) -> RoundConfig:
    """Return the round of a plan, as each device works it out anew before it joins."""
    return RoundConfig.plan(
        round_id=round_id,
        graph_seed=graph_seed,
        n=plan.cohort.devices,
        length=plan.length,
        bits=plan.bits,
        max_abs_entry=plan.linf_int,
        noise_headroom=plan.headroom,
        max_dropout=plan.cohort.max_dropout,
        max_collusion=plan.cohort.max_collusion,
    )


def _number(state: RoundState) -> int:
    """Return the number of the training that a round is of."""
    return int(state.row.task.rpartition(" ")[2])
