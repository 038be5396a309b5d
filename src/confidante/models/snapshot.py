"""A published model as bytes: what every device installs, and nothing personal.

    magic, version u16, header size u32, header (msgpack), arrays (raw, little-endian), SHA-256 of all before

The header says how large every array is, so the size of the whole is checked before anything is allocated.
Anybody may hand a device such bytes: whatever is malformed, not finite or far too large is a WireError.
The same model gives the same bytes.
"""

import hashlib
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Any, final

import msgspec
import numpy as np
from numpy.typing import DTypeLike, NDArray

from confidante.core.errors import DataError, WireError
from confidante.core.values import Catalogue
from confidante.models.factors import OwnHistory
from confidante.models.features import feature_rows
from confidante.models.served import NewRows, ServedModel, ServedPart

MAX_BYTES = 1 << 29
"""Size of the largest snapshot."""

LARGEST = 1e9
"""Largest size of any number in a model: scores, products of three of them, stay finite in float32."""

_MAGIC = b"confidante model\n"
_VERSION = 1
_PREFIX = struct.Struct("<17sHI")
_DIGEST = 32
_MAX_HEADER = 1 << 20

_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 26)]
_Columns = Annotated[int, msgspec.Meta(ge=0, le=1 << 13)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Arrays = Iterator[NDArray[Any]]


@final
@dataclass(frozen=True, slots=True, eq=False)
class FeatureSpace:
    """How an item that the model has not met gets rows, from its labels and what its pack reads of it.

    part: name of the model's feature part; names: columns of the feature basis; axes: float32 [f, d], an
    item's features times `axes` is its vector in that part. item_weight, prior: of a typical item, since
    nobody has met the new one.
    """

    part: str
    names: tuple[str, ...]
    axes: NDArray[np.float32]
    item_weight: float
    prior: float


@final
@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """What was in the bytes. digest: SHA-256 in hex, the snapshot's name."""

    model: ServedModel
    catalogue: Catalogue | None
    features: FeatureSpace | None
    digest: str


@final
@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """New items, ready for `ServedModel.with_rows(placed.prior, placed.rows)`."""

    prior: NDArray[np.float32]
    rows: Mapping[str, NewRows]


class _Part(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    name: _Name
    columns: _Columns
    half_life: float


class _Features(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    part: _Name
    names: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=10_000)], ...], msgspec.Meta(max_length=4096)
    ]
    item_weight: float
    prior: float


