"""A scheme that hides nothing, of the same contract as the real ones: for tests of what stands around it."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import WireError
from confidante.crypto.he.scheme import checked

_MAGIC = b"plain 1, hides nothing\n"


@final
class PlainScheme:
    """Sends the query in the clear. Never use it for a person."""

    name = "plain 1"

    def ask(self, query: NDArray[np.integer]) -> "PlainAsking":
        """Return the query as it is."""
        return PlainAsking(_MAGIC + checked(query, 1).astype(np.int8).tobytes())

    def table(self, vectors: NDArray[np.integer]) -> "PlainTable":
        """Return the vectors as they are."""
        return PlainTable(checked(vectors, 2))


@final
@dataclass(frozen=True, slots=True, repr=False)
class PlainAsking:
    """A question that anybody can read."""

    request: bytes

    def read(self, answer: bytes, items: int) -> NDArray[np.int64]:
        """Return the products, int64 [items]; WireError for another size."""
        if items < 1 or len(answer) != 8 * items:
            raise WireError(f"an answer for {items} items has {8 * items} bytes, not {len(answer)}")
        return np.frombuffer(answer, dtype="<i8").astype(np.int64)


@final
@dataclass(frozen=True, slots=True, eq=False)
class PlainTable:
    """Vectors, int64 [items, dimensions]."""

    vectors: NDArray[np.int64]

    @property
    def items(self) -> int:
        """How many vectors there are."""
        return len(self.vectors)

    def answer(self, request: bytes) -> bytes:
        """Return the products; WireError for a request of another scheme or width."""
        if len(request) != len(_MAGIC) + self.vectors.shape[1] or not request.startswith(_MAGIC):
            raise WireError("not a question of this scheme and width")
        query = np.frombuffer(request, dtype=np.int8, offset=len(_MAGIC)).astype(np.int64)
        return (self.vectors @ query).astype("<i8").tobytes()
