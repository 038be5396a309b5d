"""Tasks and plans travel exactly, and nothing malformed gets in."""

from contextlib import suppress
from dataclasses import asdict, replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_worlds import ExactSums, catalogue_of, random_people

from confidante.core.errors import ConfidanteError, DataError, PlanError, WireError
from confidante.core.values import Catalogue
from confidante.privacy.plan import Cohort, plan_sum
from confidante.tasks.popularity import PopularityTask
from confidante.tasks.quality import QualityTask
from confidante.tasks.registry import decode_task, encode_task
from confidante.training.recipe import EXACT, train
from confidante.wire.catalogue import CatalogueWire
from confidante.wire.plans import decode_plan, encode_plan

CATALOGUE = catalogue_of(30)
WIRE = CatalogueWire(CATALOGUE)
PEOPLE = random_people(12, 30, 25, seed=1)


class Watching:
    """Exact sums that remember what was asked."""

    def __init__(self):
        self.sums, self.tasks = ExactSums(PEOPLE), []
        self.max_length = self.sums.max_length

    def noise_sd(self, name):
        return 0.0

    def take(self, task):
        self.tasks.append(task)
        return self.sums.take(task)


def tasks_of_a_training():
    watching = Watching()
    train(CATALOGUE, watching, EXACT)
    return watching.tasks


TASKS = tasks_of_a_training()
BODIES = [encode_task(task, WIRE) for task in TASKS]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_device_computes_the_same_vector_from_the_bytes_as_from_the_task(task):
    elsewhere = CatalogueWire.decode(WIRE.data)
    back = decode_task(encode_task(task, WIRE), elsewhere)
    mine, theirs = task.client_update(PEOPLE), back.client_update(PEOPLE)
    for part in ("indptr", "indices", "values"):
        assert np.array_equal(getattr(mine, part), getattr(theirs, part))
    for part in ("name", "length", "l2_bound", "linf_bound"):
        assert getattr(task, part) == getattr(back, part)
    assert encode_task(back, elsewhere) == encode_task(task, WIRE)


def test_features_do_not_travel():
    assert len(BODIES[1]) < 100 < TASKS[1].features.nbytes


@pytest.mark.parametrize("body", BODIES, ids=[task.name for task in TASKS])
def test_a_task_of_another_catalogue_or_another_order_of_items_is_refused(body):
    turned = Catalogue(CATALOGUE.ids[::-1], CATALOGUE.titles[::-1], CATALOGUE.labels[::-1])
    with pytest.raises(WireError, match="another catalogue"):
        decode_task(body, CatalogueWire(turned))


def with_field(body, place, value):
    fields = msgspec.msgpack.decode(body)
    fields[place] = value
    return msgspec.msgpack.encode(fields)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, "quality of lists 1"),
        (1, bytes(31)),
        (2, b""),
        (2, bytes(4)),
        (2, b"\xff" * 120),
        (2, bytes(120)),
        (3, bytes(8)),
        (3, np.full(30, np.nan).tobytes()),
        (3, np.full(30, -1.0).tobytes()),
        (3, np.zeros(30).tobytes()),
        (3, np.full(30, 1e200).tobytes()),
        (4, 0),
        (4, 1 << 40),
        (5, 0.0),
        (5, float("inf")),
        (5, float("nan")),
        (6, -1),
        (6, "many"),
    ],
)
def test_item_pairs_out_of_bounds_are_refused(place, value):
    assert len(TASKS[2].basis) == 30
    with pytest.raises(WireError):
        decode_task(with_field(BODIES[2], place, value), WIRE)


def test_features_of_another_version_are_refused():
    with pytest.raises(WireError, match="different versions"):
        decode_task(with_field(BODIES[1], 2, 99), WIRE)


def test_only_tasks_of_this_catalogue_and_of_a_known_kind_are_sent():
    with pytest.raises(DataError, match="publish it first"):
        encode_task(QualityTask(None), WIRE)

    class Strange:
        name = "strange"

    with pytest.raises(DataError, match="kind"):
        encode_task(Strange(), WIRE)
    with pytest.raises(DataError, match="length or bounds"):
        encode_task(PopularityTask(31), WIRE)
    with pytest.raises(DataError, match="length or bounds"):
        encode_task(replace(TASKS[2], linf_bound=1.0), WIRE)
    with pytest.raises(DataError, match="names an item twice"):
        encode_task(replace(TASKS[2], basis=TASKS[2].basis * 0), WIRE)


def test_a_catalogue_has_one_form():
    spaced = msgspec.msgpack.encode(["catalogue 1", list(CATALOGUE.ids), list(CATALOGUE.titles), [[]] * 30])
    assert CatalogueWire.decode(spaced).digest != WIRE.digest
    short = b"\xdc\x00\x04" + spaced[1:]  # the same array with a longer head
    with pytest.raises(WireError, match="canonical form"):
        CatalogueWire.decode(short)
    with pytest.raises(WireError, match="repeats"):
        CatalogueWire.decode(msgspec.msgpack.encode(["catalogue 1", ["a", "a"], ["", ""], [[], []]]))
    with pytest.raises(DataError, match="Unicode"):
        CatalogueWire(Catalogue(("\ud800",), ("",), ((),)))


@pytest.mark.parametrize("noise", [0.0, 1.7])
def test_a_plan_travels_exactly(noise):
    plan = plan_sum("popularity", 1000, 1.0, 0.5, noise, Cohort(100, 0.29, 0.1), 20)
    assert decode_plan(encode_plan(plan)) == plan
    assert asdict(decode_plan(encode_plan(plan))) == asdict(plan)


def test_a_plan_that_cannot_be_kept_is_refused():
    body = encode_plan(plan_sum("popularity", 1000, 1.0, 0.5, 1.0, Cohort(100), 20))
    with pytest.raises(PlanError, match="wrap"):
        decode_plan(with_field(body, 6, 8))
    for place in (3, 4, 5, 7, 9, 10):
        with pytest.raises(ConfidanteError):
            decode_plan(with_field(body, place, float("nan")))
        with pytest.raises(ConfidanteError):
            decode_plan(with_field(body, place, 1e308))


@given(data=st.data())
def test_damaged_bytes_raise_our_errors_and_nothing_else(data):
    plan = encode_plan(plan_sum("popularity", 1000, 1.0, 0.5, 1.0, Cohort(100), 20))
    body = bytearray(data.draw(st.sampled_from([*BODIES, plan, WIRE.data])))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    for damaged in (bytes(body), bytes(body[:cut])):
        for read in (lambda one: decode_task(one, WIRE), decode_plan, CatalogueWire.decode):
            with suppress(WireError, PlanError):
                read(damaged)
