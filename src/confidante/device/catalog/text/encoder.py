"""What turns texts into vectors, and what such encoders share. None of them ever uses the network."""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class TextEncoder(Protocol):
    """Turns texts into vectors: the same text always gets the same one."""

    @property
    def name(self) -> str:
        """Which encoder it is: vectors of different encoders cannot be compared."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 [texts, dimensions], rows of l2 norm 1; zeros for a text without words."""


def unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows of l2 norm 1; a row of zeros stays one."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
    return unit


@lru_cache(maxsize=1)
def load_tokenizer(path: Path) -> "Tokenizer":
    """Return the tokenizer of a tokenizer.json, without padding and truncation. Raises DataError.

    Devices of one process share it: it takes longer to read than the titles of a small library.
    """
    from tokenizers import Tokenizer

    try:
        text = path.read_text("utf-8")
        known = isinstance(json.loads(text)["model"]["vocab"], dict)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"is not a tokenizer ({error}): name a tokenizer.json", path=path) from None
    if not known:
        raise DataError("is a tokenizer of another kind: name the tokenizer.json of the model", path=path)
    tokenizer: Tokenizer = Tokenizer.from_str(text)
    shrink = getattr(tokenizer.model, "_resize_cache", None)
    if shrink is not None:
        shrink(0)  # it keeps whole texts, which do not come again: 90 MB and a third of the speed
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def readable(text: str, longest: int = 4096) -> str:
    """Return a text as a tokenizer takes it: trimmed, cut (a book would hold all up), no half characters."""
    return text[:longest].encode("utf-8", "replace").decode().strip()


def package_folder(package: str) -> Path:
    """Return the folder of an installed package without importing it. Raises ModuleNotFoundError."""
    from importlib.util import find_spec

    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    return Path(spec.origin).parent
