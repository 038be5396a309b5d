"""A difference gives back the newer body, is small where the two are alike, and cannot be made to do harm."""

import contextlib
import hashlib
import tracemalloc
import zlib

import msgspec
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

from confidante.core.delta import BLOCK, MAGIC, MOST_BYTES, apply, make
from confidante.core.errors import WireError

PLENTY = 1 << 30


def drawn(label: str, size: int) -> bytes:
    return hashlib.shake_256(label.encode()).digest(size)


def back(base: bytes, delta: bytes, target: bytes) -> bytes:
    return apply(base, delta, hashlib.sha256(target).digest(), PLENTY)


def by_hand(size: int, steps: list[tuple[int, int, int]], inserted: bytes) -> bytes:
    packed = b"".join(number.to_bytes(4, "little") for step in steps for number in step)
    return MAGIC + msgspec.msgpack.encode([size, packed, zlib.compress(inserted)])


BODY = drawn("body", 300_000)
pieces = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 2000), st.integers(0, 800)).map(lambda cut: BODY[cut[0] : sum(cut)]),
        st.binary(max_size=100),
        st.integers(0, 300).map(bytes),
    ),
    max_size=8,
).map(b"".join)


@examples(3)
@given(base=pieces, target=pieces)
def test_any_two_bodies(base: bytes, target: bytes) -> None:
    delta = make(base, target)
    assert back(base, delta, target) == target
    assert delta == make(base, target)
    assert len(delta) <= len(target) + 12 * (len(target) // BLOCK) + 80


@pytest.mark.parametrize(
    ("target", "most"),
    [
        (BODY, 80),
        (BODY[:1000] + b"new" + BODY[1000:], 80),
        (BODY[200_000:] + BODY[:200_000], 80),
        (BODY[5:-5], 80),
        (drawn("other", 1000).join((BODY[:9], BODY[9:])), 1100),
        (BODY + BODY, 80),
    ],
    ids=["same", "grown in the middle", "turned round", "cut", "a piece at odd places", "twice"],
)
def test_bodies_that_are_alike_differ_by_little(target: bytes, most: int) -> None:
    delta = make(BODY, target)
    assert back(BODY, delta, target) == target
    assert len(delta) <= most


def test_pieces_across_the_segments_that_are_looked_at_one_by_one() -> None:
    base = drawn("large", 2_200_000)
    target = b"new" + base[:1_048_560] + b"odd" + base[1_048_600:] + base[:3000]
    delta = make(base, target)
    assert back(base, delta, target) == target
    assert len(delta) < 200


def test_bodies_that_have_nothing_in_common() -> None:
    other = drawn("nothing alike", 10_000)
    assert back(BODY, make(BODY, other), other) == other
    assert len(make(BODY, other)) <= len(other) + 60


def test_bodies_too_large_are_refused_before_any_work() -> None:
    with pytest.raises(ValueError, match="too large"):
        make(b"", bytes(MOST_BYTES + 1))


@pytest.mark.parametrize(
    ("delta", "problem"),
    [
        (b"", "begin"),
        (b"something else", "begin"),
        (MAGIC, "malformed"),
        (MAGIC + b"\xc1", "malformed"),
        (MAGIC + msgspec.msgpack.encode([1, b"", b"", b""]), "malformed"),
        (MAGIC + msgspec.msgpack.encode([-1, b"", b""]), "malformed"),
        (by_hand(1 << 31, [(0, 0, 9)], b""), "at most"),
        (by_hand(9, [(0, 0, 9)], b"")[:-3], "malformed"),
        (MAGIC + msgspec.msgpack.encode([9, b"\0" * 13, b""]), "cut off"),
        (by_hand(9, [(0, 8, 9)], b""), "copies bytes that do not exist"),
        (by_hand(9, [(0, (1 << 32) - 1, (1 << 32) - 1)], b""), "copies bytes that do not exist"),
        (by_hand(9, [(0, 0, 8)], b""), "add up"),
        (by_hand(8, [(0, 0, 8)], b"left over"), "more or less"),
        (by_hand(9, [(9, 0, 0)], b"too few"), "more or less"),
        (by_hand(24, [(8, 0, 8), (8, 0, 0)], bytes(8)), "more or less"),
        (by_hand(9, [(9, 0, 0)], bytes(9))[:-4] + bytes(4), "unpacked"),
        (MAGIC + msgspec.msgpack.encode([0, b"", b""]), "more or less"),
        (MAGIC + msgspec.msgpack.encode([0, b"", zlib.compress(b"") + b"x"]), "more or less"),
        (by_hand(8, [(0, 0, 8)], b""), "another body"),
    ],
)
def test_what_no_honest_maker_writes_is_refused(delta: bytes, problem: str) -> None:
    with pytest.raises(WireError, match=problem):
        apply(bytes(16), delta, hashlib.sha256(b"wanted").digest(), 1 << 20)


@examples(3)
@given(flip=st.integers(0, 200), to=st.integers(0, 255))
def test_a_changed_byte_gives_the_right_body_or_a_refusal(flip: int, to: int) -> None:
    target = BODY[:700] + b"between" + BODY[900:1600]
    good = make(BODY[:2000], target)
    at = flip % len(good)
    with contextlib.suppress(WireError):
        assert back(BODY[:2000], good[:at] + bytes([to]) + good[at + 1 :], target) == target


@examples(2)
@given(tail=st.binary(max_size=200))
def test_any_bytes_are_refused(tail: bytes) -> None:
    with pytest.raises(WireError):
        apply(BODY[:100], MAGIC + tail, bytes(32), PLENTY)


def test_the_difference_from_nothing_is_the_body_compressed() -> None:
    text = b"title " * 10_000
    assert back(b"", make(b"", text), text) == text
    assert len(make(b"", text)) < 1000


def test_a_small_difference_that_unpacks_to_much_is_not_unpacked() -> None:
    bomb = by_hand(1000, [(1000, 0, 0)], bytes(50_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(WireError, match="more or less"):
            apply(b"", bomb, bytes(32), 1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_small_difference_that_speaks_of_much_allocates_nothing() -> None:
    many = by_hand(90 * 100_000, [(0, 0, 90)] * 100_000, b"")
    base = bytes(100)
    tracemalloc.start()
    try:
        with pytest.raises(WireError, match="at most"):
            apply(base, many, bytes(32), 1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
