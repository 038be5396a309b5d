"""Oblivious HTTP against the RFC's vectors, and against everything that is not it."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pyhpke import KEMKey, KEMKeyPair

from confidante.core.errors import WireError
from confidante.crypto.binary_http import BinaryRequest, BinaryResponse, varint
from confidante.crypto.oblivious_http import GatewayKey, Sealed, read_config

VECTOR = json.loads((Path(__file__).parents[3] / "vectors/oblivious-http.json").read_text())
GATEWAY = GatewayKey(bytes.fromhex(VECTOR["gateway_secret"]), VECTOR["key_id"])


def known(name: str) -> bytes:
    return bytes.fromhex(VECTOR[name])


def test_a_request_is_sealed_to_the_bytes_of_the_rfc() -> None:
    key = X25519PrivateKey.from_private_bytes(known("ephemeral_secret"))
    pair = KEMKeyPair(*map(KEMKey.from_pyca_cryptography_key, (key, key.public_key())))
    assert Sealed(known("request"), GATEWAY.config, pair).data == known("sealed_request")


def test_the_gateway_opens_the_rfcs_request_and_seals_its_response() -> None:
    request, reply = GATEWAY.open(known("sealed_request"))
    assert request == known("request")
    assert reply.seal_with(known("response"), known("response_nonce")) == known("sealed_response")


def test_the_rfcs_messages_are_what_they_say() -> None:
    made = BinaryRequest(b"GET", b"https", b"example.com", b"/")
    assert BinaryRequest.decode(known("request")) == made
    assert made.encode() == known("request") + bytes(2)  # no fields and no content, written out
    assert BinaryResponse.decode(known("response")) == BinaryResponse(200)


def test_there_and_back_and_nothing_in_common_between_two() -> None:
    first, second = (Sealed(b"the same", GATEWAY.config) for _ in range(2))
    runs = {first.data[at : at + 8] for at in range(7, len(first.data) - 8)}
    assert not any(second.data[at : at + 8] in runs for at in range(7, len(second.data) - 8))
    request, reply = GATEWAY.open(first.data)
    assert request == b"the same"
    answer = reply.seal(b"an answer")
    assert first.open(answer) == b"an answer"
    with pytest.raises(WireError, match="not sealed for this request"):
        second.open(answer)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_changed_byte_passes(place: int, change: int) -> None:
    mine = Sealed(b"words", GATEWAY.config)
    _request, reply = GATEWAY.open(mine.data)
    for data, opened in ((mine.data, GATEWAY.open), (reply.seal(b"answer"), mine.open)):
        spoilt = bytearray(data)
        spoilt[place % len(data)] ^= change
        with pytest.raises(WireError):
            opened(bytes(spoilt))


@pytest.mark.parametrize("cut", [0, 1, 6, 7, 38, 54])
def test_what_is_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(WireError):
        GATEWAY.open(known("sealed_request")[:cut])
    with pytest.raises(WireError):
        Sealed(b"x", GATEWAY.config[: min(cut, 40)])
    with pytest.raises(WireError):
        Sealed(b"x", GATEWAY.config).open(bytes(min(cut, 31)))


def test_a_key_of_another_suite_and_a_point_of_small_order_are_refused() -> None:
    config = bytearray(GATEWAY.config)
    config[2] = 0x10
    with pytest.raises(WireError, match="X25519"):
        read_config(bytes(config))
    with pytest.raises(WireError):
        Sealed(b"x", GATEWAY.config[:3] + bytes(32) + GATEWAY.config[35:])


def test_no_secret_is_shown() -> None:
    assert VECTOR["gateway_secret"][:8] not in repr(GATEWAY)


FIELDS = st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=70)), max_size=5).map(tuple)


@given(st.binary(max_size=80), FIELDS, st.binary(max_size=20_000), st.integers(0, 40_000))
def test_messages_come_back_as_they_were_whatever_the_padding(
    path: bytes, fields: tuple[tuple[bytes, bytes], ...], content: bytes, size: int
) -> None:
    request = BinaryRequest(b"POST", b"https", b"h", path, fields, content)
    assert BinaryRequest.decode(request.encode(size)) == request
    assert len(request.encode(size)) >= size
    response = BinaryResponse(404, fields, content)
    assert BinaryResponse.decode(response.encode(size)) == response


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_wire_error(data: bytes) -> None:
    for shape in (BinaryRequest, BinaryResponse):
        try:
            shape.decode(data)
        except WireError:
            continue


@pytest.mark.parametrize(
    "data",
    [b"\x00", b"\x02\x03GET", b"\x01\x40\x64", b"\x01\x40\xc8\x00\x00\x00\x01", varint(0) + b"\xff" * 9],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        (BinaryRequest if data[0] == 0 else BinaryResponse).decode(data)


@pytest.mark.parametrize(("number", "written"), [(37, "25"), (15293, "7bbd"), (494878333, "9d7f3e7d")])
def test_numbers_are_written_as_in_rfc_9000(number: int, written: str) -> None:
    assert varint(number).hex() == written
