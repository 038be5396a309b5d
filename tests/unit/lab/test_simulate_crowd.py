"""Made-up people are the same in any batch, lots the same in any range, and sums the same however cut."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

from confidante.core.errors import DataError, PlanError
from confidante.core.values import Histories
from confidante.lab.batch_sum import SimulatedSum, add_batches
from confidante.lab.device_streams import BLOCK, DeviceStreams, smallest
from confidante.lab.entropy import SeededEntropy
from confidante.lab.experiment import Training
from confidante.lab.people import SyntheticPeople, synthetic_catalogue
from confidante.lab.simulate import simulate
from confidante.lab.simulation import Simulator
from confidante.privacy.plan import Cohort, plan_sum
from confidante.tasks.item_pairs import ItemPairTask
from confidante.tasks.popularity import PopularityTask
from confidante.training.recipe import POPULARITY

CROWD = SyntheticPeople(people=700, items=60, events=9, seed=3)


def same(one: Histories, other: Histories) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("indptr", "items", "times")
    )


@given(
    people=st.lists(st.integers(0, CROWD.people - 1), max_size=20),
    items=st.integers(2, 300),
    events=st.integers(1, 40),
    seed=st.integers(0, 2**70),
)
def test_a_made_up_person_does_not_depend_on_who_is_asked_for_beside_them(people, items, events, seed):
    seed %= 2**64
    crowd = SyntheticPeople(CROWD.people, items, events, seed)
    together = crowd.select(np.array(people, dtype=np.int64))
    assert together.people == len(people)
    for place, person in enumerate(people):
        alone = crowd.select(np.array([person]))
        assert same(together.slice(place, place + 1), alone)
        assert alone.items.min() >= 0
        assert alone.items.max() < items
        assert max(1, events // 2) <= len(alone.items) <= max(1, 2 * events - events // 2)


def test_a_part_of_a_crowd_is_the_same_people_numbered_from_0():
    part = CROWD.slice(100, 300).slice(50, 60)
    assert part.people == 10
    assert same(part.select(np.arange(10)), CROWD.select(np.arange(150, 160)))


def test_the_next_event_follows_the_history():
    people = np.arange(20)
    histories, following = CROWD.select(people), CROWD.next_items(people)
    assert following.lengths.tolist() == [1] * 20
    assert (following.times == histories.lengths).all()


def test_seeds_make_other_crowds_and_their_events_have_an_order_and_a_head():
    everyone = np.arange(CROWD.people)
    histories = CROWD.select(everyone)
    other = SyntheticPeople(CROWD.people, CROWD.items, CROWD.events, seed=4).select(everyone)
    assert not np.array_equal(histories.lengths, other.lengths)
    follows = histories.person_of_event[1:] == histories.person_of_event[:-1]
    stays = (histories.items[1:] % 20 == histories.items[:-1] % 20)[follows].mean()
    assert stays == pytest.approx(0.8 + 0.2 / 20, abs=0.03)  # 5,000 events: sd .006
    met = np.sort(np.bincount(histories.items, minlength=CROWD.items))[::-1]
    assert met[: CROWD.items // 3].sum() > 0.6 * met.sum()
    assert histories.lengths.mean() == pytest.approx(CROWD.events, abs=0.6)


@pytest.mark.parametrize(
    "field", [{"people": -1}, {"items": 1}, {"events": 0}, {"seed": -1}, {"items": 1 << 25}]
)
def test_an_impossible_crowd_is_refused(field):
    with pytest.raises(DataError, match="made-up crowd"):
        SyntheticPeople(**{"people": 5, "items": 5, "events": 5, "seed": 0} | field)


@given(start=st.integers(0, 2 * BLOCK + 100), length=st.integers(0, BLOCK + 100))
@examples(0.2)
def test_lots_of_a_range_are_those_of_the_whole(start, length):
    assert np.array_equal(
        DeviceStreams(SeededEntropy(1)).of(start, start + length), WHOLE[start : start + length]
    )


WHOLE = DeviceStreams(SeededEntropy(1)).of(0, 4 * BLOCK)


def test_a_stream_after_some_draws_goes_on_where_it_would():
    stream = SeededEntropy(1, "x")
    drawn = [stream.draw(8) for _ in range(3)]
    assert SeededEntropy(1, "x").after(2).draw(8) == drawn[2]
    assert SeededEntropy(1, "x").after(0).draw(8) == drawn[0]


@pytest.mark.parametrize("devices", [1, 100, BLOCK, BLOCK + 5])
@pytest.mark.parametrize("part", [0, 0.01, 0.5, 1])
def test_the_smallest_lots_are_found_without_holding_them(devices, part):
    count = int(devices * part)
    limit = smallest(DeviceStreams(SeededEntropy(1)), devices, count)
    assert np.count_nonzero([int(lot) <= limit for lot in WHOLE[:devices]]) == count


def pairs(basis=12):
    return ItemPairTask(np.arange(basis), np.ones(basis), CROWD.items, 4, 2.0, 20)


@pytest.mark.parametrize("noise", [0.0, 2.0])
@pytest.mark.parametrize("dropped", [0, 200])
def test_a_sum_does_not_depend_on_its_parts_and_batches(noise, dropped):
    task = pairs()
    plan = plan_sum(task.name, task.length, 1.0, 0.2, noise, Cohort(CROWD.people), 24)
    work = SimulatedSum(task, plan, SeededEntropy(9))
    work = SimulatedSum(task, plan, SeededEntropy(9), smallest(work.vanishing, CROWD.people, dropped))
    sums, seen = [], []
    for edges, entries in (([0, 700], 1 << 15), ([0, 1, 333, 700], 1), ([0, 350, 700], 1 << 30)):
        total, numbers = np.zeros(plan.length, dtype=np.int64), []
        for start, stop in pairwise(edges):
            part = CROWD.slice(start, stop)
            ended = 0
            for batch, done in add_batches(work, part, 0, part.people, total, first=start, entries=entries):
                numbers += batch.tolist()
                assert done > ended
                ended = done
            assert ended == part.people
        sums.append(total)
        seen.append(numbers)
    assert all(np.array_equal(sums[0], other) for other in sums[1:])
    assert all(seen[0] == other for other in seen[1:])
    assert len(seen[0]) == len(set(seen[0])) == CROWD.people - dropped
    assert np.count_nonzero(sums[0])


@pytest.mark.parametrize("engine", ["ideal", "aggregate", "secure"])
def test_people_made_up_and_the_same_people_held_give_the_same_sum(engine):
    few = CROWD.slice(0, 12)
    held = few.select(np.arange(12))
    one, other = (
        Simulator(crowd, {POPULARITY: 1.0}, SeededEntropy(2), engine=engine, dropout=0.2).take(
            PopularityTask(CROWD.items)
        )
        for crowd in (few, held)
    )
    assert np.array_equal(one.values, other.values)
    assert one.contributors == other.contributors == 11


def test_only_the_engine_that_adds_in_one_place_can_be_spread():
    class Never:
        def add(self, work, progress):
            raise AssertionError("must not be asked")

    with pytest.raises(PlanError, match="aggregate"):
        Simulator(CROWD, {}, SeededEntropy(0), engine="ideal", adder=Never())


def test_memory_does_not_grow_with_the_devices():
    """The most that is held while a sum is taken, of 120,000 devices, which fill batches, and of 480,000."""

    def take(people):
        run = Simulator(
            SyntheticPeople(people, 20, 2), {POPULARITY: 1.0}, SeededEntropy(0), bits=32, dropout=0.1
        )
        run.take(PopularityTask(20))

    def peak(people):
        take(people)  # imports, and tables of noise, which are kept
        tracemalloc.start()
        take(people)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(480_000) < peak(120_000) + 360_000  # less than one byte a device


def test_a_simulation_says_what_it_took_and_how_good_the_model_is():
    result = simulate(CROWD, Training(epsilon=None))
    assert (result["devices"], result["items"], result["made_up"]) == (700, 60, True)
    assert (result["engine"], result["workers"], result["worker_peak_bytes"]) == ("aggregate", 0, None)
    assert [len(task["sum_digest"]) for task in result["tasks"]] == [64] * 3
    assert result["quality"]["people"] == 700
    assert result["quality"]["model"]["low"] > result["quality"]["popularity"]["high"]
    again = simulate(CROWD, Training(epsilon=None))
    assert [t["sum_digest"] for t in again["tasks"]] == [t["sum_digest"] for t in result["tasks"]]


def test_a_training_over_made_up_people_is_that_over_the_same_people_held():
    catalogue = synthetic_catalogue(CROWD.items)
    runs = [
        Training(epsilon=8.0, seed=1, bits=24).train(crowd, catalogue)
        for crowd in (CROWD, CROWD.select(np.arange(CROWD.people)))
    ]
    assert [r.digest for r in runs[0].records] == [r.digest for r in runs[1].records]
