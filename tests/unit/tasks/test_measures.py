"""Contributor counts, and lists graded by a model that was published: on a device as in the lab."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_worlds import ExactSums, catalogue_of, people, random_people, some_people, trained_scores

from confidante.core.errors import DataError, WireError
from confidante.core.values import Catalogue
from confidante.lab.baselines import fit_popularity
from confidante.models.scoring import ModelName, PublishedScores
from confidante.models.snapshot import decode, encode
from confidante.privacy.clipping import encode as integers
from confidante.privacy.plan import Cohort, plan_sum
from confidante.tasks.base import estimated
from confidante.tasks.compare import CompareTask
from confidante.tasks.contributors import ContributorTask
from confidante.tasks.quality import QualityTask
from confidante.tasks.registry import decode_task, encode_task, read_form
from confidante.testing.task_contract import check_task
from confidante.training.publish import publish
from confidante.training.recipe import EXACT, REPEAT_OWN, train
from confidante.wire.catalogue import CatalogueWire

CATALOGUE = catalogue_of(30)
WIRE = CatalogueWire(CATALOGUE)
PEOPLE = random_people(20, 30, 12, seed=4)
LEARNT = train(CATALOGUE, ExactSums(PEOPLE), EXACT)
MODEL = publish(LEARNT, CATALOGUE)
OTHER = publish(train(CATALOGUE, ExactSums(random_people(9, 30, 12, seed=5)), EXACT), CATALOGUE)
FETCHED = {PublishedScores(data, CATALOGUE).digest: data for data in (MODEL, OTHER)}
A, B = FETCHED


@given(histories=some_people(30), most=st.integers(1, 12))
def test_each_device_counts_its_newest_distinct_items_once(histories, most):
    task = ContributorTask(30, most)
    rows = check_task(task, histories)
    for person in range(histories.people):
        own = histories.slice(person, person + 1).items.tolist()
        newest = list(dict.fromkeys(own[::-1]))[:most]
        assert np.flatnonzero(rows.dense(person)).tolist() == sorted(newest)
    assert set(rows.values.tolist()) <= {1.0}


@pytest.mark.parametrize("noise", [0.0, 0.8])
@pytest.mark.parametrize("most", [2, 3, 5, 6, 7, 10, 13])
def test_counts_are_exact_integers_at_the_bound_too(most, noise):
    task = ContributorTask(30, most)
    plan = plan_sum(task.name, 30, task.l2_bound, task.linf_bound, noise, Cohort(50), 20)
    rows = integers(task.client_update(people(range(30), range(3))), plan, np.zeros(2, dtype=np.uint64))
    assert set(rows.values.tolist()) == {int(plan.scale)}


TASKS = [
    ContributorTask(30, 9),
    QualityTask(PublishedScores(MODEL, CATALOGUE), 5),
    CompareTask(PublishedScores(MODEL, CATALOGUE), PublishedScores(OTHER, CATALOGUE), 5),
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_device_and_the_simulator_agree_on_the_integers(task):
    body = encode_task(task, WIRE)
    assert encode_task(decode_task(body, WIRE), CatalogueWire.decode(WIRE.data)) == body
    assert set(read_form(body).models) == {"contributors": set(), "quality of lists": {A}}.get(
        task.name, {A, B}
    )
    plan = plan_sum(task.name, task.length, task.l2_bound, task.linf_bound, 0.0, Cohort(20), 16)
    dither = np.arange(20, dtype=np.uint64)
    lab = integers(check_task(task, PEOPLE), plan, dither)  # all people at once
    wire = CatalogueWire.decode(WIRE.data)
    for person in range(20):
        there = decode_task(body, wire, lambda digest: PublishedScores(FETCHED[digest], wire.catalogue))
        row = there.client_update(PEOPLE.slice(person, person + 1))
        assert np.array_equal(integers(row, plan, dither[:1]).dense(0), lab.dense(person))
    assert lab.sum().any()


def test_a_task_can_be_sent_by_name_but_not_computed_without_the_model():
    body = encode_task(TASKS[1], WIRE)
    assert encode_task(QualityTask(ModelName(A), 5), WIRE) == body
    with pytest.raises(DataError, match="fetch it"):
        decode_task(body, WIRE).client_update(PEOPLE)
    with pytest.raises(DataError, match="publish it first"):
        encode_task(QualityTask(fit_popularity(PEOPLE, 30), 5), WIRE)


def test_a_published_model_scores_as_it_was_trained_to_8_bits():
    ours, trained = PublishedScores(MODEL, CATALOGUE).score(PEOPLE), trained_scores(LEARNT.factored, PEOPLE)
    assert np.abs(ours - trained).max() < 0.05 * np.abs(trained).max()


def test_own_history_counts():
    published = decode(MODEL)
    shop = encode(
        type(published.model)(published.model.parts, published.model.prior, REPEAT_OWN), CATALOGUE, None
    )
    one = people([3, 4])
    added = PublishedScores(shop, CATALOGUE).score(one) - PublishedScores(MODEL, CATALOGUE).score(one)
    assert np.flatnonzero(added[0]).tolist() == [3, 4]
    assert added[0, 4] == pytest.approx(REPEAT_OWN.weight)


def test_an_item_that_the_model_has_not_met_is_on_no_list():
    newer = Catalogue(("new", *CATALOGUE.ids), ("New", *CATALOGUE.titles), ((), *CATALOGUE.labels))
    scores = PublishedScores(MODEL, newer).score(people([0, 4, 3]))
    same = PublishedScores(MODEL, CATALOGUE).score(people([3, 2]))
    assert scores[0, 0] == -np.inf
    assert np.isfinite(scores[0, 1:]).all()
    assert scores[0].argmax() != 0
    assert scores.shape == (1, 31)
    assert same.shape == (1, 30)


def test_what_is_no_model_is_refused():
    with pytest.raises(WireError):
        PublishedScores(MODEL[:-1], CATALOGUE)
    with pytest.raises(WireError, match="without a catalogue"):
        PublishedScores(encode(decode(MODEL).model, None, None), CATALOGUE)


def test_an_estimate_within_its_noise_is_no_finding() -> None:
    assert estimated(0.05, 0.1, 2) == ("-", "± 0.10, not distinguishable from noise")
    assert estimated(-0.05, 0.1, 2)[0] == "-"
    assert estimated(0.3, 0.1, 2) == ("0.30", "± 0.10")
    assert estimated(0.3, 0.1, 2, among=1000)[0] == "-", "of so many one is that large by chance"
    assert estimated(0.0, 0.0, 2) == ("0.00", "± 0.00"), "without noise every sum is what it is"


def test_noise_alone_is_rarely_shown_as_a_finding() -> None:
    """Of 400 tables of noise alone about 20 show one; over 40 would come in less than 1 of 10,000 runs."""
    drawn = np.random.default_rng(5).normal(0, 3.0, (400, 200))
    shown = sum(any(estimated(value, 3.0, 1, 200)[0] != "-" for value in table) for table in drawn.tolist())
    assert 1 <= shown <= 40
