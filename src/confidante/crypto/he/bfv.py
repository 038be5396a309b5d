"""Scoring in secret with BFV (Fan and Vercauteren 2012), through Microsoft SEAL.

One ciphertext for each coordinate of the query, which stands in the constant term; the items of a block stand
in the 2,048 coefficients of one plaintext for each coordinate. So a block's scores are a sum of ciphertexts
times plaintexts: no rotations, no keys for them, and nothing about the query leaves in the clear.

Parameters: N = 2048 and a modulus of 54 bits, the largest that the Homomorphic Encryption Standard (2018,
table 1) gives 128 bits of security at that N, with ternary secrets. The plaintext modulus is a power of two
above twice the largest product, so that products are exact; the largest entries there can be leave 12 bits of
noise budget at 64 coordinates and 9 at 256. Every question has a secret key of its own, made
and used by SEAL from the operating system's randomness; two questions have nothing in common.

What a server sees: ciphertexts, and how many coordinates the query has. What a device sees beyond the
products: the noise in an answer is another known combination of the block's vectors, about as much
again as the products tell. As many questions as the vectors have coordinates give the table away in any
case: whoever wants to keep it must limit questions.

SEAL keeps Python's lock while it works: threads of one process answer one question after the other. A server
that is to answer several at once needs as many processes.
"""

from functools import lru_cache
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import WireError
from confidante.crypto.he.scheme import LARGEST, ScoringTable, checked

_BLOCK = 2048  # N: coefficients of a polynomial
_MODULUS_BITS = 54
_MAGIC = b"confidante bfv 1"
_HEAD = len(_MAGIC) + 2
_WORD = 8
_SEAL = b"\x5e\xa1\x10"  # what each of SEAL's heads begins with; two bytes of its version follow


@final
class BfvScheme:
    """BFV at N = 2048; see the module. Needs the extra `he`."""

    name = "bfv-2048 1"

    def ask(self, query: NDArray[np.integer]) -> "BfvAsking":
        """Return a question under a key made for it; WireError for a query that does not fit."""
        return BfvAsking(checked(query, 1))

    def table(self, vectors: NDArray[np.integer]) -> ScoringTable:
        """Return a table; it holds 8 times 2,048 bytes for each coordinate of each 2,048 items."""
        return BfvTable(checked(vectors, 2))


