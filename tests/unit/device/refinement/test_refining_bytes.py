"""Whatever bytes a gateway seals: a device reads them as an answer, or refuses them by type."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("seal")
pytest.importorskip("pyhpke")

from outward_world import Home, home
from refine_world import fresh_of, plain_is_known, sides

from confidante.core.errors import WireError
from confidante.crypto.binary_http import BinaryRequest, BinaryResponse
from confidante.crypto.oblivious_http import GatewayKey
from confidante.device.privacy.egress import Response
from confidante.device.privacy.http_request import HttpRequest
from confidante.device.refinement.client import NotRefinedError, ScoringClient, Trip
from confidante.device.refinement.download_policy import Policy
from confidante.device.refinement.vault_state import Prepared, Setup
from confidante.device.values import NotRefined, Purpose
from confidante.testing.plain_scoring import PlainScheme
from confidante.wire.refinement import Question, RefinementOffer, Scored
from confidante.wire.rounds import decode, encode

KEY = GatewayKey(bytes(range(1, 33)), 3)
SIDE, TABLE = sides()
ROUNDED = SIDE.rounded(np.arange(SIDE.dimensions, dtype=np.float64))


class Way:
    """Stands where the egress does, with a gateway at its end that seals what a test wants."""

    def __init__(self, says: Callable[[Question], bytes]) -> None:
        self.says = says

    def deliver(self, _number: int, request: HttpRequest) -> Response:
        inside, reply = KEY.open(request.data.partition(b"\r\n\r\n")[2])
        question = decode(BinaryRequest.decode(inside).content, Question)
        return Response(200, reply.seal(self.says(question)))


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    plain_is_known()
    with home(Path(tmp_path_factory.mktemp("bytes")) / "vault", Purpose.REFINE) as made:
        yield made


def ask(at: Home, says: Callable[[Question], bytes]) -> Any:
    about = fresh_of(SIDE).about
    offered = RefinementOffer("films", about, SIDE.table, True, ("plain 1",), KEY.config)
    setup = Setup("https://sums.example", "films", "https://relay.example", False, 2.0, Policy.ASK, 0.0)
    prepared = Prepared(0.0, offered, 7.0, SIDE.items, SIDE.dimensions, 0, 0, False)
    trip = Trip(cast(Any, Way(says)))
    return ScoringClient(at.vault, at.ledger, setup, prepared).ask(SIDE, ROUNDED, trip)


def honest(question: Question) -> bytes:
    products = PlainScheme().table(TABLE.vectors).answer(question.ciphertext)
    return BinaryResponse(200, (), encode(Scored(fresh_of(SIDE), products))).encode()


def test_an_honest_answer_is_read(at: Home) -> None:
    heard = ask(at, honest)
    expected = SIDE.points(TABLE.scores(ROUNDED), ROUNDED.scale)
    assert np.array_equal(heard.points, expected)
    assert heard.there.all()


@given(sealed=st.binary(max_size=400))
def test_any_bytes_are_refused_by_type(at: Home, sealed: bytes) -> None:
    with pytest.raises((WireError, NotRefinedError)):
        ask(at, lambda _question: sealed)


@given(data=st.data())
def test_an_answer_of_which_a_byte_is_another_is_read_or_refused_by_type(at: Home, data: Any) -> None:
    def spoilt(question: Question) -> bytes:
        good = bytearray(honest(question))
        place = data.draw(st.integers(0, len(good) - 1))
        good[place] = data.draw(st.integers(0, 255))
        return bytes(good[: data.draw(st.integers(len(good) - 3, len(good)))])

    try:
        heard = ask(at, spoilt)
    except (WireError, NotRefinedError):
        return
    assert np.isfinite(heard.points).all()
    assert len(heard.points) == SIDE.items


@given(
    status=st.integers(200, 599),
    reason=st.text(max_size=80),
    detail=st.text(max_size=900),
)
def test_a_refusal_says_no_more_than_a_sentence(at: Home, status: int, reason: str, detail: str) -> None:
    said = BinaryResponse(status, (), msgspec.msgpack.encode({"reason": reason, "detail": detail})).encode()
    with pytest.raises((WireError, NotRefinedError)) as refused:
        ask(at, lambda _question: said)
    if isinstance(refused.value, NotRefinedError):
        assert refused.value.reason in (NotRefined.REFUSED, NotRefined.STALE)
        assert len(str(refused.value)) <= 300
