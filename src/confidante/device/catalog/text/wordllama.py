"""Word vectors distilled from a language model (WordLlama, 256-d): the mean over a text's tokens.

Only two files of the package are read, its weights and its tokenizer; its code never runs.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.device.catalog.text.encoder import load_tokenizer, package_folder, readable, unit_rows

_BATCH = 128  # texts whose tokens are held at once
_MOST_HEADER = 1 << 20  # bytes


@final
class WordLlama:
    """The encoder of the `text` extra."""

    name = "wordllama"

    def __init__(self, weights: Path, tokenizer: Path) -> None:
        """Read a .safetensors file with one matrix and a tokenizer.json; DataError when one is damaged."""
        self._vectors = read_matrix(weights)  # float16 [tokens, d], stays in the file
        self._tokenizer = load_tokenizer(tokenizer)
        self.dimensions = int(self._vectors.shape[1])

    @classmethod
    def installed(cls) -> "WordLlama":
        """Return the encoder on the installed package's files. Raises ModuleNotFoundError, DataError."""
        folder = package_folder("wordllama")
        return cls(
            folder / "weights" / "l2_supercat_256.safetensors",
            folder / "tokenizers" / "l2_supercat_tokenizer_config.json",
        )

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 [texts, 256], rows of l2 norm 1; zeros for a text without words."""
        out = np.zeros((len(texts), self.dimensions), np.float32)
        for start in range(0, len(texts), _BATCH):
            batch = [readable(text) for text in texts[start : start + _BATCH]]
            encoded = self._tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            ids = [one.ids if text else [] for one, text in zip(encoded, batch, strict=True)]
            out[start : start + len(batch)] = unit_rows(self._means(ids))
        return out

    def _means(self, ids: list[list[int]]) -> NDArray[np.float32]:
        lengths = np.array([len(row) for row in ids])
        means = np.zeros((len(ids), self.dimensions), np.float32)
        filled = np.flatnonzero(lengths)
        if len(filled):
            flat = np.fromiter((token for row in ids for token in row), np.int64, lengths.sum())
            starts = np.concatenate(([0], np.cumsum(lengths[filled])[:-1]))
            tokens = self._vectors[np.minimum(flat, len(self._vectors) - 1)].astype(np.float32)
            means[filled] = np.add.reduceat(tokens, starts, axis=0) / lengths[filled, None]
        return means


def read_matrix(path: Path) -> NDArray[np.float16]:
    """Return the one float16 matrix of a .safetensors file, mapped and not loaded. Raises DataError.

    Format: little-endian u64 length of a JSON header, the header, the numbers.
    """
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > _MOST_HEADER:
                raise DataError("is not a safetensors file: install the text extra again", path=path)
            header: dict[str, dict[str, Any]] = json.loads(file.read(size))
        (tensor,) = (value for name, value in header.items() if name != "__metadata__")
        rows, columns = tensor["shape"]
        if tensor["dtype"] != "F16":
            raise DataError(
                f"holds {tensor['dtype']} numbers, not F16: install the text extra again", path=path
            )
        start = 8 + size + int(tensor["data_offsets"][0])
        return np.memmap(path, np.float16, "r", start, (int(rows), int(columns)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"is not a safetensors file ({error}): install the text extra again", path=path
        ) from None
