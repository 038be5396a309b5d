"""A snapshot gives back what went in, the same bytes each time, and nothing else is accepted."""

import hashlib
import struct

import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from model_worlds import ExactSums, random_people

from confidante.core.errors import DataError, WireError
from confidante.core.values import Catalogue
from confidante.models.factors import OwnHistory
from confidante.models.served import ServedModel, quantise
from confidante.models.snapshot import FeatureSpace, decode, encode, place
from confidante.training.blend import FEATURE_PART
from confidante.training.publish import publish
from confidante.training.recipe import settings_for, train

ITEMS = 24
CATALOGUE = Catalogue(
    tuple(f"id-{i}" for i in range(ITEMS)),
    tuple(f"Täterä {i} ({1990 + i % 4 * 5})" for i in range(ITEMS)),
    tuple(("even", "small")[: 1 + i % 2] if i % 5 else () for i in range(ITEMS)),
)
SUMS = ExactSums(random_people(30, ITEMS, 25, seed=2))
LEARNT = train(CATALOGUE, SUMS, settings_for(noise=False, repeat=True))
DATA = publish(LEARNT, CATALOGUE)


def resealed(data):
    """With a digest that fits, as an attacker would."""
    return data[:-32] + hashlib.sha256(data[:-32]).digest()


def test_what_went_in_comes_out():
    published, model = decode(DATA), quantise(LEARNT.factored)
    assert published.catalogue == CATALOGUE
    assert published.digest == hashlib.sha256(DATA[:-32]).hexdigest()
    assert published.model.own == model.own
    assert np.array_equal(published.model.prior, model.prior)
    for found, part in zip(published.model.parts, model.parts, strict=True):
        assert (found.name, found.half_life) == (part.name, part.half_life)
        for field in ("vectors", "strengths", "context_weights", "item_weights"):
            given_back = getattr(found, field)
            assert np.array_equal(given_back, getattr(part, field))
            assert given_back.flags.writeable  # its own memory, not a view of the bytes
            assert given_back.flags.aligned


def test_the_same_model_gives_the_same_bytes():
    published = decode(DATA)
    assert publish(LEARNT, CATALOGUE) == DATA
    assert encode(published.model, published.catalogue, published.features) == DATA


def test_catalogue_and_features_may_be_left_out():
    model = ServedModel(quantise(LEARNT.factored).parts[:1], LEARNT.factored.prior)
    published = decode(encode(model, None, None))
    assert published.catalogue is published.features is published.model.own is None
    placed = place(published, CATALOGUE)
    assert placed.rows == {}
    assert published.model.with_rows(placed.prior, placed.rows).rows == 2 * ITEMS


def test_an_item_placed_by_its_features_is_scored_like_a_met_item_of_the_same_features():
    published = decode(DATA)
    placed = place(published, CATALOGUE)
    longer = published.model.with_rows(placed.prior, placed.rows)
    place_of = longer.names.index(FEATURE_PART)
    rows = np.arange(ITEMS)
    shares = longer.contributions(rows, np.zeros(ITEMS), np.ones(ITEMS), np.arange(longer.rows))[
        :, :, place_of
    ]
    met, new = shares[:ITEMS], shares[ITEMS:]
    weights = LEARNT.factored.parts[place_of].item_weights
    expected = met / weights[:, None] * np.median(weights)
    assert np.abs(new - expected).max() < 0.02 * np.abs(expected).max()


def test_an_item_of_unknown_labels_still_has_a_place():
    placed = place(decode(DATA), Catalogue(("new",), ("untitled",), (("never seen",),)))
    assert np.isfinite(placed.rows[FEATURE_PART].vectors).all()
    assert placed.rows[FEATURE_PART].vectors.any()


@examples(4)
@given(st.data())
def test_any_changed_byte_is_noticed(data):
    place_of = data.draw(st.integers(0, len(DATA) - 1))
    flip = data.draw(st.integers(1, 255))
    broken = bytearray(DATA)
    broken[place_of] ^= flip
    with pytest.raises(WireError):
        decode(bytes(broken))


@examples(6)
@given(st.data())
def test_bytes_made_by_an_attacker_are_a_wire_error_or_a_sound_model(data):
    """With a digest that fits: runs of bytes are replaced, cut out or put in, most of them in the header."""
    broken = bytearray(DATA[:-32])
    for _ in range(data.draw(st.integers(1, 4))):
        end = data.draw(st.sampled_from([40, 200, 400, len(broken)]))
        start = data.draw(st.integers(0, min(end, len(broken))))
        stop = start + data.draw(st.integers(0, 9))
        broken[start:stop] = data.draw(st.binary(max_size=9))
    try:
        published = decode(resealed(bytes(broken) + bytes(32)))
    except WireError:
        return
    model = published.model
    rows = np.arange(model.rows)
    assert np.isfinite(model.scores(rows, model.queries(rows, rows * 0.0, rows * 0.0 + 1))).all()


@given(st.integers(0, len(DATA) - 1), st.binary(max_size=40))
def test_truncated_and_padded_bytes_are_refused(length, more):
    for broken in (
        DATA[:length],
        resealed(DATA[:length] + bytes(32)),
        resealed(DATA[:-32] + more + bytes(33)),
    ):
        with pytest.raises(WireError):
            decode(broken)


@given(st.binary(max_size=300))
def test_noise_is_refused(noise):
    with pytest.raises(WireError):
        decode(noise)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e10])
def test_numbers_out_of_proportion_are_refused(value):
    prefix = struct.calcsize("<17sHI")
    start = prefix + struct.unpack_from("<I", DATA, prefix - 4)[0]
    broken = bytearray(DATA)
    broken[start : start + 4] = np.float32(value).tobytes()
    with pytest.raises(WireError, match="finite"):
        decode(resealed(bytes(broken)))


def test_a_header_that_promises_more_than_there_is_allocates_nothing():
    header = DATA[: struct.calcsize("<17sHI")]
    for size in (2**32 - 1, 2**20, 0):
        with pytest.raises(WireError):
            decode(resealed(header[:-4] + struct.pack("<I", size) + DATA[len(header) :]))


def test_another_version_is_named():
    other = DATA[:17] + struct.pack("<H", 9) + DATA[19:]
    with pytest.raises(WireError, match="version 9"):
        decode(resealed(other))


def test_what_could_not_be_read_is_not_written():
    model = quantise(LEARNT.factored)
    with pytest.raises(DataError, match="items"):
        encode(model, Catalogue(("a",), ("a",), ((),)), None)
    with pytest.raises(DataError, match="part"):
        encode(model, None, FeatureSpace("other", ("a",), np.zeros((1, 1), np.float32), 1.0, 0.0))
    with pytest.raises(DataError, match="far too large"):
        encode(ServedModel(model.parts, model.prior, OwnHistory(1e12, 1.0)), None, None)
    lone = Catalogue(CATALOGUE.ids, ("\ud800",) * ITEMS, CATALOGUE.labels)
    with pytest.raises(DataError, match="Unicode"):
        encode(model, lone, None)
