"""The pseudorandom function behind tokens: RFC 9497's own vectors, and what no forger may get past."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

from confidante.core.errors import ProtocolError, Reject, WireError
from confidante.crypto import voprf
from confidante.crypto.voprf import ELEMENT_BYTES, RANDOM_BYTES, SecretKey

VECTORS = json.loads(
    (Path(__file__).parents[3] / "vectors" / "voprf-p256-sha256.json").read_text(encoding="utf-8")
)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
FIELD = 2**256 - 2**224 + 2**192 + 2**96 - 1


def drawn(label: str, size: int = 32) -> bytes:
    return hashlib.shake_256(label.encode()).digest(size)


def scalar(label: str) -> bytes:
    return voprf.scalar_of(drawn(label, RANDOM_BYTES))


def octets(texts: Any) -> list[bytes]:
    return [bytes.fromhex(one) for one in texts]


@dataclass(frozen=True)
class Exchange:
    """One batch, honestly made."""

    key: SecretKey
    inputs: list[bytes]
    blinds: list[bytes]
    blinded: list[bytes]
    evaluated: tuple[bytes, ...]
    proof: bytes


def exchange(count: int, label: str = "") -> Exchange:
    key = SecretKey.derive(drawn("key"))
    inputs = [drawn(f"input {label} {i}") for i in range(count)]
    blinds = [scalar(f"blind {label} {i}") for i in range(count)]
    blinded = [voprf.blind(data, one) for data, one in zip(inputs, blinds, strict=True)]
    evaluated, proof = voprf.blind_evaluate(key, blinded, scalar(f"proof {label}"))
    return Exchange(key, inputs, blinds, blinded, evaluated, proof)


THREE = exchange(3)


def finalized(made: Exchange, **changed: Any) -> tuple[bytes, ...]:
    given = {"evaluated": made.evaluated, "proof": made.proof, "public": made.key.public, **changed}
    return voprf.finalize(made.inputs, made.blinds, made.blinded, **given)


def test_the_key_of_the_vectors_follows_from_its_seed() -> None:
    key = SecretKey.derive(bytes.fromhex(VECTORS["seed"]), bytes.fromhex(VECTORS["key_info"]))
    assert key.encode().hex() == VECTORS["secret_key"]
    assert key.public.hex() == VECTORS["public_key"]
    assert SecretKey.decode(key.encode()).public == key.public


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_every_step_gives_the_bytes_of_the_vectors(case: dict[str, Any]) -> None:
    key = SecretKey.decode(bytes.fromhex(VECTORS["secret_key"]))
    inputs, blinds = octets(case["inputs"]), octets(case["blinds"])
    blinded = [voprf.blind(data, one) for data, one in zip(inputs, blinds, strict=True)]
    assert blinded == octets(case["blinded"])
    evaluated, proof = voprf.blind_evaluate(key, blinded, bytes.fromhex(case["proof_scalar"]))
    assert list(evaluated) == octets(case["evaluated"])
    assert proof.hex() == case["proof"]
    outputs = voprf.finalize(inputs, blinds, blinded, evaluated, proof, key.public)
    assert list(outputs) == octets(case["outputs"])
    assert [voprf.evaluate(key, data) for data in inputs] == octets(case["outputs"])


@examples(0.2)
@given(st.binary(max_size=80))
def test_both_sides_get_the_same_output_and_half_the_work_finds_it(data: bytes) -> None:
    made = THREE
    blinded = voprf.blind(data, made.blinds[0])
    evaluated, proof = voprf.blind_evaluate(made.key, [blinded], scalar("any"))
    (output,) = voprf.finalize([data], [made.blinds[0]], [blinded], evaluated, proof, made.key.public)
    assert output == voprf.evaluate(made.key, data)
    assert voprf.evaluate_either(made.key, data).count(output) == 1


def test_the_output_does_not_depend_on_the_blind_and_the_element_does() -> None:
    one, other = (voprf.blind(b"same", scalar(label)) for label in ("one", "other"))
    assert one != other
    outputs = set()
    for label, blinded in (("one", one), ("other", other)):
        evaluated, proof = voprf.blind_evaluate(THREE.key, [blinded], scalar(f"p {label}"))
        outputs |= set(
            voprf.finalize([b"same"], [scalar(label)], [blinded], evaluated, proof, THREE.key.public)
        )
    assert len(outputs) == 1


# --- what is refused


def refused(**changed: Any) -> None:
    with pytest.raises(ProtocolError) as caught:
        finalized(THREE, **changed)
    assert caught.value.reason is Reject.BAD_PROOF


@given(st.integers(0, 8 * len(THREE.proof) - 1))
def test_a_proof_with_any_bit_changed_is_refused(bit: int) -> None:
    proof = int.from_bytes(THREE.proof) ^ (1 << bit)
    refused(proof=proof.to_bytes(len(THREE.proof)))


def test_a_proof_for_another_key_is_refused() -> None:
    other = SecretKey.derive(drawn("another key"))
    refused(public=other.public)
    evaluated, proof = voprf.blind_evaluate(other, THREE.blinded, scalar("x"))
    refused(evaluated=evaluated, proof=proof)


def test_one_evaluation_with_another_key_among_good_ones_is_refused() -> None:
    other, _ = voprf.blind_evaluate(SecretKey.derive(drawn("tag")), THREE.blinded, scalar("x"))
    for place in range(3):
        evaluated = [*THREE.evaluated]
        evaluated[place] = other[place]
        refused(evaluated=evaluated)


def test_swapped_evaluations_are_refused() -> None:
    one, two, three = THREE.evaluated
    for order in ((two, one, three), (one, three, two), (three, two, one), (one, one, three)):
        refused(evaluated=order)


def test_errors_that_cancel_out_in_a_plain_sum_are_refused() -> None:
    """D1 + E and D2 - E have the sum of D1 and D2: the weights of a batch are there for this."""
    points = [voprf._decode(one) for one in THREE.evaluated]
    x, y = voprf._decode(voprf.blind(b"error", scalar("e")))
    moved = (voprf._add(points[0], (x, y)), voprf._add(points[1], (x, FIELD - y)), points[2])
    assert None not in moved
    refused(evaluated=[voprf._encode(point) for point in moved if point is not None])


def test_a_proof_of_zeros_and_one_beyond_the_order_are_refused() -> None:
    refused(proof=bytes(64))
    challenge, answer = (int.from_bytes(part) for part in (THREE.proof[:32], THREE.proof[32:]))
    for more, further in ((ORDER, 0), (0, ORDER)):
        if max(challenge + more, answer + further) < 1 << 256:
            refused(proof=(challenge + more).to_bytes(32) + (answer + further).to_bytes(32))


NO_X = next(x for x in range(1, 99) if pow(x**3 - 3 * x + voprf._B, (FIELD - 1) // 2, FIELD) != 1)


@pytest.mark.parametrize(
    "element",
    [
        b"",
        b"\0",
        b"\0" * ELEMENT_BYTES,
        b"\x02" + NO_X.to_bytes(32),
        b"\x02" + FIELD.to_bytes(32),
        b"\x02" + b"\xff" * 32,
        b"\x04" + THREE.blinded[0][1:],
        b"\x05" + THREE.blinded[0][1:],
        THREE.blinded[0] + b"\0",
        THREE.blinded[0][:-1],
    ],
    ids=["empty", "infinity", "zeros", "off", "field", "large", "form", "tag", "long", "short"],
)
def test_what_is_no_element_is_refused_wherever_it_stands(element: bytes) -> None:
    with pytest.raises(WireError):
        voprf.check_element(element)
    with pytest.raises(WireError):
        voprf.blind_evaluate(THREE.key, [THREE.blinded[1], element], scalar("x"))
    with pytest.raises(WireError):
        finalized(THREE, evaluated=[element, *THREE.evaluated[1:]])
    with pytest.raises(WireError):
        finalized(THREE, public=element)


def test_the_uncompressed_form_is_refused() -> None:
    x, y = voprf._decode(THREE.blinded[0])
    with pytest.raises(WireError):
        voprf.check_element(b"\x04" + x.to_bytes(32) + y.to_bytes(32))


@pytest.mark.parametrize("value", [0, ORDER, ORDER + 1, (1 << 256) - 1])
def test_what_is_no_scalar_is_refused(value: int) -> None:
    with pytest.raises(WireError):
        voprf.blind(b"x", value.to_bytes(32))
    with pytest.raises(WireError):
        SecretKey.decode(value.to_bytes(32))


def test_counts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(WireError):
        voprf.blind_evaluate(THREE.key, [], scalar("x"))
    with pytest.raises(WireError):
        finalized(THREE, evaluated=THREE.evaluated[:2])
    with pytest.raises(WireError):
        finalized(THREE, proof=THREE.proof[:-1])


def test_elements_that_cancel_out_do_not_break_anything() -> None:
    """P and -P may both be asked for: each weighs otherwise."""
    flipped = bytes([THREE.blinded[0][0] ^ 1]) + THREE.blinded[0][1:]
    evaluated, proof = voprf.blind_evaluate(THREE.key, [THREE.blinded[0], flipped], scalar("x"))
    voprf.check_proof(THREE.key.public, [THREE.blinded[0], flipped], evaluated, proof)
    assert evaluated[0][1:] == evaluated[1][1:]
    assert evaluated[0] != evaluated[1]


# --- the arithmetic under it, against plain double-and-add


def plain(times: int, point: voprf._Point) -> voprf._Point | None:
    total: voprf._Point | None = None
    for bit in f"{times:b}":
        total = voprf._add(total, total)
        if bit == "1":
            total = voprf._add(total, point)
    return total


POINT = voprf._decode(THREE.blinded[0])


@examples(0.15)
@given(st.integers(1, ORDER - 1) | st.sampled_from([1, 2, 3, ORDER - 3, ORDER - 2, ORDER - 1]))
def test_multiplication_is_repeated_addition(times: int) -> None:
    assert voprf._times(times, POINT) == plain(times, POINT)


def test_the_edges_of_the_group_are_right() -> None:
    x, y = POINT
    assert voprf._times(1, POINT) == POINT
    assert voprf._times(ORDER - 1, POINT) == (x, FIELD - y)
    assert plain(ORDER, POINT) is None
    assert voprf._add(POINT, (x, FIELD - y)) is None
    base = ec.derive_private_key(1, ec.SECP256R1()).public_key().public_numbers()
    assert voprf._times(7, None) == plain(7, (base.x, base.y))


def test_hashes_to_the_curve_are_those_of_rfc_9380(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9380, J.1.1, has its own tag: its first vectors check the map itself."""
    monkeypatch.setattr(voprf, "_TO_GROUP", b"QUUX-V01-CS02-with-P256_XMD:SHA-256_SSWU_RO_")
    x, y = voprf._hash_to_group(b"")
    assert f"{x:064x}" == "2c15230b26dbc6fc9a37051158c95b79656e17a1a920b11394ca91c44247d3e4"
    assert f"{y:064x}" == "8a7a74985cc5c776cdfe4b1f19884970453912e9d31528c060be9ab5c43e8415"
    x, y = voprf._hash_to_group(b"abc")
    assert f"{x:064x}" == "0bb8b87485551aa43ed54f009230450b492fead5f1cc91658775dac4a3388a0f"
    assert f"{y:064x}" == "5c41b3d0731a27a7b14bc0bf0ccded2d8751f83493404c84a88e71ffd424212e"


def test_hashes_lie_on_the_curve_and_differ() -> None:
    points = [voprf._hash_to_group(drawn(f"h {i}")) for i in range(40)]
    assert all((y * y - (x**3 - 3 * x + voprf._B)) % FIELD == 0 for x, y in points)
    assert len(set(points)) == 40


def test_scalars_use_all_their_random_bytes() -> None:
    made = {voprf.scalar_of(bytes(at) + b"\1" + bytes(RANDOM_BYTES - at - 1)) for at in range(RANDOM_BYTES)}
    assert len(made) == RANDOM_BYTES
    assert int.from_bytes(voprf.scalar_of(bytes(RANDOM_BYTES))) == 1
    with pytest.raises(ValueError, match="48 bytes"):
        voprf.scalar_of(bytes(32))


def test_a_key_shows_nothing_secret() -> None:
    shown = repr(THREE.key)
    assert THREE.key.encode().hex() not in shown
    assert str(int.from_bytes(THREE.key.encode())) not in shown
    one, other = THREE.key.shares(b"salt")
    assert (one + other) % ORDER == int.from_bytes(THREE.key.encode())
    assert THREE.key.shares(b"salt") == (one, other) != THREE.key.shares(b"other salt")
