"""Scores that a server works out for a query it cannot read: what every scheme for it has to do.

A device asks with a vector of small integers, encrypted under a key made for this one question. The server
holds a table of item vectors and returns the encrypted product; only the device can read it. Who asks learns,
of each item, its product with the query, and with each scheme what that scheme's docstring says beyond it.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import WireError

MOST_DIMENSIONS = 256
LARGEST = 127
"""Entries of queries and tables are whole numbers from -127 to 127."""


class Asking(Protocol):
    """One question, and the key to its answer. Its repr shows nothing."""

    @property
    def request(self) -> bytes:
        """What is sent: ciphertext only."""

    def read(self, answer: bytes, items: int) -> NDArray[np.int64]:
        """Return the product of the query with each of `items` vectors, int64 [items], exactly.

        WireError when the answer is cut off, foreign, or spoilt beyond what can be read.
        """


class ScoringTable(Protocol):
    """The vectors of a server, laid out for one scheme. May be asked from many threads."""

    @property
    def items(self) -> int:
        """How many vectors there are."""

    def answer(self, request: bytes) -> bytes:
        """Return the encrypted products; WireError for a request that is none of this scheme and width."""


class Scheme(Protocol):
    """A way to score in secret."""

    @property
    def name(self) -> str:
        """Stable, in lower case, with its version."""

    def ask(self, query: NDArray[np.integer]) -> Asking:
        """Return a question under fresh keys. query: [dimensions], each from -127 to 127."""

    def table(self, vectors: NDArray[np.integer]) -> ScoringTable:
        """Return a table to be asked. vectors: [items, dimensions], each from -127 to 127."""


def checked(values: NDArray[np.integer], axes: int) -> NDArray[np.int64]:
    """Return vectors as int64; WireError for a wrong shape, type or range."""
    if values.ndim != axes or not np.issubdtype(values.dtype, np.integer):
        raise WireError(f"give whole numbers along {axes} axes, not {values.dtype} along {values.ndim}")
    if not 1 <= values.shape[-1] <= MOST_DIMENSIONS or values.shape[0] < 1:
        raise WireError(f"vectors have 1 to {MOST_DIMENSIONS} dimensions, not {values.shape}")
    if int(values.min()) < -LARGEST or int(values.max()) > LARGEST:
        raise WireError(f"entries are from -{LARGEST} to {LARGEST}: quantise first")
    return values.astype(np.int64)
