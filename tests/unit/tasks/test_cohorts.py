"""Cohorts: who stands where, what leaves a device, and what the noisy sum becomes."""

import hashlib
import math
from contextlib import suppress

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_worlds import catalogue_of, people, random_people, some_people

from confidante.core.errors import DataError, WireError
from confidante.lab.entropy import SeededEntropy
from confidante.lab.simulation import Simulator
from confidante.privacy.clipping import encode
from confidante.privacy.plan import Cohort, plan_sum
from confidante.tasks.base import NoisySum
from confidante.tasks.cohorts.release import CohortRelease
from confidante.tasks.cohorts.table import CONFIDENCE, CohortTable, cohort_table, passes
from confidante.tasks.cohorts.task import ITEM_NORM, SIZE_NORM, CohortTask
from confidante.tasks.cohorts.tree import MOST_RULES, ROOT, CohortTree, Group, everyone_by
from confidante.tasks.registry import decode_task, encode_task, kind_of, read_form
from confidante.wire.catalogue import CatalogueWire

ITEMS = 12
NAME = bytes(32)
TREE = everyone_by({"age": ("young", "old"), "tongue": ("en", "fr")})
TASTES = CohortTree(
    (
        Group("everyone", -1),
        Group("young", ROOT, "age", ("12-17", "18-24")),
        Group("films that sing", ROOT, labels=("Musical",), items=("7",)),
        Group("films that frighten", ROOT, labels=("Horror", "Thriller")),
        Group("young and frightened", 1, labels=("Horror",)),
    )
)


def test_a_device_finds_its_own_group():
    assert TASTES.leaf_of({}) == ROOT
    assert TASTES.leaf_of({"age": "25-34"}) == ROOT
    assert TASTES.leaf_of({"age": "18-24"}) == 1
    assert TASTES.leaf_of({"age": "18-24"}, ["Horror"]) == 4
    assert TASTES.leaf_of({}, ["Horror", "Thriller", "Musical"]) == 3
    assert TASTES.leaf_of({}, ["Horror", "Musical"]) == 2, "ties go to the first"
    assert TASTES.leaf_of({}, ["Horror"], ["7", "7"]) == 2
    assert TASTES.leaf_of({"age": "12-17"}, ["Musical"]) == 1, "what is stated goes before picks"
    assert [group.name for group in TREE.groups][-1] == "age old, tongue fr"
    assert TREE.leaf_of({"age": "old", "tongue": "fr"}) == len(TREE) - 1
    assert TREE.path(len(TREE) - 1) == (6, 2, 0)


class Counted(list):
    """A list that counts how often somebody goes through it."""

    walks = 0

    def __iter__(self):
        """Count, and go through."""
        self.walks += 1
        return super().__iter__()


