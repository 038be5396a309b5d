"""Where a population stands, for whoever operates it: read from the store, nothing is changed."""

import time
from dataclasses import asdict, dataclass
from typing import Any, final

from confidante.coordinator.config.population import Population
from confidante.coordinator.rounds.budget import BudgetStanding, standing
from confidante.coordinator.store import Store
from confidante.coordinator.store.values import RoundFacts, Waiters
from confidante.core.durations import spoken
from confidante.wire.refinement import RefinementOffer
from confidante.wire.rounds import decode

_DAY = 86400.0


@final
@dataclass(frozen=True, slots=True)
class Overview:
    """A population at one moment. running: the round that runs, if any; rounds: the newest, newest first.

    refinement: what its lists are refined with, in words; empty where they are not.
    """

    name: str
    items: int
    devices: int
    paused: bool
    running: RoundFacts | None
    rounds: tuple[RoundFacts, ...]
    waiting: tuple[Waiters, ...]
    budget: BudgetStanding
    refinement: str = ""

    def plain(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        found: dict[str, Any] = asdict(self)
        found["budget"]["left"] = self.budget.left
        for one in (*found["rounds"], *([found["running"]] if found["running"] else ())):
            one["id"] = one["id"].hex() if isinstance(one["id"], bytes) else one["id"]
        return found

    def lines(self) -> list[tuple[str, str]]:
        """Return everything in words, as (what, said)."""
        return [
            ("population", f"{self.name}: {self.items:,} items, {self.devices} devices a round"),
            ("round", self._round()),
            ("waiting", ", ".join(f"{one.devices} {one.tier}" for one in self.waiting) or "no devices"),
            ("budget", self.budget.words),
            *([("refinement", self.refinement)] if self.refinement else ()),
        ]

    def _round(self) -> str:
        one = self.running
        if one is None:
            return "paused: no new round is opened" if self.paused else "none runs"
        left = max(one.deadline - time.time(), 0)
        return (
            f"{one.id.hex()[:12]} ({one.task}) at {one.phase}, {one.heard} of {one.expected} heard, "
            f"at most {spoken(left)} more{'; then a pause' if self.paused else ''}"
        )


def overview(store: Store, population: Population, *, rounds: int = 20) -> Overview:
    """Return where a population stands. Raises StoreError."""
    found, now = tuple(store.operator.rounds(population.name, rounds)), time.time()
    return Overview(
        population.name,
        len(population.catalogue),
        population.cohort.devices,
        store.operator.paused(population.name),
        next((one for one in found if not one.outcome), None),
        found,
        tuple(store.operator.waiters(population.name, now - population.waiting)),
        standing(store, population),
        _refinement(store, population, now),
    )


def _refinement(store: Store, population: Population, now: float) -> str:
    """Return in words what lists are refined with."""
    if population.refinement is None:
        return ""
    row, told = store.refinement.standing(population.name), list[str]()
    if row.said:
        asked = row.asked if row.day == int(now // _DAY) else 0
        model = decode(row.said, RefinementOffer).model.hex()
        told.append(f"{row.items:,} items, vectors {model[:12]}, {asked:,} questions today")
    if row.problem or not told:
        told.append(row.problem or "nothing was made yet")
    return "; ".join(told)
