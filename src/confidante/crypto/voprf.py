"""A verifiable oblivious pseudorandom function: RFC 9497, mode VOPRF, suite P256-SHA256.

Who holds the key computes F(key, input) for somebody without seeing the input, and proves that it was this
key. Pure: bytes in, bytes out, scalars handed in (`scalar_of` makes them of random bytes). Scalars have 32
bytes, big-endian, from 1 to the group's order less one; elements 33 (SEC 1, compressed); proofs 64.

What is constant time, and what is not. Every multiplication by a secret scalar (the key, a blind, the random
scalar of a proof) is OpenSSL's, which does not branch or look up by the scalar. OpenSSL's ECDH gives the
x-coordinate of kP only; the y-coordinate follows from P, x(kP) and x((k+1)P) by Brier and Joye (PKC 2002,
proposition 3). That arithmetic is on Python's integers, whose time depends on their values, and is fine
where they are public:

- for who holds the key they are: P came with the request, kP goes out, and (k+1)P is their sum. Its one other
  use of the key, s = r - ck in the proof, is done on shares of the key that are made anew for each proof.
- for who asks they are the input and its point, which is shown when the output is used, and the inverse of a
  blind, of which each is used once. Who could time single steps inside this very process might learn of them
  and link an output to its request; over a network, where a whole batch is one request that is sent when all
  of it is done, nothing of the kind is seen. No key can be learnt so: who asks has none.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self, final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from confidante.core.errors import ProtocolError, Reject, WireError

SCALAR_BYTES = 32
ELEMENT_BYTES = 33
PROOF_BYTES = 2 * SCALAR_BYTES
OUTPUT_BYTES = 32
RANDOM_BYTES = 48
"""Random bytes that a scalar is made of: 16 more than it has, so that none is likelier than another."""

MOST_ELEMENTS = 1 << 10
"""Of one proof."""

_CURVE = ec.SECP256R1()
_ECDH = ec.ECDH()
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_A = _P - 3
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_Z = _P - 10  # of the map to the curve (RFC 9380, 8.2)
_WIDE = 48  # bytes that an element of either field is reduced from

_CONTEXT = b"OPRFV1-\x01-P256-SHA256"
_TO_GROUP = b"HashToGroup-" + _CONTEXT
_TO_SCALAR = b"HashToScalar-" + _CONTEXT
_SEED = b"Seed-" + _CONTEXT
_DERIVE = b"DeriveKeyPair" + _CONTEXT
_SHARE = b"confidante voprf share of a key"

_Point = tuple[int, int]


@final
@dataclass(frozen=True, slots=True)
class SecretKey:
    """A key of the function. public: its element, 33 bytes. Its repr shows no more than that."""

    public: bytes
    _scalar: int = field(repr=False, compare=False)
    _times: EllipticCurvePrivateKey = field(repr=False, compare=False)
    _times_next: EllipticCurvePrivateKey = field(repr=False, compare=False)

    @classmethod
    def decode(cls, scalar: bytes) -> Self:
        """Return the key that is this scalar; WireError when it is none, or the last, which is not used."""
        value = _scalar(scalar)
        if value == _N - 1:
            raise WireError("this scalar cannot be a key: derive another one")
        times = ec.derive_private_key(value, _CURVE)
        return cls(_bytes_of(times.public_key()), value, times, ec.derive_private_key(value + 1, _CURVE))

    @classmethod
    def derive(cls, seed: bytes, info: bytes = b"") -> Self:
        """Return the key that 32 secret bytes and a public text decide (RFC 9497, 3.2.1)."""
        if len(seed) != SCALAR_BYTES:
            raise ValueError(f"a key's seed has {SCALAR_BYTES} bytes, not {len(seed)}")
        for counter in range(256):
            value = _hash_to_field(seed + _sized(info) + bytes([counter]), _DERIVE, 1, _N)[0]
            if value not in (0, _N - 1):
                return cls.decode(value.to_bytes(SCALAR_BYTES))
        raise WireError("no key can be derived from this seed: draw another one")

    def encode(self) -> bytes:
        """Return the secret scalar."""
        return self._scalar.to_bytes(SCALAR_BYTES)

    def times(self, point: _Point) -> _Point:
        """Return this key times a public point."""
        public = _public(point)
        return _with_y(point, self._x(self._times, public), self._x(self._times_next, public))

    def x_times(self, point: _Point) -> bytes:
        """Return the x-coordinate of this key times a point: half the work."""
        return self._times.exchange(_ECDH, _public(point))

    def shares(self, salt: bytes) -> tuple[int, int]:
        """Return two numbers that add up to the key; each by itself is random to who does not know `salt`."""
        one = int.from_bytes(hashlib.sha512(_SHARE + salt + self.encode()).digest()) % _N
        return one, (self._scalar - one) % _N

    @staticmethod
    def _x(times: EllipticCurvePrivateKey, public: EllipticCurvePublicKey) -> int:
        return int.from_bytes(times.exchange(_ECDH, public))


def scalar_of(randomness: bytes) -> bytes:
    """Return a scalar of `RANDOM_BYTES` random bytes."""
    if len(randomness) != RANDOM_BYTES:
        raise ValueError(f"a scalar is made of {RANDOM_BYTES} bytes, not {len(randomness)}")
    return (1 + int.from_bytes(randomness) % (_N - 1)).to_bytes(SCALAR_BYTES)


def blind(data: bytes, scalar: bytes) -> bytes:
    """Return the element that hides an input. scalar: secret, fresh for each element.

    WireError for the input, one of 2^256, that hashes to no element.
    """
    return _encode(_times(_scalar(scalar), _hash_to_group(data)))


def blind_evaluate(
    key: SecretKey, blinded: Sequence[bytes], scalar: bytes
) -> tuple[tuple[bytes, ...], bytes]:
    """Return the key times each element, and one proof that it was this key. scalar: fresh for each proof.

    WireError when there are none or too many, or one is no element.
    """
    _check_count(len(blinded))
    asked = [_decode(one) for one in blinded]
    evaluated = tuple(_encode(key.times(one)) for one in asked)
    weights = _weights(key.public, blinded, evaluated)
    sum_asked = _sum(weights, asked)
    sum_evaluated = key.times(sum_asked)
    r = _scalar(scalar)
    challenge = _challenge(key.public, sum_asked, sum_evaluated, _times(r, None), _times(r, sum_asked))
    one, other = key.shares(scalar)
    answer = (r - challenge * one - challenge * other) % _N
    return evaluated, challenge.to_bytes(SCALAR_BYTES) + answer.to_bytes(SCALAR_BYTES)


def check_proof(public: bytes, blinded: Sequence[bytes], evaluated: Sequence[bytes], proof: bytes) -> None:
    """Refuse evaluations that were not all made with the key of `public`: ProtocolError BAD_PROOF.

    WireError when something is no element, or there are not as many of each.
    """
    _check_count(len(blinded))
    if len(evaluated) != len(blinded) or len(proof) != PROOF_BYTES:
        raise WireError(
            f"{len(evaluated)} evaluations of {len(blinded)} elements with a proof of {len(proof)} bytes: "
            f"give one for each element, and a proof of {PROOF_BYTES} bytes"
        )
    asked, made = [_decode(one) for one in blinded], [_decode(one) for one in evaluated]
    challenge, answer = (int.from_bytes(part) for part in (proof[:SCALAR_BYTES], proof[SCALAR_BYTES:]))
    weights = _weights(public, blinded, evaluated)
    sum_asked, sum_made = _sum(weights, asked), _sum(weights, made)
    if not (challenge < _N and answer < _N) or challenge != _challenge(
        public,
        sum_asked,
        sum_made,
        _combine(answer, None, challenge, _decode(public)),
        _combine(answer, sum_asked, challenge, sum_made),
    ):
        raise ProtocolError(Reject.BAD_PROOF, "the tokens were not made with the key that was announced")


def finalize(
    inputs: Sequence[bytes],
    blinds: Sequence[bytes],
    blinded: Sequence[bytes],
    evaluated: Sequence[bytes],
    proof: bytes,
    public: bytes,
) -> tuple[bytes, ...]:
    """Check the proof and return the outputs, 32 bytes for each input.

    Raises as `check_proof`.
    """
    check_proof(public, blinded, evaluated, proof)
    return tuple(
        _output(data, _encode(_times(pow(_scalar(scalar), -1, _N), _decode(element))))
        for data, scalar, element in zip(inputs, blinds, evaluated, strict=True)
    )


def evaluate(key: SecretKey, data: bytes) -> bytes:
    """Return the output for an input, 32 bytes: what `finalize` gives for it."""
    return _output(data, _encode(key.times(_hash_to_group(data))))


def evaluate_either(key: SecretKey, data: bytes) -> tuple[bytes, bytes]:
    """Return two texts of which one is the output for an input, for half of the work.

    The other belongs to the opposite point, which nobody knows who does not know the first.
    """
    x = key.x_times(_hash_to_group(data))
    return _output(data, b"\x02" + x), _output(data, b"\x03" + x)


def check_element(element: bytes) -> None:
    """Refuse what is no element: WireError."""
    _decode(element)


# --- hashing (RFC 9380, RFC 9497 section 4.3)


def _hash_to_field(data: bytes, tag: bytes, count: int, modulus: int) -> list[int]:
    """Return `count` numbers below `modulus` (expand_message_xmd with SHA-256)."""
    size = count * _WIDE
    tag += bytes([len(tag)])
    start = hashlib.sha256(bytes(64) + data + size.to_bytes(2) + b"\0" + tag).digest()
    block, wide = bytes(32), b""
    for number in range(1, -(-size // 32) + 1):
        mixed = (int.from_bytes(start) ^ int.from_bytes(block)).to_bytes(32)
        block = hashlib.sha256(mixed + bytes([number]) + tag).digest()
        wide += block
    return [int.from_bytes(wide[at : at + _WIDE]) % modulus for at in range(0, size, _WIDE)]


def _hash_to_scalar(data: bytes) -> int:
    return _hash_to_field(data, _TO_SCALAR, 1, _N)[0]


def _hash_to_group(data: bytes) -> _Point:
    """Return the point of an input (P256_XMD:SHA-256_SSWU_RO_)."""
    fields = [(u, _Z * u * u % _P) for u in _hash_to_field(data, _TO_GROUP, 2, _P)]
    under = [_A * (-(zu2 * zu2 + zu2) % _P or _Z) % _P for _, zu2 in fields]
    over = pow(under[0] * under[1], -1, _P)  # one inversion for both
    first, second = (
        _map(u, zu2, over * other % _P) for (u, zu2), other in zip(fields, reversed(under), strict=True)
    )
    found = _add(first, second)
    if found is None:
        raise WireError("this input does not hash to an element: use another one")
    return found


def _map(u: int, zu2: int, over: int) -> _Point:
    """Return the point that `u` maps to (RFC 9380, 6.6.2): of two candidates for x, the first on the curve.

    zu2: Z times u squared; over: one over the denominator of the first candidate. OpenSSL takes the root, as
    it reads a compressed point, in a quarter of the time of Python's integers.
    """
    x = _B * (zu2 * zu2 + zu2 + 1) % _P * over % _P
    sign = bytes([2 + (u & 1)])
    try:
        return _read(sign + x.to_bytes(SCALAR_BYTES))
    except ValueError:
        return _read(sign + (zu2 * x % _P).to_bytes(SCALAR_BYTES))


# --- the group


def _times(scalar: int, point: _Point | None) -> _Point:
    """Return a secret scalar from 1 to N - 1 times a point (None: the base point)."""
    if point is None:
        numbers = ec.derive_private_key(scalar, _CURVE).public_key().public_numbers()
        return numbers.x, numbers.y
    if scalar == _N - 1:  # the next would be infinity
        return point[0], _P - point[1]
    public = _public(point)
    x, x_next = (
        int.from_bytes(ec.derive_private_key(one, _CURVE).exchange(_ECDH, public))
        for one in (scalar, scalar + 1)
    )
    return _with_y(point, x, x_next)


def _with_y(point: _Point, x: int, x_next: int) -> _Point:
    """Return kP of P, x(kP) and x((k+1)P) (Brier and Joye); no y is 0, since the order is odd."""
    px, py = point
    gap = px - x
    top = 2 * _B + (_A + px * x) * (px + x) - x_next * gap * gap
    return x, top * pow(2 * py, -1, _P) % _P


def _add(one: _Point | None, other: _Point | None) -> _Point | None:
    """Return the sum of two public points; None is infinity."""
    if one is None or other is None:
        return other if one is None else one
    (x0, y0), (x1, y1) = one, other
    if x0 == x1:
        if (y0 + y1) % _P == 0:
            return None
        slope = (3 * x0 * x0 + _A) * pow(2 * y0, -1, _P) % _P
    else:
        slope = (y1 - y0) * pow(x1 - x0, -1, _P) % _P
    x = (slope * slope - x0 - x1) % _P
    return x, (slope * (x0 - x) - y0) % _P


def _combine(a: int, one: _Point | None, b: int, other: _Point) -> _Point | None:
    """Return a times a public point (None: the base point) plus b times another."""
    return _add(_times(a, one) if a else None, _times(b, other) if b else None)


def _sum(weights: Sequence[int], points: Sequence[_Point]) -> _Point:
    total: _Point | None = None
    for weight, point in zip(weights, points, strict=True):
        if weight:
            total = _add(total, _times(weight, point))
    if total is None:
        raise WireError("these elements cancel out: send others")
    return total


def _weights(public: bytes, blinded: Sequence[bytes], evaluated: Sequence[bytes]) -> list[int]:
    """Return what each pair counts in a proof of them all (ComputeComposites)."""
    seed = hashlib.sha256(_sized(public) + _sized(_SEED)).digest()
    return [
        _hash_to_scalar(_sized(seed) + index.to_bytes(2) + _sized(asked) + _sized(made) + b"Composite")
        for index, (asked, made) in enumerate(zip(blinded, evaluated, strict=True))
    ]


def _challenge(public: bytes, *points: _Point | None) -> int:
    """Return the challenge over the key and four points; infinity has no encoding, so it fits none."""
    parts = [public, *(b"" if point is None else _encode(point) for point in points)]
    return _hash_to_scalar(b"".join(map(_sized, parts)) + b"Challenge")


def _output(data: bytes, element: bytes) -> bytes:
    return hashlib.sha256(_sized(data) + _sized(element) + b"Finalize").digest()


# --- bytes


def _scalar(data: bytes) -> int:
    value = int.from_bytes(data)
    if len(data) != SCALAR_BYTES or not 0 < value < _N:
        raise WireError(f"not a scalar of the group: give {SCALAR_BYTES} bytes, above 0 and below its order")
    return value


def _decode(data: bytes) -> _Point:
    if len(data) != ELEMENT_BYTES:
        raise WireError(f"an element has {ELEMENT_BYTES} bytes, not {len(data)}")
    try:
        return _read(data)
    except ValueError:
        raise WireError("not an element of the group: these bytes are not a point of the curve") from None


def _read(data: bytes) -> _Point:
    """Return the point in 33 bytes; ValueError when the curve has none like it."""
    numbers = EllipticCurvePublicKey.from_encoded_point(_CURVE, data).public_numbers()
    return numbers.x, numbers.y


def _encode(point: _Point) -> bytes:
    return bytes([2 + (point[1] & 1)]) + point[0].to_bytes(SCALAR_BYTES)


def _public(point: _Point) -> EllipticCurvePublicKey:
    x, y = point
    return EllipticCurvePublicKey.from_encoded_point(
        _CURVE, b"\x04" + x.to_bytes(SCALAR_BYTES) + y.to_bytes(SCALAR_BYTES)
    )


def _bytes_of(public: EllipticCurvePublicKey) -> bytes:
    numbers = public.public_numbers()
    return _encode((numbers.x, numbers.y))


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2) + data


def _check_count(count: int) -> None:
    if not 1 <= count <= MOST_ELEMENTS:
        raise WireError(f"{count} elements: give 1 to {MOST_ELEMENTS}")
