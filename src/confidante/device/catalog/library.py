"""What can be recommended on this device, laid out for scoring: one row an item.

Everything here is derived from the catalogue and the model, is the same for every person, and can be rebuilt
at any time (`library_build.py`).
"""

import io
import zipfile
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError, VaultError
from confidante.models.factors import OwnHistory
from confidante.models.served import ServedModel, ServedPart

_FORM = 4


@final
@dataclass(frozen=True, slots=True, eq=False)
class TextSpace:
    """How titles became vectors, so that new items can be put beside the others.

    encoder: its name; mean: float32 [d], of the words; axes: float32 [d, k], that words are shortened to;
    kinds: the labels that count, and a constant; kinds_mean: float32 [kinds - 1]; weight: of a new item, as a
    candidate.
    """

    encoder: str
    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    kinds: tuple[str, ...]
    kinds_mean: NDArray[np.float32]
    weight: float


@final
@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """Items as rows.

    model: scores rows. keys: int64 [n], the vault's number of each row's item, rising. live: bool [n], may be
    recommended. labels: all labels, sorted; label_starts: int64 [labels + 1], label_rows: int64, which rows
    carry each (CSC). creators: int64 [n], a digest of who made each item, 0 where that is not known. spread:
    root mean square of what an event adds to an item. text: how titles became vectors; None in a large
    library whose model knows every item: words are no part of it.
    """

    model: ServedModel
    keys: NDArray[np.int64]
    live: NDArray[np.bool_]
    labels: tuple[str, ...]
    label_starts: NDArray[np.int64]
    label_rows: NDArray[np.int64]
    creators: NDArray[np.int64]
    spread: float
    text: TextSpace | None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.keys)

    def rows_of(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each item, int64, -1 where the library has none."""
        if len(self.keys) == 0:
            return np.full(len(keys), -1, dtype=np.int64)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[place] == keys, place, -1)

    def rows_with(self, label: str) -> NDArray[np.int64]:
        """Return the rows that carry a label; none for a label that nothing carries."""
        if label not in self.labels:
            return np.zeros(0, dtype=np.int64)
        place = self.labels.index(label)
        return self.label_rows[self.label_starts[place] : self.label_starts[place + 1]]


def pack(library: Library) -> bytes:
    """Return the library as bytes (NumPy's npz, not packed): quick to read at the next start."""
    model = library.model
    arrays: dict[str, NDArray[np.generic]] = {
        "form": np.array(_FORM),
        "prior": model.prior,
        "own": np.array([] if model.own is None else [model.own.weight, model.own.half_life]),
        "names": np.array([part.name for part in model.parts], dtype=np.str_),
        "half_lives": np.array([part.half_life for part in model.parts], dtype=np.float64),
        "keys": library.keys,
        "live": library.live,
        "labels": _packed(library.labels),
        "label_starts": library.label_starts,
        "label_rows": library.label_rows,
        "creators": library.creators,
        "spread": np.array(library.spread),
    }
    if library.text is not None:
        arrays["encoder"] = np.array(library.text.encoder)
        arrays["text_weight"] = np.array(library.text.weight)
        arrays["mean"] = library.text.mean
        arrays["kinds"] = _packed(library.text.kinds)
        arrays["kinds_mean"] = library.text.kinds_mean
        arrays["axes"] = library.text.axes
    for place, part in enumerate(model.parts):
        arrays[f"vectors{place}"] = part.vectors
        arrays[f"strengths{place}"] = part.strengths
        arrays[f"context{place}"] = part.context_weights
        arrays[f"item{place}"] = part.item_weights
    body = io.BytesIO()
    np.savez(body, allow_pickle=False, **arrays)
    return body.getvalue()


def unpack(data: bytes) -> Library | None:
    """Return what was packed; None for another form, which is then built anew. `VaultError` for damage."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            if "form" not in arrays or int(arrays["form"]) != _FORM:
                return None
            parts = tuple(
                ServedPart(
                    str(name),
                    arrays[f"vectors{place}"],
                    arrays[f"strengths{place}"],
                    arrays[f"context{place}"],
                    arrays[f"item{place}"],
                    float(half_life),
                )
                for place, (name, half_life) in enumerate(
                    zip(arrays["names"], arrays["half_lives"], strict=True)
                )
            )
            own = arrays["own"].tolist()
            text = None
            if "encoder" in arrays:
                text = TextSpace(
                    str(arrays["encoder"]),
                    arrays["mean"],
                    arrays["axes"],
                    _unpacked(arrays["kinds"]),
                    arrays["kinds_mean"],
                    float(arrays["text_weight"]),
                )
            return Library(
                model=ServedModel(parts, arrays["prior"], OwnHistory(*own) if own else None),
                keys=arrays["keys"],
                live=arrays["live"],
                labels=_unpacked(arrays["labels"]),
                label_starts=arrays["label_starts"],
                label_rows=arrays["label_rows"],
                creators=arrays["creators"],
                spread=float(arrays["spread"]),
                text=text,
            )
    except (KeyError, ValueError, zipfile.BadZipFile, DataError) as error:
        raise VaultError(f"the derived library in the vault is damaged ({error})") from None


def _packed(texts: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return texts without control characters as bytes."""
    return np.frombuffer("\0".join(texts).encode(), dtype=np.uint8)


def _unpacked(data: NDArray[np.uint8]) -> tuple[str, ...]:
    text = data.tobytes().decode()
    return tuple(text.split("\0")) if text else ()
