"""Scoring in secret with CKKS (Cheon, Kim, Kim, Song 2017), through TenSEAL: a peer to compare with.

Another way than `scoring_bfv`: the whole query stands in the slots of one ciphertext, and the server turns it
around once for each coordinate (the diagonal method of Halevi and Shoup 2014, TenSEAL's `mm`). Turning takes
Galois keys, made for this one question and sent with it: about 18 MB, more than a question may have
(`protocol.refinement.MOST_QUESTION_BYTES`), so no device can ask a server so and no server offers it. It
stands here so that the contract has a second implementation, and the benchmark something to be compared with.

Parameters: N = 8192 and moduli of 60, 40 and 60 bits, below the 218 bits that the Homomorphic Encryption
Standard (2018, table 1) gives 128 bits of security at that N. CKKS is approximate: products come back within
0.01 and are rounded, so they are exact. Whoever sees decrypted values of CKKS learns of the key (Li and
Micciancio 2021): they never leave who asked, and every question has a key of its own.

On hostile bytes: the parameters in a question are compared with our own, byte by byte, before TenSEAL reads
anything, and the width after it; a ciphertext of another scale spoils its own answer. What is left,
ciphertext and keys, is read by SEAL, which checks them against the parameters; 3,000 spoilt questions and
answers ended in an error or a result, none in a crash (tests/contract/test_schemes.py runs some of them).
TenSEAL makes no promise of it, though.
"""

import struct
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import WireError
from confidante.crypto.he.scheme import LARGEST, Table, checked

_SLOTS = 4096
_DEGREE, _BITS, _SCALE = 8192, (60, 40, 60), 2.0**30
_MAGIC = b"confidante ckks 1"
_SIZE = struct.Struct("<I")
_MOST_BYTES = 64 << 20
_CLOSE = 0.25  # of a whole number: noise is below 0.01, what was not made of the question is anything
_ERRORS = (RuntimeError, ValueError, IndexError, OverflowError, MemoryError, TypeError)


@final
class TensealScheme:
    """CKKS through TenSEAL; see the module. Needs the extra `he-tenseal`."""

    name = "tenseal-ckks-8192 1"

    def ask(self, query: NDArray[np.integer]) -> "TensealAsking":
        """Return a question under keys made for it; WireError for a query that does not fit."""
        return TensealAsking(checked(query, 1))

    def table(self, vectors: NDArray[np.integer]) -> Table:
        """Return a table of the vectors."""
        return TensealTable(checked(vectors, 2))


@final
class TensealAsking:
    """One question. The secret key stays in it."""

    __slots__ = ("_context", "_most", "request")

    def __init__(self, query: NDArray[np.int64]) -> None:
        """Encrypt `query`, int64 [dimensions]."""
        import tenseal

        self._context = _context()
        self._context.generate_galois_keys()
        self._most = len(query) * LARGEST**2
        keys = self._context.serialize(save_secret_key=False, save_relin_keys=False)
        vector = tenseal.ckks_vector(self._context, query.tolist()).serialize()
        self.request = _MAGIC + _SIZE.pack(len(keys)) + keys + vector

    def __repr__(self) -> str:
        """Show nothing of the question."""
        return "<TensealAsking>"

    def read(self, answer: bytes, items: int) -> NDArray[np.int64]:
        """Return the products, int64 [items]; WireError for an answer that cannot be read."""
        if items < 1:
            raise WireError(f"there is no answer for {items} items")
        place = 0
        found: list[NDArray[np.float64]] = []
        for start in range(0, items, _SLOTS):
            (size,) = _SIZE.unpack_from(answer, place) if len(answer) >= place + _SIZE.size else (0,)
            place += _SIZE.size
            part, place = answer[place : place + size], place + size
            count = min(_SLOTS, items - start)
            vector = _vector(self._context, part, count)
            try:
                found.append(np.array(vector.decrypt()))
            except _ERRORS as error:
                raise WireError(f"an answer cannot be read ({error})") from None
        if place != len(answer):
            raise WireError(f"an answer for {items} items ends at {place} bytes, this one has {len(answer)}")
        values: NDArray[np.float64] = np.concatenate(found)
        with np.errstate(invalid="ignore"):
            whole: NDArray[np.float64] = np.rint(values)
            sound = (np.abs(values - whole) < _CLOSE) & (np.abs(whole) <= self._most)
        if len(values) != items or not sound.all():
            raise WireError("an answer does not belong to this question, or is damaged: it cannot be read")
        return whole.astype(np.int64)


@final
class TensealTable:
    """Vectors in the form in which TenSEAL multiplies by them."""

    def __init__(self, vectors: NDArray[np.int64]) -> None:
        """Lay out `vectors`, int64 [items, dimensions]."""
        import tenseal

        self.items, self._dimensions = vectors.shape
        self._blocks = [
            tenseal.plain_tensor(vectors[start : start + _SLOTS].T.astype(np.float64))
            for start in range(0, self.items, _SLOTS)
        ]
        self._head = _parameters()

    def answer(self, request: bytes) -> bytes:
        """Return a ciphertext of products for each block; WireError for anything but a fit request."""
        import tenseal

        start = len(_MAGIC) + _SIZE.size
        if not start <= len(request) <= _MOST_BYTES or not request.startswith(_MAGIC):
            raise WireError("not a question of this scheme")
        (size,) = _SIZE.unpack_from(request, len(_MAGIC))
        keys, vector = request[start : start + size], request[start + size :]
        if len(keys) != size or not keys.startswith(self._head):
            raise WireError("a question of other parameters, or cut off")
        try:
            context = tenseal.context_from(keys)
            _settle(context)
            public = context.is_public() and context.has_galois_keys()
        except _ERRORS as error:
            raise WireError(f"the keys of a question cannot be used ({error})") from None
        if not public:
            raise WireError("a question brings Galois keys and no secret key")
        asked = _vector(context, vector, self._dimensions)
        try:
            parts = [asked.mm(block).serialize() for block in self._blocks]
        except _ERRORS as error:
            raise WireError(f"the ciphertext of a question cannot be used ({error})") from None
        return b"".join(_SIZE.pack(len(part)) + part for part in parts)


def _context() -> Any:
    import tenseal

    made = tenseal.context(
        tenseal.SCHEME_TYPE.CKKS, poly_modulus_degree=_DEGREE, coeff_mod_bit_sizes=list(_BITS)
    )
    made.global_scale = _SCALE
    _settle(made)
    return made


def _settle(context: Any) -> None:
    """One product and no more: nothing is to be rescaled."""
    context.auto_rescale = context.auto_mod_switch = context.auto_relin = False


def _parameters() -> bytes:
    """Return how every context of ours begins: the parameters, and the tag of what comes next."""
    made = _context()
    data = bytes(made.serialize(save_public_key=False, save_secret_key=False, save_galois_keys=False))
    return data[: 2 + data[1]]


def _vector(context: Any, data: bytes, size: int) -> Any:
    """Return the ciphertext in `data`, of so many slots; WireError for anything else."""
    import tenseal

    try:
        found = tenseal.ckks_vector_from(context, data)
        fits = found.size() == size and len(found.ciphertext()) == 1
    except _ERRORS as error:
        raise WireError(f"not a ciphertext of these parameters ({error})") from None
    if not fits:
        raise WireError("a ciphertext holds the wrong number of values")
    return found