@final
class BfvAsking:
    """One question. The secret key stays in it."""

    __slots__ = ("_decryptor", "_modulus", "_ring", "request")

    def __init__(self, query: NDArray[np.int64]) -> None:
        """Encrypt `query`, int64 [dimensions]."""
        import seal

        ring = _ring(len(query))
        secret = seal.KeyGenerator(ring.context).secret_key()
        encryptor = seal.Encryptor(ring.context, secret)
        self._decryptor = seal.Decryptor(ring.context, secret)
        self._ring = ring
        parts = [
            encryptor.encrypt_symmetric(seal.Plaintext(format(int(entry) % ring.modulus, "x"))).to_string(
                seal.compr_mode_type.none
            )
            for entry in query
        ]
        self.request = _MAGIC + len(parts).to_bytes(2, "little") + b"".join(parts)

    def __repr__(self) -> str:
        """Show nothing of the question."""
        return "<BfvAsking>"

    def read(self, answer: bytes, items: int) -> NDArray[np.int64]:
        """Return the products, int64 [items]; WireError for an answer that cannot be read."""
        import seal

        ring, blocks = self._ring, -(-items // _BLOCK)
        if items < 1 or len(answer) != blocks * ring.size:
            raise WireError(f"an answer for {items} items has {blocks * ring.size} bytes, not {len(answer)}")
        scores = np.zeros(blocks * _BLOCK, dtype=np.int64)
        for block in range(blocks):
            part = answer[block * ring.size : (block + 1) * ring.size]
            if not any(part):  # a block of nothing but zeros, which the table's owner may tell
                continue
            found = ring.ciphertext(part)
            if self._decryptor.invariant_noise_budget(found) < 1:
                raise WireError(
                    "an answer does not belong to this question, or is damaged: it cannot be read"
                )
            plain = self._decryptor.decrypt(found)
            count = plain.coeff_count()
            raw = plain.to_bytes(seal.compr_mode_type.none)
            values = np.frombuffer(raw, dtype="<u8", offset=len(raw) - _WORD * count).astype(np.int64)
            scores[block * _BLOCK : block * _BLOCK + count] = np.where(
                values > ring.modulus // 2, values - ring.modulus, values
            )
        return scores[:items]


@final
class BfvTable:
    """Vectors in the form in which ciphertexts are multiplied by them."""

    def __init__(self, vectors: NDArray[np.int64]) -> None:
        """Lay out `vectors`, int64 [items, dimensions]."""
        import seal

        self.items, self._dimensions = vectors.shape
        self._ring = ring = _ring(self._dimensions)
        self._evaluator = seal.Evaluator(ring.context)
        self._blocks = [
            [self._column(vectors[start : start + _BLOCK, at]) for at in range(self._dimensions)]
            for start in range(0, self.items, _BLOCK)
        ]

    def answer(self, request: bytes) -> bytes:
        """Return a ciphertext of products for each block; WireError for anything but a fit request.

        A block of nothing but zeros is answered by zeros.
        """
        ring, evaluator, count = self._ring, self._evaluator, self._dimensions
        head = _MAGIC + count.to_bytes(2, "little")
        if len(request) != _HEAD + count * ring.size or request[:_HEAD] != head:
            raise WireError(
                f"a question of {count} coordinates has {_HEAD + count * ring.size} bytes, this one "
                f"{len(request)}, or is of another scheme"
            )
        asked = [
            ring.ciphertext(request[_HEAD + at * ring.size : _HEAD + (at + 1) * ring.size])
            for at in range(count)
        ]
        try:
            for one in asked:
                evaluator.transform_to_ntt_inplace(one)
            return b"".join(self._product(asked, block) for block in self._blocks)
        except RuntimeError as error:  # a sum that nobody's key protects, made by ciphertexts without a mask
            raise WireError(f"the ciphertexts of a question cannot be used ({error})") from None

    def _product(self, asked: list[Any], block: list[Any]) -> bytes:
        import seal

        evaluator, total = self._evaluator, None
        for one, column in zip(asked, block, strict=True):
            if column is None:  # zeros: SEAL refuses to multiply by them
                continue
            term = evaluator.multiply_plain(one, column)
            if total is None:
                total = term
            else:
                evaluator.add_inplace(total, term)
        if total is None:
            return bytes(self._ring.size)
        evaluator.transform_from_ntt_inplace(total)
        return bytes(total.to_string(seal.compr_mode_type.none))

    def _column(self, entries: NDArray[np.int64]) -> Any:
        import seal

        if not entries.any():
            return None
        ring = self._ring
        padded = np.zeros(_BLOCK, dtype="<u8")
        padded[: len(entries)] = entries % ring.modulus
        plain = seal.Plaintext()
        plain.load_bytes(ring.context, ring.plain_head + padded.tobytes())
        self._evaluator.transform_to_ntt_inplace(plain, ring.context.first_parms_id())
        return plain


@final
class _Ring:
    """The parameters for queries of some width. modulus: of plaintexts; size: bytes of a ciphertext."""

    def __init__(self, dimensions: int) -> None:
        import seal

        self.modulus = 1 << (2 * dimensions * LARGEST * LARGEST).bit_length()
        parameters = seal.EncryptionParameters(seal.scheme_type.bfv)
        parameters.set_poly_modulus_degree(_BLOCK)
        parameters.set_coeff_modulus(seal.CoeffModulus.BFVDefault(_BLOCK))
        parameters.set_plain_modulus(self.modulus)
        self.context = seal.SEALContext(parameters)
        bits = [modulus.bit_count() for modulus in parameters.coeff_modulus()]
        if not self.context.parameters_set() or bits != [_MODULUS_BITS]:
            raise WireError(
                "this build of SEAL uses other parameters for 128 bits of security: install seal-python 4.4"
            )
        empty = seal.Plaintext(_BLOCK).to_bytes(seal.compr_mode_type.none)
        self.plain_head = empty[: len(empty) - _WORD * _BLOCK]
        one = seal.Encryptor(self.context, seal.KeyGenerator(self.context).secret_key())
        made = bytes(one.encrypt_symmetric(seal.Plaintext("1")).to_string(seal.compr_mode_type.none))
        self.size = len(made)
        self._head = _without_versions(made[: -2 * _BLOCK * _WORD])

    def ciphertext(self, data: bytes) -> Any:
        """Return the ciphertext in `data`; WireError for anything else.

        All that stands before its coefficients is compared here, so that SEAL is never given anything to
        inflate, or another size to make room for.
        """
        import seal

        if len(data) != self.size or _without_versions(data[: len(self._head)]) != self._head:
            raise WireError("not a ciphertext of these parameters, or a compressed one")
        found = seal.Ciphertext()
        try:
            found.load_bytes(self.context, data)
        except (RuntimeError, ValueError, IndexError, OverflowError, MemoryError) as error:
            raise WireError(f"not a ciphertext of these parameters ({error})") from None
        return found


def _without_versions(head: bytes) -> bytes:
    """Return what stands before a ciphertext's coefficients, without the versions of SEAL that wrote it."""
    found = bytearray(head)
    at = found.find(_SEAL)
    while at >= 0:
        found[at + len(_SEAL) : at + len(_SEAL) + 2] = bytes(2)
        at = found.find(_SEAL, at + 1)
    return bytes(found)


@lru_cache(maxsize=8)
def _ring(dimensions: int) -> _Ring:
    return _Ring(dimensions)