class _Catalogue(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """Bytes of all ids, titles and different labels; how many different labels; how many labels in all."""

    id_bytes: _Count
    title_bytes: _Count
    label_bytes: _Count
    labels: _Count
    labelled: _Count


class _Header(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    rows: _Count
    parts: Annotated[tuple[_Part, ...], msgspec.Meta(max_length=16)]
    own: tuple[float, float] | None
    features: _Features | None
    catalogue: _Catalogue | None


def place(published: Published, items: Catalogue) -> Placed:
    """Return rows for items that the model has not met, by their labels and what their pack reads of them.

    Without a feature basis they get the median prior and no vectors.
    """
    space = published.features
    if space is None:
        prior = float(np.median(published.model.prior)) if published.model.rows else 0.0
        return Placed(np.full(len(items), prior, dtype=np.float32), MappingProxyType({}))
    vectors = feature_rows(space.names, items) @ space.axes
    ones = np.ones(len(items), dtype=np.float32)
    rows = NewRows(vectors, ones, ones * np.float32(space.item_weight))
    return Placed(np.full(len(items), space.prior, np.float32), MappingProxyType({space.part: rows}))


def encode(model: ServedModel, catalogue: Catalogue | None, features: FeatureSpace | None) -> bytes:
    """Return the snapshot. DataError when the pieces are not of one model."""
    words: tuple[str, ...] = ()
    of_catalogue = None
    texts: list[bytes] = []
    if catalogue is not None:
        if len(catalogue) != model.rows:
            raise DataError(f"the catalogue has {len(catalogue)} items, the model {model.rows} rows")
        words = tuple(sorted({label for row in catalogue.labels for label in row}))
        try:
            texts = ["".join(strings).encode() for strings in (catalogue.ids, catalogue.titles, words)]
        except UnicodeEncodeError:
            raise DataError(
                "the catalogue contains text that is not Unicode: correct its titles and labels"
            ) from None
        ids, titles, labels = map(len, texts)
        of_catalogue = _Catalogue(ids, titles, labels, len(words), sum(map(len, catalogue.labels)))
    header = _Header(
        model.rows,
        tuple(_Part(part.name, part.vectors.shape[1], float(part.half_life)) for part in model.parts),
        None if model.own is None else (float(model.own.weight), float(model.own.half_life)),
        None
        if features is None
        else _Features(features.part, features.names, float(features.item_weight), float(features.prior)),
        of_catalogue,
    )
    form = msgspec.msgpack.encode(header)
    pieces = [_PREFIX.pack(_MAGIC, _VERSION, len(form)), form, model.prior.astype("<f4").tobytes()]
    for part in model.parts:
        pieces.append(part.vectors.tobytes())
        pieces += [
            a.astype("<f4").tobytes() for a in (part.strengths, part.context_weights, part.item_weights)
        ]
    if features is not None:
        pieces.append(features.axes.astype("<f4").tobytes())
    if catalogue is not None:
        place_of = {word: k for k, word in enumerate(words)}
        for strings, text in zip((catalogue.ids, catalogue.titles, words), texts, strict=True):
            pieces += [_integers(len(string.encode()) for string in strings), text]
        pieces.append(_integers(map(len, catalogue.labels)))
        pieces.append(_integers(place_of[label] for row in catalogue.labels for label in row))
    body = b"".join(pieces)
    data = body + hashlib.sha256(body).digest()
    try:
        decode(data)
    except WireError as error:
        raise DataError(f"the model cannot be published: {error}") from None
    return data


def decode(data: bytes) -> Published:
    """Return what `encode` was given. WireError for anything that it cannot have written."""
    header, start = _header(data)
    layout = list(_layout(header))
    size = start + sum(np.dtype(kind).itemsize * math.prod(shape) for kind, shape in layout) + _DIGEST
    _require(size == len(data), f"its header speaks of {size} bytes, there are {len(data)}")
    digest = hashlib.sha256(memoryview(data)[:-_DIGEST])
    _require(digest.digest() == data[-_DIGEST:], "its bytes do not match its digest")
    arrays = _arrays(data, start, layout)
    try:
        model = ServedModel(*_model(header, arrays))
        features = _features(header.features, arrays)
        return Published(model, _catalogue(header, arrays), features, digest.hexdigest())
    except (DataError, UnicodeDecodeError) as error:
        raise WireError(f"a published model is inconsistent: {error}") from None


def _header(data: bytes) -> tuple[_Header, int]:
    """Return the header and where it ends."""
    _require(_PREFIX.size + _DIGEST <= len(data) <= MAX_BYTES, f"it cannot have {len(data)} bytes")
    magic, version, size = _PREFIX.unpack_from(data)
    _require(magic == _MAGIC, "it does not begin like one")
    _require(version == _VERSION, f"it is of version {version}, this program reads {_VERSION}")
    _require(size <= min(_MAX_HEADER, len(data) - _PREFIX.size - _DIGEST), f"its header has {size} bytes")
    end = _PREFIX.size + size
    try:
        return msgspec.msgpack.decode(memoryview(data)[_PREFIX.size : end], type=_Header), end
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"a published model cannot be read: its header is malformed ({error})") from None


def _layout(header: _Header) -> Iterator[tuple[DTypeLike, tuple[int, ...]]]:
    """Give dtype and shape of each array, in the order in which they stand."""
    rows = header.rows
    yield "<f4", (rows,)
    for part in header.parts:
        yield "i1", (rows, part.columns)
        yield "<f4", (part.columns,)
        yield from [("<f4", (rows,))] * 2
    if header.features is not None:
        columns = {part.name: part.columns for part in header.parts}
        _require(header.features.part in columns, "its features are of a part that it does not have")
        yield "<f4", (len(header.features.names), columns[header.features.part])
    if header.catalogue is not None:
        sizes = header.catalogue
        for count, text in (
            (rows, sizes.id_bytes),
            (rows, sizes.title_bytes),
            (sizes.labels, sizes.label_bytes),
        ):
            yield "<u4", (count,)
            yield "u1", (text,)
        yield "<u4", (rows,)
        yield "<u4", (sizes.labelled,)


def _arrays(data: bytes, start: int, layout: list[tuple[DTypeLike, tuple[int, ...]]]) -> _Arrays:
    """Give each array, copied out of the bytes, in the machine's order; floats are checked."""
    for kind, shape in layout:
        dtype = np.dtype(kind)
        count = math.prod(shape)
        array = np.frombuffer(data, dtype, count, start).reshape(shape).astype(dtype.newbyteorder("="))
        if dtype.kind == "f":
            _require(_sound(array), "a number in it is not finite, or far too large")
        start += count * dtype.itemsize
        yield array


def _model(
    header: _Header, arrays: _Arrays
) -> tuple[tuple[ServedPart, ...], NDArray[np.float32], OwnHistory | None]:
    prior = next(arrays)
    parts = []
    for part in header.parts:
        _require(0 < part.half_life <= LARGEST, f"a half-life of {part.half_life} events is impossible")
        parts.append(
            ServedPart(part.name, next(arrays), next(arrays), next(arrays), next(arrays), part.half_life)
        )
    if header.own is None:
        return tuple(parts), prior, None
    _require(_sound(np.array(header.own)), "its own-history part is far too large")
    return tuple(parts), prior, OwnHistory(*header.own)


def _features(found: _Features | None, arrays: _Arrays) -> FeatureSpace | None:
    if found is None:
        return None
    _require(_sound(np.array([found.item_weight, found.prior])), "a typical item is far too large")
    _require(len(found.names) > 0, "its feature basis has no column")
    return FeatureSpace(found.part, found.names, next(arrays), found.item_weight, found.prior)


def _catalogue(header: _Header, arrays: _Arrays) -> Catalogue | None:
    if header.catalogue is None:
        return None
    ids, titles, words = (_strings(next(arrays), next(arrays)) for _ in range(3))
    counts, labels = next(arrays), next(arrays)
    _require(int(counts.sum(dtype=np.uint64)) == len(labels), "its labels do not add up")
    _require(not len(labels) or int(labels.max()) < len(words), "an item has a label that does not exist")
    ends = [0, *np.cumsum(counts, dtype=np.int64).tolist()]
    named = [words[k] for k in labels.tolist()]
    return Catalogue(ids, titles, tuple(tuple(named[low:high]) for low, high in pairwise(ends)))


def _strings(lengths: NDArray[np.uint32], text: NDArray[np.uint8]) -> tuple[str, ...]:
    _require(int(lengths.sum(dtype=np.uint64)) == len(text), "its texts do not add up")
    raw = text.tobytes()
    ends = [0, *np.cumsum(lengths, dtype=np.int64).tolist()]
    return tuple(raw[low:high].decode() for low, high in pairwise(ends))


def _integers(values: Iterator[int]) -> bytes:
    return np.fromiter(values, dtype="<u4").tobytes()


def _sound(array: NDArray[np.floating]) -> bool:
    """Whether all is finite and in proportion (NaN compares as false)."""
    with np.errstate(invalid="ignore"):
        return bool((np.abs(array) <= LARGEST).all())


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise WireError(f"a published model cannot be used: {problem}")