def test_picks_are_gone_through_once_however_large_the_tree():
    names = tuple(map(str, range(MOST_RULES // 100)))
    tree = CohortTree((Group("everyone", -1), *(Group(f"g{n}", 0, labels=names) for n in range(100))))
    picked = Counted(["none of these"] * 300)
    assert tree.leaf_of({}, picked) == ROOT
    assert picked.walks == 1
    with pytest.raises(DataError, match="together"):
        CohortTree((*tree.groups, Group("one more", 0, labels=("x",))))
    form = msgspec.msgpack.decode(tree.encode())
    form[1].append(["one more", 0, "", [], ["x"], []])
    with pytest.raises(WireError, match="together"):
        CohortTree.decode(msgspec.msgpack.encode(form))


@pytest.mark.parametrize(
    "groups",
    [
        (),
        (Group("a", 0),),
        (Group("a", -1, labels=("x",)),),
        (Group("a", -1), Group("a", 0, labels=("x",))),
        (Group("a", -1), Group("b", 1, labels=("x",))),
        (Group("a", -1), Group("b", -1, labels=("x",))),
        (Group("a", -1), Group("b", 0)),
        (Group("a", -1), Group("b", 0, "age")),
        (Group("a", -1), Group("b", 0, "", ("1",))),
        (Group("a", -1), Group("b", 0, "age", ("1",), ("x",))),
    ],
)
def test_what_is_no_tree_is_refused(groups):
    with pytest.raises(DataError):
        CohortTree(groups)


@pytest.mark.parametrize("columns", [None, np.array([7, 2, 0])])
@given(histories=some_people(ITEMS))
def test_every_vector_keeps_its_bound_and_stands_in_its_own_rows(columns, histories):
    where = np.arange(histories.people) % len(TREE)
    task = CohortTask(TREE, ITEMS, columns).placed(lambda _: where)
    rows = task.client_update(histories)
    assert rows.length == task.length == len(TREE) * ((ITEMS if columns is None else 3) + 1)
    for person in range(histories.people):
        row = rows.dense(person)
        own = set(histories.slice(person, person + 1).items.tolist())
        assert np.linalg.norm(row) <= task.l2_bound
        items = row[: len(TREE) * task.width].reshape(len(TREE), task.width)
        assert not np.delete(items, where[person], axis=0).any()
        counted = range(ITEMS) if columns is None else columns.tolist()
        met = [item in own for item in counted]
        assert (items[where[person]] > 0).tolist() == met
        if any(met):
            assert np.linalg.norm(items) == pytest.approx(ITEM_NORM, abs=1e-9)
        sizes = np.zeros(len(TREE))
        sizes[where[person]] = SIZE_NORM if own else 0.0
        assert row[len(TREE) * task.width :].tolist() == sizes.tolist()


@pytest.mark.parametrize("devices", [5_000, 50_000])
def test_rounding_leaves_the_count_of_devices_as_it_is(devices):
    """400 items each, 20 bits: a vector without room for rounding would be shrunk, its count with it."""
    rng, many = np.random.default_rng(0), 300
    histories = people(*(rng.choice(2000, 400, replace=False).tolist() for _ in range(many)))
    task = CohortTask(TREE, 2000).placed(1)
    plan = plan_sum(task.name, task.length, task.l2_bound, task.linf_bound, 3.7, Cohort(devices), 20)
    rows = task.client_update(histories)
    whole = encode(rows, plan, rng.integers(0, 1 << 63, many).astype(np.uint64)).sum() / plan.scale
    assert whole[len(TREE) * 2000 + 1] / SIZE_NORM == pytest.approx(many, rel=0.01)
    assert whole[: len(TREE) * 2000].sum() == pytest.approx(many * ITEM_NORM * 10, rel=0.01)


def test_the_newest_items_are_counted():
    long = [*range(150), 3]
    row = CohortTask(TREE, 200).placed(0).client_update(people(long)).dense(0)
    assert np.flatnonzero(row[:200]).tolist() == [3, *range(51, 150)]
    assert row[3] == pytest.approx(ITEM_NORM / 10)
    few = CohortTask(TREE, 200, np.array([7, 149])).placed(0).client_update(people(long, [7])).dense(0)
    assert few[:2] == pytest.approx(ITEM_NORM / math.sqrt(2))


def test_only_who_knows_the_group_can_compute():
    task = CohortTask(TREE, ITEMS)
    with pytest.raises(DataError, match="not placed"):
        task.client_update(people([1]))
    with pytest.raises(DataError, match="7 groups"):
        task.placed(7).client_update(people([1]))
    one = task.placed(3).client_update(people([1, 2]))
    assert one.indices.tolist() == [3 * ITEMS + 1, 3 * ITEMS + 2, 7 * ITEMS + 3]


@pytest.mark.parametrize("columns", [None, np.array([7, 2, 0])])
def test_a_task_travels_without_the_group(columns):
    wire = CatalogueWire(catalogue_of(ITEMS))
    task = CohortTask(TREE, ITEMS, columns)
    body = encode_task(task.placed(3), wire)
    assert body == encode_task(task, wire)
    assert kind_of(read_form(body)).name == "cohorts"
    back = decode_task(body, CatalogueWire.decode(wire.data))
    assert back.where is None
    assert back.tree == TREE
    histories = random_people(9, ITEMS, 8, seed=1)
    mine, theirs = task.placed(2).client_update(histories), back.placed(2).client_update(histories)
    for part in ("indptr", "indices", "values"):
        assert np.array_equal(getattr(mine, part), getattr(theirs, part))


@pytest.mark.parametrize(
    ("place", "value"),
    [(1, bytes(31)), (2, b""), (2, b"\x90"), (3, b"\x01"), (3, b"\xff" * 4), (3, bytes(8)), (3, 1)],
)
def test_a_task_out_of_bounds_is_refused(place, value):
    wire = CatalogueWire(catalogue_of(ITEMS))
    fields = msgspec.msgpack.decode(encode_task(CohortTask(TREE, ITEMS, np.array([1])), wire))
    fields[place] = value
    with pytest.raises(WireError):
        decode_task(msgspec.msgpack.encode(fields), wire)


# --- what the sum becomes


def tastes(group, count, seed):
    """People of a group: each meets 4 items, drawn by the group's own taste."""
    rng = np.random.default_rng(seed)
    share = np.linspace(2, 1, ITEMS)
    share[group % ITEMS] *= 6
    share /= share.sum()
    return [rng.choice(ITEMS, 4, replace=False, p=share).tolist() for _ in range(count)]


def world(sizes):
    """People by group of TREE, and the group of each; a person's number is their time."""
    histories, groups = [], []
    for group, size in sizes.items():
        histories += tastes(group, size, group)
        groups += [group] * size
    made = people(*histories)
    return made, np.array(groups), np.bincount(made.items, minlength=ITEMS).astype(float)


SIZES = {3: 300, 4: 20, 5: 250, 6: 400}


def exact(histories, groups, task):
    rows = task.placed(lambda _: groups).client_update(histories)
    total = np.bincount(rows.indices, weights=rows.values, minlength=rows.length)
    return NoisySum(total, 0.0, histories.people)


def test_a_small_group_folds_and_the_others_have_their_own_taste():
    histories, groups, counts = world(SIZES)
    task = CohortTask(TREE, ITEMS)
    prior = 0.5 * np.sqrt(counts / counts.max())
    table = cohort_table(task, exact(histories, groups, task), prior, catalogue=NAME, gate=50)
    assert table.serves == (0, 1, 2, 3, 1, 5, 6)
    assert table.prior(ROOT) is None
    assert np.array_equal(table.prior(4), table.prior(1))
    for group in (3, 5, 6):
        own = table.prior(group)
        assert own.max() == pytest.approx(0.5)
        assert (own / prior).argmax() == group
    none = cohort_table(task, exact(histories, groups, task), prior, catalogue=NAME, gate=2000)
    assert none.serves == (0,) * 7
    assert none.prior(6) is None


def test_groups_that_do_not_differ_are_served_what_everyone_is():
    histories = people(*tastes(0, 1200, seed=5))
    groups = 3 + np.arange(1200) % 4
    task = CohortTask(TREE, ITEMS)
    counts = np.bincount(histories.items, minlength=ITEMS)
    prior = np.sqrt(counts / counts.max())
    table = cohort_table(task, exact(histories, groups, task), prior, catalogue=NAME)
    assert len(table.rows) == 6
    assert np.abs(table.priors - prior).max() < 0.03


def simulated(histories, groups, seed, multiplier=1.0):
    """The sum as the lab's devices take it, through the plan, the clipping and the noise of a real one."""
    first = histories.indptr[:-1]
    task = CohortTask(TREE, ITEMS).placed(lambda some: groups[person_of[some.times[some.indptr[:-1]]]])
    person_of = np.zeros(len(histories.items), dtype=np.int64)
    person_of[histories.times[first]] = np.arange(histories.people)
    simulator = Simulator(
        histories,
        {"cohorts": multiplier},
        SeededEntropy(seed, "cohorts"),
        cohort=Cohort(histories.people),
        max_upload=1 << 18,
    )
    return task, simulator.take(task)


def test_the_noise_in_the_sum_is_what_the_table_takes_it_for():
    histories, groups, _ = world(SIZES)
    task = CohortTask(TREE, ITEMS)
    true = exact(histories, groups, task).values
    found = [simulated(histories, groups, seed)[1] for seed in range(12)]
    errors = np.concatenate([(total.values - true) / math.sqrt(total.variance) for total in found])
    # of so many squared standard normal numbers the mean is 1 +- 0.044; wrong noise of 20 % more breaks it
    assert abs(np.mean(errors**2) - 1) < 4 * math.sqrt(2 / len(errors))
    assert abs(np.mean(errors)) < 4 / math.sqrt(len(errors))


def test_noise_alone_makes_no_group_different():
    """The table of groups that do not differ has, under noise, hardly more error than everyone's."""
    histories = people(*tastes(0, 1200, seed=5))
    groups = 3 + np.arange(1200) % 4
    counts = np.bincount(histories.items, minlength=ITEMS)
    prior = np.sqrt(counts / counts.max())
    shrunk, raw, bold = [], [], []
    for seed in range(12):
        task, total = simulated(histories, groups, seed, multiplier=6.0)
        table = cohort_table(task, total, prior, catalogue=NAME, gate=20)
        assert table.rows
        shrunk.append(np.mean([(row - prior) ** 2 for row in table.priors]))
        items = total.values[: len(TREE) * ITEMS].reshape(len(TREE), ITEMS)[3:]
        raw.append(np.mean([(np.sqrt(np.maximum(row, 0) / row.max()) - prior) ** 2 for row in items]))
        less = NoisySum(total.values, total.variance / 100, total.contributors)
        misled = cohort_table(task, less, prior, catalogue=NAME, gate=20)
        bold.append(np.mean([(row - prior) ** 2 for row in misled.priors]))
    assert np.mean(shrunk) < np.mean(raw) / 4
    assert np.mean(bold) > 2 * np.mean(shrunk), "who takes the noise for less takes it for taste"


def test_the_noise_in_the_prior_is_no_difference_of_groups():
    """Groups at random under a prior with much noise of its own: hardly any is sure to differ."""
    rng, items, sd = np.random.default_rng(7), 400, 1.5
    share = 1 / np.arange(1, items + 1) ** 0.9
    task, leaves = CohortTask(TREE, items), np.array([0, 0, 0, 0.3, 0.25, 0.25, 0.2])
    differ = rows = 0
    for _ in range(40):
        popular = np.maximum(2000 * share + rng.normal(0, 20.0, items), 20.0)
        prior = np.sqrt(popular / popular.max())
        sums = 2000 * leaves[:, None] * share
        sums += rng.normal(size=sums.shape) * np.sqrt(0.1 * sums)
        sizes = 0.1 * leaves * 2000 * share.sum()
        total = np.concatenate((ITEM_NORM * sums.ravel(), SIZE_NORM * sizes))
        noisy = NoisySum(total + rng.normal(0, sd, len(total)), sd**2, 2000)
        table = cohort_table(task, noisy, prior, catalogue=NAME)
        for group, row in zip(table.rows, table.priors, strict=True):
            above = table.prior(TREE.groups[group].parent)
            rows += 1
            differ += np.abs(row - (prior if above is None else above)).max() > 1e-6
    assert rows > 200
    assert differ <= 0.05 * rows


def test_a_group_below_the_gate_seldom_passes():
    histories, groups, _ = world({3: 300, 4: 49, 5: 250, 6: 400})
    passed = 0
    trials = 300
    for seed in range(trials):
        _, total = simulated(histories, groups, seed, multiplier=2.0)
        size = total.values[len(TREE) * ITEMS + 4] / SIZE_NORM
        passed += passes(float(size), math.sqrt(total.variance) / SIZE_NORM, 50)
    allowed = 1 - CONFIDENCE
    assert passed <= trials * allowed + 4 * math.sqrt(trials * allowed)
    assert not passes(50.0, 1.0, 50)
    assert passes(53.0, 1.0, 50)


# --- bytes


def table_bytes():
    histories, groups, counts = world(SIZES)
    task = CohortTask(TREE, ITEMS)
    prior = np.sqrt(counts / counts.max())
    return cohort_table(task, exact(histories, groups, task), prior, catalogue=NAME).encode()


TABLE = table_bytes()


def test_a_table_travels_exactly():
    table = CohortTable.decode(TABLE)
    assert table.encode() == TABLE
    assert table.tree == TREE
    assert table.items == ITEMS
    assert CohortTree.decode(TREE.encode()) == TREE
    with pytest.raises(DataError):
        table.prior(7)
    with pytest.raises(DataError):
        table.prior(-1)


@pytest.mark.parametrize("items", [1, 12, 900, 20_000])
def test_a_release_has_one_form_whatever_the_size_of_its_table(items):
    tree = everyone_by({"age": ("young",)})
    table = CohortTable(NAME, tree, (0, 1), np.ones((1, items), dtype=np.float32))
    data = CohortRelease(b"a task", 50.0, (9.0, 5.0), (0.1, 0.1), table).encode()
    assert CohortRelease.decode(data).encode() == data
    form = msgspec.msgpack.decode(data)
    size = len(form[-1])
    longer = msgspec.msgpack.encode(form[:-1]).replace(b"\x95", b"\x96", 1)
    written = [longer + b"\xc6" + size.to_bytes(4, "big") + form[-1]]
    written += [longer + b"\xc5" + size.to_bytes(2, "big") + form[-1]] if size < 1 << 16 else []
    for other in written:
        if other != data:
            with pytest.raises(WireError, match="canonical form"):
                CohortRelease.decode(other)
    assert data in written or size < 1 << 8
    with pytest.raises(WireError, match="malformed"):
        CohortRelease.decode(data + b"\x00")
    form[2] = 50
    with pytest.raises(WireError, match="canonical form"):
        CohortRelease.decode(msgspec.msgpack.encode(form))


def resealed(body):
    return body + hashlib.sha256(body).digest()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, 2e9])
def test_points_out_of_proportion_are_refused(bad):
    body = bytearray(TABLE[:-32])
    body[-4:] = np.array([bad], "<f4").tobytes()
    with pytest.raises(WireError, match="points"):
        CohortTable.decode(resealed(bytes(body)))


@given(data=st.data())
def test_damaged_bytes_raise_our_error_and_nothing_else(data):
    body = bytearray(data.draw(st.sampled_from([TABLE[:-32], TREE.encode(), TASTES.encode()])))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(body[: data.draw(st.integers(0, len(body)))])
    for damaged in (bytes(body), cut, resealed(bytes(body)), resealed(cut)):
        for read in (CohortTree.decode, CohortTable.decode):
            with suppress(WireError):
                read(damaged)
