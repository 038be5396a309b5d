"""New people: held out of every sum, and then graded as a device grades them that knows little or nothing.

A new person's history is cut in two by time. The device may know nothing of it, three picks from it, or the
first half as if it had been imported; right is whatever the person meets in the second half. Candidates are
all items but those of the first half, whatever the device knows of it, so that every point is graded on the
same items for the same people.
"""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import Catalogue, Histories
from confidante.lab.entropy import SeededEntropy
from confidante.lab.metrics import UNREACHED, Ranks
from confidante.lab.simulation import Simulator
from confidante.models.snapshot import decode
from confidante.packs.registry import with_features
from confidante.privacy.accounting import Guarantee, account, calibrate
from confidante.privacy.plan import Cohort
from confidante.tasks.cohorts.table import GATE, CohortTable, cohort_table
from confidante.tasks.cohorts.task import CohortTask
from confidante.tasks.cohorts.tree import CohortTree
from confidante.tasks.likes import SLATE
from confidante.training.publish import publish
from confidante.training.recipe import budget, settings_for, train, weakness
from confidante.wire.catalogue import CatalogueWire

COHORTS = "cohorts"


_PLACES = 1 << 32
"""Above any place in a history: times are numbers of people, times this, plus the place."""


@final
@dataclass(frozen=True, slots=True)
class Shares:
    """What the sums for new people take of the whole budget; all others leave it in proportion."""

    picks: float = 0.2
    cohorts: float = 0.05


@final
@dataclass(frozen=True, slots=True, eq=False)
class Cold:
    """What a training with cohorts and picks publishes. table: None without cohorts."""

    published: bytes
    table: CohortTable | None
    guarantee: Guarantee


def train_cold(
    histories: Histories,
    catalogue: Catalogue,
    *,
    epsilon: float,
    delta: float,
    seed: int,
    shares: Shares,
    tree: CohortTree | None = None,
    groups: NDArray[np.int64] | None = None,
    gate: float = GATE,
) -> Cold:
    """Train on people, one simulated device each, all sums within one budget.

    epsilon, delta: against the coordinator, as in `Training`. tree, groups: the cohorts and the group of
    each person, int64 [people], wanted where `shares.cohorts` is above 0; a person without events is in none.
    gate: see `cohort_table`. Raises DataError and PlanError.
    """
    cohort = Cohort(histories.people)
    weak = weakness(histories.people, calibrate(epsilon, delta, (1.0,))[0])
    parts = {task: share * (1 - shares.cohorts) for task, share in budget(weak, shares.picks).items()}
    if shares.cohorts:
        parts[COHORTS] = shares.cohorts
    noise = calibrate(epsilon, delta, tuple(parts.values()))
    simulator = Simulator(
        _numbered(histories),
        dict(zip(parts, noise, strict=True)),
        SeededEntropy(seed, "simulation"),
        cohort=cohort,
    )
    settings = settings_for(noise=True, repeat=False, weak=weak)
    if shares.picks:
        settings = replace(settings, slate=SLATE)
    published = publish(train(with_features(catalogue), simulator, settings), catalogue)
    table = None
    if shares.cohorts:
        if tree is None or groups is None or len(groups) != histories.people:
            raise DataError("cohorts need a tree, and the group of each person")
        task = CohortTask(tree, len(catalogue)).placed(lambda some: groups[_numbers(some)])
        prior = decode(published).model.prior
        table = cohort_table(
            task, simulator.take(task), prior, catalogue=CatalogueWire(catalogue).digest, gate=gate
        )
    records = simulator.records
    return Cold(published, table, account([r.plan for r in records], delta, [r.survivors for r in records]))


@final
@dataclass(frozen=True, slots=True, eq=False)
class NewPerson:
    """One person, by items of the catalogue, int64, oldest first. ratings: of the first half, [first]."""

    number: int
    first: NDArray[np.int64]
    ratings: NDArray[np.int64]
    later: NDArray[np.int64]

    def picks(self, slate: NDArray[np.int64], most: int = 3) -> NDArray[np.int64]:
        """Return what the person picks from a slate: of the first half, the best rated, then the newest."""
        known = np.flatnonzero(np.isin(self.first, slate))
        order = np.lexsort((-known, -self.ratings[known]))
        return self.first[known[order[:most]]]


def new_people(
    histories: Histories, ratings: NDArray[np.int64], people: NDArray[np.int64]
) -> list[NewPerson]:
    """Return the given people, cut in two; those with less than four events are left out.

    ratings: of each event of `histories`.
    """
    found = []
    for person in people.tolist():
        start, stop = histories.indptr[person : person + 2].tolist()
        if stop - start < 4:
            continue
        items = histories.items[start:stop].astype(np.int64)
        half = len(items) // 2
        later = items[half:][~np.isin(items[half:], items[:half])]
        found.append(NewPerson(person, items[:half], ratings[start : start + half], later))
    return found


def later_ranks(scores: NDArray[np.floating], person: NewPerson) -> NDArray[np.int64]:
    """Return the ranks of what the person meets later among all items but those of the first half.

    scores: float [items]. Best first; among equal scores what is met later comes last.
    """
    candidates = np.ones(len(scores), dtype=np.bool_)
    candidates[person.first] = False
    own = -np.sort(-scores[np.unique(person.later)])
    if not np.isfinite(own).all():
        return np.full(len(own), UNREACHED)
    candidates[person.later] = False
    others = np.sort(scores[candidates])
    above = len(others) - np.searchsorted(others, own, side="left")
    return above + 1 + np.arange(len(own))


def ranks_of(rows: list[NDArray[np.int64]]) -> Ranks:
    """Return people's ranks as the metrics take them."""
    return Ranks(np.cumsum([0, *map(len, rows)]), np.concatenate(rows))


def _numbered(histories: Histories) -> Histories:
    """Return the same people, their numbers in the times: what a device knows of itself, the lab looks up."""
    places = np.arange(len(histories.items)) - np.repeat(histories.indptr[:-1], histories.lengths)
    return Histories(histories.indptr, histories.items, histories.person_of_event * _PLACES + places)


def _numbers(histories: Histories) -> NDArray[np.int64]:
    """Return the number of each person of a part of `_numbered` people; 0 for one without events."""
    if not len(histories.times):
        return np.zeros(histories.people, dtype=np.int64)
    first = np.minimum(histories.indptr[:-1], len(histories.times) - 1)
    return np.where(histories.lengths > 0, histories.times[first] // _PLACES, 0)
