"""Three engines, one sum: the same integers where noise is seeded a device, the same law where it is not."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from confidante.core.errors import DataError, PlanError, ProtocolError, Reject
from confidante.core.values import Histories, SparseRows
from confidante.lab.entropy import SeededEntropy
from confidante.lab.simulation import Simulator
from confidante.privacy.plan import Cohort
from confidante.tasks.item_pairs import ItemPairTask
from confidante.tasks.popularity import PopularityTask

FALSE_ALARM = 1e-6
"""Chance that a test of the noise rejects the true law. Seeds are fixed: it passes for ever or never."""

ENGINES = ["secure", "ideal", "aggregate"]
PEOPLE, ITEMS = 12, 40
SMALL_UPLOAD = 25  # bytes: 10 entries of 20 bits


def crowd(count, items=ITEMS, seed=0):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 15, count)
    indptr = np.concatenate(([0], np.cumsum(lengths)))
    total = int(indptr[-1])
    return Histories(indptr, rng.integers(0, items, total).astype(np.int32), np.arange(total))


def simulator(engine, *, histories=None, noise=1.0, seed=5, **options):
    multipliers = dict.fromkeys(["popularity", "item pairs", "given"], noise)
    people = crowd(PEOPLE) if histories is None else histories
    return Simulator(people, multipliers, SeededEntropy(seed), engine=engine, **options)


def item_pairs(basis=9):
    return ItemPairTask(np.arange(basis), np.ones(basis), ITEMS, 4, 2.0, 20)


@dataclass
class Given:
    """A task whose rows the test gives: float64 [people, length]; `histories` name the people."""

    rows: np.ndarray
    l2_bound: float = 1.0
    linf_bound: float = 0.5
    name: str = "given"

    @property
    def length(self):
        return self.rows.shape[1]

    def client_update(self, histories):
        chosen = self.rows[histories.items]
        count, length = chosen.shape
        return SparseRows(
            np.arange(count + 1, dtype=np.int64) * length,
            np.tile(np.arange(length), count),
            chosen.ravel(),
            length,
        )


def numbered(count):
    """People whose one event is their own number."""
    return Histories(np.arange(count + 1), np.arange(count, dtype=np.int32), np.zeros(count, dtype=np.int64))


@pytest.mark.parametrize("noise", [0.0, 1.0])
@pytest.mark.parametrize("dropout", [0.0, 0.25])
@pytest.mark.parametrize("max_upload", [SMALL_UPLOAD, 10_000], ids=["many uploads", "one upload"])
def test_secure_and_ideal_engines_give_identical_sums(noise, dropout, max_upload):
    secure, ideal = (
        simulator(engine, noise=noise, dropout=dropout, max_upload=max_upload)
        for engine in ("secure", "ideal")
    )
    for task in (PopularityTask(ITEMS), item_pairs(), PopularityTask(ITEMS)):
        one, other = secure.take(task), ideal.take(task)
        scale = secure.records[-1].plan.scale
        integers = np.rint(one.values * scale)
        assert np.array_equal(integers / scale, one.values)
        assert np.array_equal(integers, np.rint(other.values * scale))
        assert np.count_nonzero(integers)
        assert (one.variance, one.contributors) == (other.variance, other.contributors)
    for one, other in zip(secure.records, ideal.records, strict=True):
        assert one.bytes_up > one.upload_bytes > 0
        assert one.bytes_down > 0
        assert replace(one, bytes_up=0, bytes_down=0, seconds=other.seconds) == other


def test_without_noise_all_engines_agree():
    sums = [simulator(engine, noise=0.0, dropout=0.25).take(PopularityTask(ITEMS)) for engine in ENGINES]
    for other in sums[1:]:
        assert np.array_equal(sums[0].values, other.values)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_seed_decides_the_sum_and_a_second_sum_has_noise_of_its_own(engine):
    first, again, other = (simulator(engine, seed=seed) for seed in (1, 1, 2))
    task = PopularityTask(ITEMS)
    sums = [run.take(task).values for run in (first, again, other)]
    assert np.array_equal(sums[0], sums[1])
    assert not np.array_equal(sums[0], sums[2])
    assert not np.array_equal(sums[0], first.take(task).values)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_sum_does_not_depend_on_how_it_is_cut_into_uploads(engine):
    whole, cut = (
        simulator(engine, noise=0.0, dropout=0.25, max_upload=size) for size in (10_000, SMALL_UPLOAD)
    )
    assert np.array_equal(whole.take(item_pairs()).values, cut.take(item_pairs()).values)
    assert (whole.records[0].rounds, cut.records[0].rounds) == (1, 4)  # 36 entries, 10 an upload


@pytest.mark.parametrize("engine", ENGINES)
def test_the_sum_is_that_of_the_devices_that_uploaded(engine):
    """Of 12 devices 3 vanish: one before it uploads, two afterwards, whose vectors are in the sum."""
    task = Given(0.25 * np.eye(PEOPLE))
    run = simulator(engine, histories=numbered(PEOPLE), noise=0.0, dropout=0.25, max_upload=10)
    total = run.take(task)
    assert np.sort(total.values).tolist() == pytest.approx([0.0] + [0.25] * 11, abs=1e-4)
    assert total.contributors == run.records[0].survivors == 11
    assert run.records[0].dropped == 3


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("max_dropout", [0.0, 0.2, 0.3])
def test_more_dropouts_than_planned_end_the_sum_in_every_engine(engine, max_dropout):
    cohort = Cohort(PEOPLE, max_dropout)
    run = simulator(engine, cohort=cohort, dropout=max_dropout + 0.15)
    with pytest.raises(ProtocolError) as caught:
        run.take(PopularityTask(ITEMS))
    assert caught.value.reason is Reject.TOO_FEW
    assert run.records == []
    as_planned = simulator(engine, cohort=cohort, dropout=max_dropout)
    assert as_planned.take(PopularityTask(ITEMS)).contributors >= cohort.minimum_survivors


@pytest.mark.parametrize("engine", ["ideal", "aggregate"])
def test_nobody_left_is_too_few(engine):
    with pytest.raises(ProtocolError, match="too_few"):
        simulator(engine, dropout=1.0).take(PopularityTask(ITEMS))


@pytest.mark.parametrize("dropout", [-0.1, 1.1, math.nan])
def test_an_impossible_dropout_is_refused(dropout):
    with pytest.raises(PlanError, match="dropout"):
        simulator("ideal", dropout=dropout)


def test_a_cohort_of_another_size_is_refused():
    with pytest.raises(PlanError, match="cohort"):
        simulator("ideal", cohort=Cohort(PEOPLE + 1))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_vector_longer_than_the_agreed_uploads_is_refused(engine):
    fits = simulator(engine, noise=0.0, max_upload=SMALL_UPLOAD, max_rounds=4)
    assert fits.max_length == 40
    fits.take(PopularityTask(ITEMS))
    assert fits.records[0].rounds == 4
    too_long = simulator(engine, noise=0.0, max_upload=SMALL_UPLOAD, max_rounds=3)
    with pytest.raises(PlanError, match="does not fit 3 uploads"):
        too_long.take(PopularityTask(ITEMS))


@pytest.mark.parametrize("options", [{"max_upload": 2}, {"max_upload": 0}, {"max_rounds": 0}])
def test_uploads_that_hold_nothing_are_refused(options):
    with pytest.raises(PlanError, match="allow larger"):
        simulator("ideal", **options)


@pytest.mark.parametrize(
    ("max_upload", "rounds", "total", "largest"),
    [(1000, 1, 90, 90), (25, 4, 90, 25), (9, 12, 96, 8), (3, 36, 108, 3)],
)
def test_upload_bytes_count_whole_bytes_an_upload(max_upload, rounds, total, largest):
    """36 entries of 20 bits. Three a time take 8 bytes of the 9, one alone 3."""
    run = simulator("ideal", noise=0.0, max_upload=max_upload, max_rounds=100)
    run.take(item_pairs())
    record = run.records[0]
    assert (record.rounds, record.upload_bytes, record.largest_upload) == (rounds, total, largest)
    assert record.largest_upload <= max_upload


@pytest.mark.parametrize("engine", ENGINES)
def test_progress_goes_up_to_1(engine):
    seen = []
    run = simulator(engine, max_upload=SMALL_UPLOAD, progress=lambda what, part: seen.append((what, part)))
    run.take(PopularityTask(ITEMS))
    parts = [part for _, part in seen]
    assert parts == sorted(parts)
    assert parts[-1] == 1
    assert {what for what, _ in seen} == {"popularity"}


# The law of the noise.

ENTRIES = 20_000


def is_noise_of(values, variance):
    """Whether the mean is 0 and the variance the stated one, each at half of FALSE_ALARM.

    The entries are independent and so near to normal (kurtosis 3 + 1/variance in integers) that the sum of
    squares is chi-squared.
    """
    mean = 2 * stats.norm.sf(abs(values.mean()) / math.sqrt(variance / len(values)))
    spread = stats.chi2.cdf((values**2).sum() / variance, len(values))
    return min(mean, 2 * min(spread, 1 - spread)) > FALSE_ALARM / 2


@pytest.mark.parametrize("engine", ["ideal", "aggregate"])
@pytest.mark.parametrize("dropout", [0.0, 0.25])
def test_the_noise_has_the_stated_variance_in_both_open_engines(engine, dropout):
    nobody = Histories(np.zeros(PEOPLE + 1, dtype=np.int64), np.zeros(0, np.int32), np.zeros(0, np.int64))
    run = simulator(engine, histories=nobody, dropout=dropout, max_upload=9_000)  # 3,600 entries an upload
    total = run.take(PopularityTask(ENTRIES))
    plan = run.records[0].plan
    assert total.variance == pytest.approx(float(plan.noise_variance(total.contributors)) / plan.scale**2)
    assert is_noise_of(total.values, total.variance)
    assert not is_noise_of(total.values, 1.1 * total.variance)
    assert not is_noise_of(total.values, 0.9 * total.variance)
    assert not is_noise_of(total.values + 0.1 * math.sqrt(total.variance), total.variance)
    # What the training sizes its basis by is the noise that it then meets.
    assert run.noise_sd("popularity") == pytest.approx(math.sqrt(total.variance), rel=1e-3)


def test_ideal_and_aggregate_noise_follow_one_law():
    """Two-sample test of Kolmogorov and Smirnov; noise 10 % wider, or one entry copied, is noticed."""
    nobody = Histories(np.zeros(PEOPLE + 1, dtype=np.int64), np.zeros(0, np.int32), np.zeros(0, np.int64))
    ideal, aggregate = (
        simulator(engine, histories=nobody).take(PopularityTask(2 * ENTRIES)).values
        for engine in ("ideal", "aggregate")
    )
    assert stats.ks_2samp(ideal, aggregate).pvalue > FALSE_ALARM
    assert stats.ks_2samp(ideal, 1.1 * aggregate).pvalue < FALSE_ALARM


def test_the_noise_of_two_sums_and_of_two_uploads_is_independent():
    """Correlation of 10,000 pairs: normal with sd .01. A false alarm at FALSE_ALARM needs 4.9 of them."""
    nobody = Histories(np.zeros(PEOPLE + 1, dtype=np.int64), np.zeros(0, np.int32), np.zeros(0, np.int64))
    run = simulator("ideal", histories=nobody, max_upload=25_000)  # 10,000 entries an upload
    one, other = (run.take(PopularityTask(20_000)).values for _ in range(2))
    limit = float(stats.norm.isf(FALSE_ALARM / 2)) / 100
    assert abs(np.corrcoef(one[:10_000], other[:10_000])[0, 1]) < limit
    assert abs(np.corrcoef(one[:10_000], one[10_000:])[0, 1]) < limit
    assert abs(np.corrcoef(one[:10_000], one[:10_000] + 9 * other[:10_000])[0, 1]) > limit  # it can fail


# One device that says what it likes.


@given(
    hostile=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=8, max_size=8),
    linf_bound=st.sampled_from([0.1, 0.5, 1.0]),
)
def test_one_hostile_device_moves_the_sum_by_its_bounds_at_most(hostile, linf_bound):
    honest = np.random.default_rng(0).uniform(-0.3, 0.3, (PEOPLE, 8))
    honest[4] = 0
    poisoned = honest.copy()
    poisoned[4] = hostile
    without, with_it = (
        simulator("ideal", histories=numbered(PEOPLE), noise=0.0).take(Given(rows, linf_bound=linf_bound))
        for rows in (honest, poisoned)
    )
    moved = with_it.values - without.values
    assert np.abs(moved).max() <= linf_bound * (1 + 1e-3)  # one integer is a thousandth or less
    assert np.linalg.norm(moved) <= 1 + 1e-3


def test_a_device_that_clips_nothing_would_be_noticed_above():
    huge = np.zeros((PEOPLE, 8))
    huge[4] = 1e30
    moved = simulator("ideal", histories=numbered(PEOPLE), noise=0.0).take(Given(huge)).values
    assert np.linalg.norm(moved) == pytest.approx(1, rel=1e-3)  # clipped to the bound, not to nothing


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_vector_that_is_not_finite_is_refused(engine, value):
    rows = np.zeros((PEOPLE, 8))
    rows[4, 2] = value
    with pytest.raises(DataError, match="must be finite"):
        simulator(engine, histories=numbered(PEOPLE)).take(Given(rows))


# Seeded entropy.


def test_a_label_is_a_stream_of_its_own():
    root = SeededEntropy(1, "a")
    before = root.child("x").draw(16)
    root.draw(16)
    assert root.child("x").draw(16) == before  # wherever the parent has got to
    assert SeededEntropy(1, "a", "x").draw(16) == before
    streams = [
        SeededEntropy(1, "a"),
        SeededEntropy(1, "a", 1),
        SeededEntropy(1, "a", "1"),
        SeededEntropy(1, "a1"),
        SeededEntropy(2, "a"),
        SeededEntropy(1, "a").child("x", 0),
        SeededEntropy(1, "a").child("x").child("0"),
    ]
    drawn = [stream.draw(16) for stream in streams for _ in range(3)]
    assert len(set(drawn)) == len(drawn)
