"""Bytes made to upset the library that scores: each is an answer or a refusal, and the process goes on."""

import struct
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confidante.coordinator.refinement.scorer import ScoringPool, Vectors
from confidante.core.errors import WireError
from confidante.crypto.he.bfv import BfvScheme

BFV = "confidante.crypto.he.bfv:BfvScheme"
COLUMNS, ITEMS = 3, 50
ROWS = np.random.default_rng(2).integers(-127, 128, (ITEMS, COLUMNS)).astype(np.int8)
QUERY = np.array([5, -7, 127])
ASKING = BfvScheme().ask(QUERY)
SIZE = (len(ASKING.request) - len(b"confidante bfv 1") - 2) // COLUMNS
FIRST = len(b"confidante bfv 1") + 2


@pytest.fixture(scope="module")
def scorer() -> Iterator[ScoringPool]:
    made = ScoringPool()
    made.hold({"table": Vectors(BFV, ROWS)})
    yield made
    made.close()


def lives(scorer: ScoringPool, pids: list[int]) -> None:
    assert (ASKING.read(scorer.answer("table", ASKING.request), ITEMS) == ROWS.astype(int) @ QUERY).all()
    assert scorer.pids == pids


@given(data=st.data())
def test_a_changed_question_is_answered_wrongly_or_refused(scorer: ScoringPool, data: st.DataObject) -> None:
    pids, made = scorer.pids, bytearray(ASKING.request)
    for _ in range(data.draw(st.integers(1, 4))):
        near_a_head = data.draw(st.booleans())
        place = (
            FIRST + SIZE * data.draw(st.integers(0, COLUMNS - 1)) + data.draw(st.integers(0, 120))
            if near_a_head
            else data.draw(st.integers(0, len(made) - 1))
        )
        made[place] = data.draw(st.integers(0, 255))
    try:
        answer = scorer.answer("table", bytes(made))
    except WireError:
        answer = b""
    assert answer == b"" or len(answer) == SIZE
    assert scorer.pids == pids


@pytest.mark.parametrize("mode", [1, 2])
@pytest.mark.parametrize("size", [16, 1 << 20, (1 << 63) - 1, SIZE])
def test_a_ciphertext_that_says_it_is_compressed_or_huge_is_refused(
    scorer: ScoringPool, mode: int, size: int
) -> None:
    # SEAL's head: magic, bytes of the head, two of its version, how it is compressed, two spare, its size.
    pids, made = scorer.pids, bytearray(ASKING.request)
    head = bytearray(made[FIRST : FIRST + 16])
    head[5], head[8:16] = mode, struct.pack("<Q", size)
    made[FIRST : FIRST + 16] = head
    with pytest.raises(WireError):
        scorer.answer("table", bytes(made))
    lives(scorer, pids)


def test_what_is_cut_off_foreign_or_of_another_width_is_refused(scorer: ScoringPool) -> None:
    pids, good = scorer.pids, ASKING.request
    other = BfvScheme().ask(np.array([1, 2, 3, 4])).request
    for bad in (b"", good[:-1], good + b"\0", good[: len(good) // 2], other, bytes(len(good))):
        with pytest.raises(WireError):
            scorer.answer("table", bad)
    lives(scorer, pids)


def test_a_ciphertext_without_a_mask_upsets_nothing(scorer: ScoringPool) -> None:
    """All zeros, which SEAL calls transparent."""
    pids, made = scorer.pids, bytearray(ASKING.request)
    for column in range(COLUMNS):
        start = FIRST + SIZE * column
        made[start + SIZE - 2 * 2048 * 8 : start + SIZE] = bytes(2 * 2048 * 8)
    with suppress(WireError):
        scorer.answer("table", bytes(made))
    lives(scorer, pids)
