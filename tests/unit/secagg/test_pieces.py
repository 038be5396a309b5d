"""Packing, sharing, masking: what each piece promises by itself."""

import itertools
from math import prod

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from confidante.core.errors import PlanError, ProtocolError, WireError
from confidante.crypto import identity, shamir
from confidante.crypto.masks import Masker, expand_mask, pair_mask_key, self_mask_key
from confidante.secagg.packing import centred, pack, pack_flags, packed_size, unpack, unpack_flags


@st.composite
def packings(draw: st.DrawFn) -> tuple[list[int], int]:
    bits = draw(st.integers(8, 32))
    return draw(st.lists(st.integers(0, 2**bits - 1), max_size=100)), bits


@given(packings())
def test_packing_is_the_documented_bit_stream_and_comes_back(case: tuple[list[int], int]) -> None:
    values, bits = case
    packed = pack(np.array(values, dtype=np.uint32), bits)
    stream = sum(value << (bits * i) for i, value in enumerate(values))
    assert packed == stream.to_bytes(packed_size(len(values), bits), "little")
    assert unpack(packed, len(values), bits).tolist() == values


@given(st.binary(max_size=40), st.integers(0, 20), st.integers(8, 32))
def test_unpacking_accepts_only_what_packing_makes(data: bytes, length: int, bits: int) -> None:
    try:
        values = unpack(data, length, bits)
    except WireError:
        return
    assert pack(values, bits) == data


def test_packing_refuses_what_does_not_fit() -> None:
    with pytest.raises(PlanError, match="cannot pack 256 in 8 bits"):
        pack(np.array([256], dtype=np.uint32), 8)
    for bits in (7, 33):
        with pytest.raises(PlanError, match="8 to 32"):
            pack(np.zeros(1, dtype=np.uint32), bits)


@given(st.lists(st.booleans(), max_size=40))
def test_flags_come_back(flags: list[bool]) -> None:
    assert unpack_flags(pack_flags(np.array(flags, dtype=np.bool_)), len(flags)).tolist() == flags


def test_centred_residues_cover_the_signed_range() -> None:
    assert centred(np.array([0, 127, 128, 255, 256], dtype=np.uint32), 8).tolist() == [0, 127, -128, -1, 0]
    assert centred(np.array([2**31, 2**32 - 1], dtype=np.uint32), 32).tolist() == [-(2**31), -1]


SECRETS = st.binary(min_size=32, max_size=32).map(lambda raw: raw[:31] + bytes([raw[31] & 127]))


@given(SECRETS, st.integers(2, 6), st.integers(0, 4), st.randoms(use_true_random=False))
def test_any_threshold_of_shares_gives_the_secret(secret: bytes, t: int, extra: int, random: object) -> None:
    shares = shamir.split(secret, t, t + extra, b"s" * 32, b"label")
    points = random.sample(range(1, t + extra + 1), t)  # type: ignore[attr-defined]
    assert shamir.combine(points, [shares[x - 1] for x in points]) == secret


def test_lagrange_coefficients_are_the_textbook_ones() -> None:
    random = np.random.default_rng(1)
    for size in (1, 2, 7, 62, 63, 200):
        points = tuple(sorted(random.choice(np.arange(1, 4 * size + 1), size, replace=False).tolist()))
        for x, coefficient in zip(points, shamir.lagrange_at_zero(points), strict=True):
            others = [y for y in points if y != x]
            below = prod([y - x for y in others])
            assert coefficient * below % shamir.PRIME == prod(others) % shamir.PRIME
    assert shamir.lagrange_at_zero((3, 65_535))[1] * (3 - 65_535) % shamir.PRIME == 3


def test_fewer_shares_than_the_threshold_fit_every_secret() -> None:
    # Two of three shares with t = 3: for any other secret there is a third share that would give it.
    shares = shamir.split(bytes(32), 3, 3, b"s" * 32, b"label")
    other = 12345
    at_zero = shamir.lagrange_at_zero((1, 2, 3))
    known = at_zero[0] * shares[0] + at_zero[1] * shares[1]
    third = (other - known) * pow(at_zero[2], -1, shamir.PRIME) % shamir.PRIME
    assert shamir.combine((1, 2, 3), (shares[0], shares[1], third)) == other.to_bytes(32, "little")
    assert third != shares[2]


def test_wrong_shares_are_got_round_when_enough_are_right() -> None:
    secret = b"\x07" * 32
    shares = dict(enumerate(shamir.split(secret, 3, 5, b"s" * 32, b"label"), start=1))
    for wrong in shares:
        found = {shamir.combine(*run) for run in shamir.candidates(shares | {wrong: 1}, 3)}
        assert secret in found


def test_the_prime_is_prime() -> None:
    # Miller-Rabin with 40 bases: wrong for a composite with probability below 4^-40.
    odd, twos = shamir.PRIME - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in range(2, 42):
        powers = [pow(base, odd << i, shamir.PRIME) for i in range(twos)]
        assert powers[0] == 1 or shamir.PRIME - 1 in powers


@pytest.mark.parametrize("length", [1, 5, 65_536, 65_537, 140_000])
def test_a_mask_is_one_ctr_keystream_from_block_two(length: int) -> None:
    key = bytes(range(16))
    stream = (
        Cipher(algorithms.AES128(key), modes.CTR(bytes(15) + b"\2")).encryptor().update(bytes(4 * length))
    )
    mask = expand_mask(key, length)
    assert mask.tobytes() == stream
    Masker().subtract(mask, key)
    assert not mask.any()


def test_degenerate_keys_are_exactly_those_no_agreement_accepts() -> None:
    private, order = X25519PrivateKey.from_private_bytes(b"\x42" * 32), 2**255 - 19
    small = identity.SMALL_ORDER | {order, order + 1}
    for u in small | {2, 9, order - 2, order + 2}:
        for public in (u.to_bytes(32, "little"), (u | 1 << 255).to_bytes(32, "little")):
            assert identity.degenerate(public) is (u in small)
            if u in small:
                with pytest.raises(ProtocolError):
                    identity.agree(private, public)
            else:
                identity.agree(private, public)


def test_keys_differ_by_round_owner_and_purpose() -> None:
    keys = {
        make(digest, b"s" * 32, *who)
        for digest in (b"a" * 32, b"b" * 32)
        for make, who in (
            (pair_mask_key, (1, 2)),
            (pair_mask_key, (1, 3)),
            (self_mask_key, (1,)),
            (self_mask_key, (2,)),
        )
    }
    assert len(keys) == 8


def test_every_bit_width_survives_the_whole_range() -> None:
    for bits, length in itertools.product(range(8, 33), (0, 1, 31, 32, 33)):
        top = np.full(length, 2**bits - 1, dtype=np.uint32)
        assert (unpack(pack(top, bits), length, bits) == top).all()
