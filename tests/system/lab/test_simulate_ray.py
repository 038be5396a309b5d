"""Over a Ray cluster the integers are those of one process, whatever the number of workers."""

import json
import sys

import numpy as np
import pytest

from confidante.core.errors import DataError, WorkerError
from confidante.core.values import SparseRows
from confidante.lab.entropy import SeededEntropy
from confidante.lab.experiment import Training
from confidante.lab.people import SyntheticPeople, synthetic_catalogue
from confidante.lab.simulation import Simulator

ray = pytest.importorskip("ray", reason="ray is not installed: install confidante[ray]")

from confidante.lab.ray_workers import RaySums  # noqa: E402 - needs ray

CROWD = SyntheticPeople(people=900, items=80, events=10, seed=1)
CATALOGUE = synthetic_catalogue(80)


@pytest.fixture(scope="module")
def spread():
    """Adders of 1 and of 2 workers over CROWD, in one Ray of five processors: it takes seconds to start."""
    with (
        RaySums(SyntheticPeople(1, 2, 1), workers=5),
        RaySums(CROWD, workers=1) as one,
        RaySums(CROWD, workers=2) as two,
    ):
        yield one, two


def training(crowd, adder=None, progress=None, **options):
    terms = Training(**{"epsilon": 8.0, "seed": 4, "bits": 24} | options)
    return terms.train(crowd, CATALOGUE, progress, adder)


@pytest.mark.parametrize("options", [{}, {"dropout": 0.2}, {"epsilon": None}], ids=str)
def test_one_worker_and_two_give_the_integers_of_one_process(spread, options):
    alone = training(CROWD, **options)
    for workers, adder in enumerate(spread, 1):
        assert adder.workers == workers
        other = training(CROWD, adder, **options)
        assert [record.digest for record in other.records] == [record.digest for record in alone.records]
        assert [record.survivors for record in other.records] == [r.survivors for r in alone.records]


def test_people_who_are_held_are_shared_out_among_the_workers(spread):
    held = CROWD.select(np.arange(CROWD.people))
    with RaySums(held, workers=1) as adder:
        shared = training(held, adder)
    assert [r.digest for r in shared.records] == [r.digest for r in training(CROWD).records]
    fewer = held.slice(0, CROWD.people - 1)
    with RaySums(fewer, workers=1) as adder:
        assert training(fewer, adder).records[0].digest != shared.records[0].digest


def test_progress_goes_up_to_1_and_peaks_are_told(spread):
    seen = []
    training(CROWD, spread[1], progress=lambda what, part: seen.append((what, part)))
    assert list(dict.fromkeys(what for what, _ in seen)) == ["popularity", "feature pairs", "item pairs"]
    of_one = [part for what, part in seen if what == "item pairs"]
    assert of_one == sorted(of_one)
    assert of_one[-1] == 1
    assert all(1 << 20 < peak < 1 << 31 for peak in spread[1].peaks())


class NotFinite:
    """A task that no device can encode."""

    name, length, l2_bound, linf_bound = "popularity", 3, 1.0, 1.0

    def client_update(self, histories):
        people = histories.people
        return SparseRows(np.arange(people + 1), np.zeros(people, np.int64), np.full(people, np.nan), 3)


def test_what_a_worker_refuses_is_refused_here(spread):
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers do not see the tests
    with pytest.raises(DataError, match="must be finite"):
        Simulator(CROWD, {"popularity": 0.0}, SeededEntropy(1), adder=spread[1]).take(NotFinite())
    assert training(CROWD, spread[1], epsilon=None).records  # and the workers go on


def test_a_lost_worker_is_one_sentence(spread):
    with RaySums(CROWD, workers=1) as adder:
        ray.kill(adder._actors[0])
        with pytest.raises(WorkerError, match="run the command again"):
            training(CROWD, adder)


def test_no_workers_are_refused():
    with pytest.raises(WorkerError, match="1 or more"):
        RaySums(CROWD, workers=0)


def test_the_command_gives_the_same_sums_over_ray(spread, capsys):
    from confidante.cli.app import run

    results = []
    for engine in (["ray", "--workers", "1"], ["aggregate"]):
        capsys.readouterr()
        small = ["--devices", "400", "--items", "60", "--events", "8"]
        assert run(["lab", "simulate", *small, "--json", "--engine", *engine]) == 0
        results.append(json.loads(capsys.readouterr().out))
    assert [result["workers"] for result in results] == [1, 0]
    digests = [[task["sum_digest"] for task in result["tasks"]] for result in results]
    assert digests[0] == digests[1]
    assert results[0]["worker_peak_bytes"] > 0
