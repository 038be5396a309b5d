"""Scoring in secret: exact for whoever asked, useless to anybody else, and hostile bytes are refused."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confidante.core.errors import WireError
from confidante.crypto.he.bfv import BfvScheme, _ring
from confidante.crypto.he.scheme import LARGEST, MOST_DIMENSIONS, Scheme
from confidante.testing.plain_scoring import PlainScheme

EACH = pytest.mark.parametrize("scheme", [BfvScheme(), PlainScheme()], ids=lambda scheme: scheme.name)


def drawn(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-LARGEST, LARGEST + 1, shape)


@EACH
@pytest.mark.parametrize(("items", "dimensions"), [(1, 1), (7, 3), (2048, 16), (2049, 5), (5000, 64)])
def test_the_products_are_exact(scheme: Scheme, items: int, dimensions: int) -> None:
    vectors, query = drawn(1, items, dimensions), drawn(2, dimensions)
    asking = scheme.ask(query)
    assert (asking.read(scheme.table(vectors).answer(asking.request), items) == vectors @ query).all()


@EACH
def test_the_largest_products_do_not_wrap(scheme: Scheme) -> None:
    query = np.full(MOST_DIMENSIONS, LARGEST)
    vectors = np.stack([query, -query, np.zeros_like(query)])
    asking = scheme.ask(query)
    most = MOST_DIMENSIONS * LARGEST**2
    assert asking.read(scheme.table(vectors).answer(asking.request), 3).tolist() == [most, -most, 0]


def test_the_largest_entries_leave_room_for_noise() -> None:
    query = np.full(MOST_DIMENSIONS, LARGEST)
    vectors = np.random.default_rng(0).choice([-LARGEST, LARGEST], (2048, MOST_DIMENSIONS))
    asking = BfvScheme().ask(query)
    found = asking._ring.ciphertext(BfvScheme().table(vectors).answer(asking.request))
    assert asking._decryptor.invariant_noise_budget(found) >= 6


@EACH
def test_a_table_of_nothing_but_zeros_answers_zeros(scheme: Scheme) -> None:
    asking = scheme.ask(drawn(1, 4))
    answer = scheme.table(np.zeros((3, 4), dtype=np.int64)).answer(asking.request)
    assert asking.read(answer, 3).tolist() == [0, 0, 0]


def test_two_questions_with_one_query_have_nothing_in_common_and_only_its_asker_reads_an_answer() -> None:
    scheme, query = BfvScheme(), drawn(3, 8)
    table = scheme.table(drawn(4, 100, 8))
    one, other = scheme.ask(query), scheme.ask(query)
    head = 18 + 113
    words = {one.request[at : at + 8] for at in range(head, head + 32_000, 8)}
    assert not words & {other.request[at : at + 8] for at in range(head, head + 32_000, 8)}
    with pytest.raises(WireError, match="cannot be read"):
        other.read(table.answer(one.request), 100)


def test_a_ciphertext_looks_the_same_whatever_is_in_it() -> None:
    """Sizes do not depend on the query, and no coefficient is the query's own."""
    scheme = BfvScheme()
    sizes = {len(scheme.ask(np.full(8, value)).request) for value in (0, 1, -127, 127)}
    assert len(sizes) == 1
    seen = scheme.ask(np.zeros(8, dtype=np.int64)).request
    words = np.frombuffer(seen[18 + 113 : 18 + 113 + 8 * 2048], dtype="<u8")
    assert len(np.unique(words)) == 2048
    assert abs(words.astype(np.float64).mean() / (1 << 53) - 1) < 0.1  # uniform below 2^54: 0.013 is one sd


@EACH
@given(place=st.integers(0, 1 << 20), change=st.integers(1, 255), header=st.booleans())
def test_a_spoilt_question_is_refused_or_answered_and_nothing_else(
    scheme: Scheme, place: int, change: int, header: bool
) -> None:
    asking = scheme.ask(np.array([1, -2, 3]))
    spoilt = bytearray(asking.request)
    spoilt[place % (140 if header else len(spoilt)) % len(spoilt)] ^= change
    table = scheme.table(drawn(5, 20, 3))
    with suppress(WireError):
        table.answer(bytes(spoilt))


@pytest.mark.parametrize("place", [5, 97 + 5])  # of SEAL's two heads, one inside the other
def test_nothing_is_inflated(place: int) -> None:
    scheme, ring = BfvScheme(), _ring(2)
    asked = scheme.ask(np.array([1, -2])).request
    table, head = scheme.table(drawn(1, 5, 2)), len(asked) - 2 * ring.size
    part = asked[head : head + ring.size]
    assert len(table.answer(asked)) == ring.size
    assert part[place] == 0
    spoilt = part[:place] + b"\x02" + part[place + 1 :]
    with pytest.raises(WireError, match="compressed"):
        ring.ciphertext(spoilt)
    with pytest.raises(WireError, match="compressed"):
        table.answer(asked[:head] + spoilt + asked[head + ring.size :])


def test_an_answer_to_another_question_is_refused() -> None:
    scheme = BfvScheme()
    one, other = scheme.ask(drawn(1, 4)), scheme.ask(drawn(1, 4))
    with pytest.raises(WireError, match="cannot be read"):
        other.read(scheme.table(drawn(2, 10, 4)).answer(one.request), 10)


@EACH
def test_questions_and_answers_that_are_cut_off_or_of_another_width_are_refused(scheme: Scheme) -> None:
    asking, table = scheme.ask(drawn(1, 4)), scheme.table(drawn(2, 10, 4))
    answer = table.answer(asking.request)
    for bad in (b"", asking.request[:-1], asking.request + b"\0", scheme.ask(drawn(1, 3)).request):
        with pytest.raises(WireError):
            table.answer(bad)
    for bad, items in ((b"", 10), (answer[:-1], 10), (answer, 5000), (answer, 0)):
        with pytest.raises(WireError):
            asking.read(bad, items)


@EACH
@pytest.mark.parametrize(
    "query",
    [np.array([128]), np.array([0.5]), np.array([[1]]), np.zeros(257, dtype=int), np.array([], dtype=int)],
)
def test_queries_that_do_not_fit_are_refused(scheme: Scheme, query: np.ndarray) -> None:
    with pytest.raises(WireError):
        scheme.ask(query)


def test_no_question_shows_itself() -> None:
    assert "127" not in repr(BfvScheme().ask(np.array([127])))
