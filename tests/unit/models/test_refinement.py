"""What a server refines with: it says what its model says, in 8 bits, in bytes that are checked."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from model_worlds import ExactSums, random_people

from confidante.core.errors import DataError, WireError
from confidante.core.values import Catalogue
from confidante.crypto.he.bfv import BfvScheme
from confidante.models.factors import PICK_PART
from confidante.models.refinement.build import CONTENT_PART, build, clustered, narrowed, placed, spread_of
from confidante.models.refinement.codec import decode_items, decode_query, encode_items, encode_query
from confidante.models.refinement.model import ItemSide, QueryPart, QuerySide, name_of
from confidante.models.served import ServedModel
from confidante.models.snapshot import decode
from confidante.training.publish import publish
from confidante.training.recipe import settings_for, train

ITEMS, MORE = 60, 20
KINDS = ("even", "small", "round", "late")


def catalogue_of(items):
    return Catalogue(
        tuple(f"id-{i}" for i in range(items)),
        tuple(f"Täterä {i} ({1980 + i % 5 * 5})" for i in range(items)),
        tuple(KINDS[i % 4 :: 2] for i in range(items)),
    )


MET, WHOLE = catalogue_of(ITEMS), catalogue_of(ITEMS + MORE)
PUBLISHED = decode(
    publish(
        train(MET, ExactSums(random_people(80, ITEMS, 25, seed=3)), settings_for(noise=False, repeat=False)),
        MET,
    )
)
SIDE, TABLE = build(PUBLISHED, WHOLE, dimensions=40, buckets=5)
DATA, ITEM_DATA = encode_query(SIDE), encode_items(TABLE)
EVENTS = np.array([3, 17, 44, 70]), np.array([3.0, 2.0, 1.0, 0.0]), np.array([1.0, 1.0, -1.0, 1.0])


def points(side, table, events=EVENTS):
    rounded = side.rounded(side.query(*events))
    return side.points(table.scores(rounded), rounded.scale)


def said_by(model: ServedModel, events=EVENTS):
    rows = np.arange(model.rows)
    return model.scores(rows, model.queries(*events)) - model.prior


def test_points_are_what_the_kept_columns_of_the_model_say_to_within_rounding():
    wide, table = build(PUBLISHED, WHOLE, dimensions=256)
    plain = said_by(placed(PUBLISHED, WHOLE))
    assert np.abs(points(wide, table) - plain).max() < 0.02 * np.abs(plain).max()
    kept = said_by(placed(narrowed(PUBLISHED, 40), WHOLE))
    assert np.corrcoef(points(SIDE, TABLE), kept)[0, 1] > 0.98
    assert SIDE.dimensions == 40


def test_what_speaks_for_picks_stays_whole_on_devices_and_is_nothing_to_ask_about():
    settings = replace(settings_for(noise=False, repeat=False), slate=8)
    learnt = train(MET, ExactSums(random_people(80, ITEMS, 25, seed=3)), settings)
    with_picks = decode(publish(learnt, MET))
    whole = next(part for part in with_picks.model.parts if part.name == PICK_PART)
    side, table = build(with_picks, WHOLE, dimensions=40, buckets=5)
    assert (encode_query(side), encode_items(table)) == (DATA, ITEM_DATA)
    narrow = narrowed(with_picks, 12).model
    kept = next(part for part in narrow.parts if part.name == PICK_PART)
    assert np.array_equal(kept.vectors, whole.vectors)
    assert sum(part.vectors.shape[1] for part in narrow.parts if part is not kept) == 12


def test_an_event_may_count_otherwise_in_each_part():
    rows, ages, weights = EVENTS
    by_part = np.repeat(weights[:, None], len(SIDE.parts), axis=1)
    assert np.array_equal(SIDE.query(rows, ages, by_part), SIDE.query(*EVENTS))
    by_part[:, 0] = 0.0
    first = SIDE.parts[0].vectors.shape[1]
    assert not SIDE.query(rows, ages, by_part)[:first].any()
    assert np.array_equal(SIDE.query(rows, ages, by_part)[first:], SIDE.query(*EVENTS)[first:])


def test_the_encrypted_path_gives_the_very_same_integers():
    rounded = SIDE.rounded(SIDE.query(*EVENTS))
    asking = BfvScheme().ask(rounded.values)
    for vectors, expected in (
        (TABLE.vectors, TABLE.scores(rounded)),
        (TABLE.bucket(SIDE, 2), TABLE.scores(rounded)[SIDE.in_bucket(2)]),
    ):
        found = asking.read(BfvScheme().table(vectors).answer(asking.request), len(vectors))
        assert found[: len(expected)].tolist() == expected.tolist()
        assert not found[len(expected) :].any()


def test_items_that_the_model_has_not_met_get_the_points_of_their_kind():
    found = points(*build(PUBLISHED, catalogue_of(100), dimensions=256))
    one, like_it, another = found[61], found[81], found[62]  # labels and years come again after twenty
    assert one == like_it
    assert one != 0
    assert one != another


def test_the_best_hundred_of_ten_thousand_survive_rounding_to_eight_bits():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(10_000, 64)) * np.geomspace(1, 0.05, 64)  # columns of very different size
    shared = []
    scale = np.abs(vectors).max(axis=0)
    table = ItemSide(np.rint(vectors / scale * 127).astype(np.int8))
    side = side_of(table, column_scale=scale.astype(np.float32))
    for query in rng.normal(size=(30, 64)):
        plain, found = vectors @ query, table.scores(side.rounded(query))
        best = [set(np.argsort(-one)[:100].tolist()) for one in (plain, found)]
        shared.append(len(best[0] & best[1]))
    assert np.median(shared) >= 98


def side_of(table: ItemSide, **changed):
    items, columns = table.vectors.shape
    names = tuple(map(str, range(items)))
    fields = {
        "catalogue": Catalogue(names, names, ((),) * items),
        "parts": (QueryPart("all", 2.0, table.vectors, np.ones(items, dtype=np.float32)),),
        "column_scale": np.ones(columns, dtype=np.float32),
        "unit": 1.0,
        "spread": 1.0,
        "table": name_of(encode_items(table)),
        "centroids": np.zeros((0, columns), dtype=np.int8),
        "buckets": np.zeros(0, dtype=np.uint16),
    }
    return QuerySide(**{**fields, **changed})


def test_the_largest_products_are_exact():
    table = ItemSide(np.stack([np.full(256, 127), np.full(256, -127)]).astype(np.int8))
    rounded = side_of(table).rounded(np.ones(256))
    assert table.scores(rounded).tolist() == [256 * 127**2, -256 * 127**2]


def test_nobody_is_asked_for_with_zeros_and_gets_zeros():
    nothing = np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0)
    rounded = SIDE.rounded(SIDE.query(*nothing))
    assert rounded.scale == 0
    assert not rounded.values.any()
    assert not points(SIDE, TABLE, nothing).any()


def test_the_spread_is_the_root_mean_square_of_what_one_event_adds():
    model = placed(PUBLISHED, WHOLE)
    rows = np.arange(model.rows)
    shares = model.contributions(rows, np.zeros(len(rows)), np.ones(len(rows)), rows).sum(axis=2)
    assert spread_of(model) == pytest.approx(np.sqrt((shares**2).mean()))


def test_a_narrower_model_is_one_that_devices_can_install_and_place_new_items_by():
    narrow = narrowed(PUBLISHED, 12)
    assert sum(part.vectors.shape[1] for part in narrow.model.parts) == 12
    assert placed(narrow, WHOLE).rows == ITEMS + MORE
    whole = said_by(PUBLISHED.model, (np.array([3, 17]), np.array([1.0, 0.0]), np.ones(2)))
    less = said_by(narrow.model, (np.array([3, 17]), np.array([1.0, 0.0]), np.ones(2)))
    assert np.corrcoef(whole, less)[0, 1] > 0.5
    assert narrow.digest != PUBLISHED.digest


def test_a_servers_own_vectors_are_a_part_with_weight():
    own = np.random.default_rng(0).normal(size=(len(WHOLE), 8))
    own[70] = own[5]
    side, table = build(PUBLISHED, WHOLE, dimensions=256, content=own)
    assert CONTENT_PART in {part.name for part in side.parts}
    event = np.array([5]), np.zeros(1), np.ones(1)
    without = points(*build(PUBLISHED, WHOLE, dimensions=256), event)
    assert points(side, table, event)[70] > without[70] + side.spread
    for bad in (own[:-1], own * np.nan, own[:, 0]):
        with pytest.raises(DataError):
            build(PUBLISHED, WHOLE, content=bad)


def test_both_sides_travel_and_keep_their_names():
    side, table = decode_query(DATA), decode_items(ITEM_DATA)
    assert encode_query(side) == DATA
    assert encode_items(table) == ITEM_DATA
    assert side.table == name_of(ITEM_DATA)
    assert side.catalogue == WHOLE
    assert points(side, table).tolist() == points(SIDE, TABLE).tolist()
    again, _ = build(PUBLISHED, WHOLE, dimensions=40, buckets=5)
    assert encode_query(again) == DATA


def test_a_side_without_buckets_travels_too():
    side, _ = build(PUBLISHED, WHOLE, dimensions=8)
    assert (side.bucket_count, side.bucket_size) == (0, 0)
    assert encode_query(decode_query(encode_query(side))) == encode_query(side)


@pytest.mark.parametrize("field", range(8))
@pytest.mark.parametrize("value", [b"", b"\xff" * 33, 0, -1.0, float("nan"), [], None])
def test_a_field_of_something_else_is_refused(field, value):
    said = msgspec.msgpack.decode(DATA)
    said[1 + field] = value
    with pytest.raises(WireError):
        decode_query(msgspec.msgpack.encode(said))


@pytest.mark.parametrize("field", range(4))
@pytest.mark.parametrize("value", ["", b"", b"\xff" * 79, -1.0, None])
def test_a_part_of_something_else_is_refused(field, value):
    said = msgspec.msgpack.decode(DATA)
    said[2][0][field] = value
    with pytest.raises(WireError):
        decode_query(msgspec.msgpack.encode(said))


def test_every_item_is_in_one_bucket_and_all_answers_are_of_one_size():
    rows = np.concatenate([SIDE.in_bucket(bucket) for bucket in range(SIDE.bucket_count)])
    assert sorted(rows.tolist()) == list(range(len(WHOLE)))
    assert SIDE.bucket_size <= np.ceil(1.25 * len(WHOLE) / 5)
    assert {TABLE.bucket(SIDE, bucket).shape for bucket in range(5)} == {(SIDE.bucket_size, 40)}
    for bucket in (-1, 5):
        with pytest.raises(DataError):
            SIDE.in_bucket(bucket)


def test_what_is_alike_shares_a_bucket_and_the_centroid_points_there():
    rng = np.random.default_rng(0)
    towards = np.eye(4, 16) * 100
    kind = np.repeat(np.arange(4), 50)
    vectors = np.rint(towards[kind] + rng.normal(0, 5, (200, 16))).astype(np.int8)
    centroids, belongs = clustered(vectors, 4, seed=1)
    for one in range(4):
        (bucket,) = set(belongs[kind == one].tolist())
        assert int(np.argmax(centroids.astype(int) @ towards[one].astype(int))) == bucket
    same = clustered(vectors, 4, seed=1)
    assert (same[0] == centroids).all()
    assert (same[1] == belongs).all()


@given(seed=st.integers(0, 1000), items=st.integers(1, 80), share=st.floats(0, 1))
def test_buckets_never_overflow_whatever_the_vectors(seed, items, share):
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-3, 4, (items, 3)).astype(np.int8)  # many are alike, some are zero
    buckets = 1 + int(share * (items - 1))
    centroids, belongs = clustered(vectors, buckets, seed)
    assert centroids.shape == (buckets, 3)
    assert np.bincount(belongs, minlength=buckets).max() <= np.ceil(1.25 * items / buckets)


@pytest.mark.parametrize("buckets", [-1, 81, 5000])
def test_buckets_that_there_cannot_be_are_refused(buckets):
    with pytest.raises(DataError):
        build(PUBLISHED, WHOLE, buckets=buckets)


def test_rows_widths_and_catalogues_that_do_not_fit_are_refused():
    for rows in (np.array([-1]), np.array([80])):
        with pytest.raises(DataError):
            SIDE.query(rows, np.zeros(1), np.ones(1))
    for query in (np.zeros(39), np.full(40, np.nan), np.zeros((1, 40))):
        with pytest.raises(DataError):
            SIDE.rounded(query)
    with pytest.raises(DataError):
        build(PUBLISHED, catalogue_of(0))
    for dimensions in (0, 257):
        with pytest.raises(DataError):
            build(PUBLISHED, WHOLE, dimensions=dimensions)
    with pytest.raises(DataError):
        TABLE.scores(side_of(ItemSide(np.ones((2, 3), dtype=np.int8))).rounded(np.ones(3)))


@pytest.mark.parametrize(
    "change",
    [
        {"unit": 0.0},
        {"unit": float("nan")},
        {"spread": -1.0},
        {"spread": float("inf")},
        {"table": b"short"},
        {"parts": ()},
        {"column_scale": np.ones(39, dtype=np.float32)},
        {"column_scale": np.full(40, np.inf, dtype=np.float32)},
        {"centroids": np.zeros((5, 39), dtype=np.int8)},
        {"centroids": np.zeros((1, 40), dtype=np.int8)},
        {"centroids": np.full((5, 40), -128, dtype=np.int8)},
        {"buckets": SIDE.buckets[:-1]},
        {"buckets": SIDE.buckets.astype(np.int64)},
        {"parts": (replace(SIDE.parts[0], half_life=0.0), *SIDE.parts[1:])},
        {"parts": (replace(SIDE.parts[0], weights=np.full(80, np.nan, dtype=np.float32)), *SIDE.parts[1:])},
        {"parts": (replace(SIDE.parts[0], name=SIDE.parts[1].name), *SIDE.parts[1:])},
        {"catalogue": MET},
    ],
)
def test_a_side_that_does_not_hold_together_cannot_be_made(change):
    with pytest.raises(DataError):
        replace(SIDE, **change)


@given(place=st.integers(0, len(DATA) - 1), change=st.integers(1, 255), cut=st.booleans())
@examples(2)
def test_spoilt_bytes_are_refused_or_hold_together(place, change, cut):
    spoilt = bytearray(DATA)
    spoilt[place] ^= change
    data = bytes(spoilt[:place] if cut else spoilt)
    try:
        side = decode_query(data)
    except WireError:
        return
    assert encode_query(side) == data
    assert np.isfinite(points(side, TABLE)).all()


@pytest.mark.parametrize("data", [b"", b"\x93", DATA[:-1], DATA + b"\0", ITEM_DATA])
def test_bytes_that_are_no_query_side_are_refused(data):
    with pytest.raises(WireError):
        decode_query(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        DATA,
        ITEM_DATA[:-1],
        ITEM_DATA + b"\0",
        msgspec.msgpack.encode(["refinement items 1", 0, b""]),
        msgspec.msgpack.encode(["refinement items 1", 3, b"1234"]),
        msgspec.msgpack.encode(["refinement items 1", 3, b""]),
        msgspec.msgpack.encode(["refinement items 1", 3, b"\x80\x80\x80"]),
        msgspec.msgpack.encode(["refinement items 1", 257, bytes(257)]),
    ],
)
def test_bytes_that_are_no_item_side_are_refused(data):
    with pytest.raises(WireError):
        decode_items(data)
