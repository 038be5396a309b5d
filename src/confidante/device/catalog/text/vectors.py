"""From items to vectors that can be compared: of what is said of them, centred on the library, shortened."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import Item
from confidante.device.catalog.text.encoder import TextEncoder, unit_rows

_DESCRIPTION_WORDS = 64
_DESCRIPTION_LETTERS = 2000  # enough for so many words; cut first, since a description may be 10 MB
_TITLE_LETTERS = 500


SplitTitle = Callable[[str], tuple[str, str]]


def _whole(title: str) -> tuple[str, str]:
    return title, ""


@final
@dataclass(frozen=True, slots=True, eq=False)
class TextVectors:
    """rows: float32 [items, d], l2 norm 1 or zero. mean: float32 [d], taken off; new items need it."""

    rows: NDArray[np.float32]
    mean: NDArray[np.float32]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """axes: float32 [d, k], orthonormal columns; variance: float32 [k], of the rows along each, falling."""

    axes: NDArray[np.float32]
    variance: NDArray[np.float32]


def item_text(item: Item, *, labels: bool = True, split_title: SplitTitle = _whole) -> str:
    """Return the title without its edition, the labels and the first words of the description.

    split_title: what a pack says titles are made of; when left out, titles are taken whole.
    """
    title, _ = split_title(item.title[:_TITLE_LETTERS])
    words = item.description[:_DESCRIPTION_LETTERS].split()[:_DESCRIPTION_WORDS]
    parts = (title, " ".join(item.labels)[:_TITLE_LETTERS] if labels else "", " ".join(words))
    return ". ".join(part for part in parts if part.strip())


def text_vectors(
    encoder: TextEncoder,
    items: Sequence[Item],
    mean: NDArray[np.float32] | None = None,
    *,
    labels: bool = True,
    split_title: SplitTitle = _whole,
) -> TextVectors:
    """Return a vector an item, less the library's mean, so that unrelated items have a cosine of about zero.

    mean: that of an earlier call, to add items without changing those that are there; None: the mean of
    `items` (of a library of one item: zeros, or nothing would be left of it). labels: whether labels are part
    of the text. Raises DataError when `mean` is not the encoder's.
    """
    raw = encoder.encode([item_text(item, labels=labels, split_title=split_title) for item in items])
    if mean is None:
        mean = raw.mean(axis=0) if len(items) > 1 else np.zeros(encoder.dimensions, np.float32)
    if mean.shape != (encoder.dimensions,):
        raise DataError(
            f"a mean of {mean.size} numbers does not fit the encoder {encoder.name} of {encoder.dimensions}"
        )
    said = np.linalg.norm(raw, axis=1, keepdims=True) > 0
    return TextVectors(unit_rows(np.where(said, raw - mean, 0).astype(np.float32)), mean.astype(np.float32))


def fit_projection(rows: NDArray[np.float32], dimensions: int = 64) -> Projection:
    """Return the directions in which rows (float32 [n, d]) differ most: PCA by their second moments.

    dimensions: at most d are given. The sign of an axis is chosen so that its largest entry is positive.
    """
    if dimensions < 1:
        raise DataError(f"a projection to {dimensions} dimensions keeps nothing: give 1 or more")
    wide = rows.astype(np.float64)
    moments = wide.T @ wide / max(len(rows), 1)  # [d, d]
    values, axes = np.linalg.eigh(moments)
    axes, values = axes[:, ::-1][:, :dimensions], values[::-1][:dimensions]
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.sign(axes[largest, np.arange(axes.shape[1])])
    return Projection(axes.astype(np.float32), np.maximum(values, 0).astype(np.float32))


def project(rows: NDArray[np.float32], projection: Projection) -> NDArray[np.float32]:
    """Return rows along the projection's axes, float32 [n, k], l2 norm 1 or zero."""
    if rows.shape[1] != len(projection.axes):
        raise DataError(
            f"rows of {rows.shape[1]} numbers do not fit a projection from {len(projection.axes)}: "
            "fit it again with the same encoder"
        )
    return unit_rows(rows @ projection.axes)
