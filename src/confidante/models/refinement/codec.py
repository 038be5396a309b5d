"""The two halves of a refinement as bytes: what a server publishes, named by sha256, the same for everybody.

Anybody may hand a device such bytes: whatever is malformed, not finite, out of proportion or not in its one
form is a WireError. The same side gives the same bytes.
"""

from collections.abc import Callable
from typing import Annotated, Any, final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import DTypeLike, NDArray

from confidante.core.errors import DataError, WireError
from confidante.models.refinement.model import ItemSide, QueryPart, QuerySide
from confidante.wire.catalogue import CatalogueWire

MAX_BYTES = 1 << 28
"""Size of the largest side."""

_Digest = Annotated[bytes, Meta(min_length=32, max_length=32)]
_Name = Annotated[str, Meta(min_length=1, max_length=200)]


@final
class _Part(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    name: _Name
    half_life: float
    vectors: bytes
    weights: bytes


@final
class _Query(
    msgspec.Struct, tag="refinement query 1", array_like=True, forbid_unknown_fields=True, frozen=True
):
    """Arrays in order of rows, little-endian."""

    catalogue: bytes
    parts: Annotated[tuple[_Part, ...], Meta(min_length=1, max_length=16)]
    column_scale: bytes
    unit: float
    spread: float
    table: _Digest
    centroids: bytes
    buckets: bytes


@final
class _Items(
    msgspec.Struct, tag="refinement items 1", array_like=True, forbid_unknown_fields=True, frozen=True
):
    columns: Annotated[int, Meta(ge=1, le=256)]
    vectors: bytes


def encode_query(side: QuerySide) -> bytes:
    """Return the bytes of a query side. DataError for names that cannot be written."""
    parts = tuple(
        _Part(part.name, float(part.half_life), part.vectors.tobytes(), part.weights.astype("<f4").tobytes())
        for part in side.parts
    )
    return msgspec.msgpack.encode(
        _Query(
            CatalogueWire(side.catalogue).data,
            parts,
            side.column_scale.astype("<f4").tobytes(),
            float(side.unit),
            float(side.spread),
            side.table,
            side.centroids.tobytes(),
            side.buckets.astype("<u2").tobytes(),
        )
    )


def decode_query(data: bytes) -> QuerySide:
    """Return the query side in `data`; WireError when it is none."""
    found = _read(data, _Query)
    catalogue = CatalogueWire.decode(found.catalogue).catalogue
    items, scale = len(catalogue), _numbers(found.column_scale, "<f4")
    try:
        side = QuerySide(
            catalogue,
            tuple(
                QueryPart(
                    part.name,
                    part.half_life,
                    _rows(part.vectors, items),
                    _numbers(part.weights, "<f4"),
                )
                for part in found.parts
            ),
            scale,
            found.unit,
            found.spread,
            found.table,
            _columns(found.centroids, len(scale)),
            _numbers(found.buckets, "<u2"),
        )
    except DataError as error:
        raise WireError(str(error)) from None
    if encode_query(side) != data:
        raise WireError("the server's vectors are not in canonical form")
    return side


def encode_items(side: ItemSide) -> bytes:
    """Return the bytes of an item side."""
    return msgspec.msgpack.encode(_Items(side.vectors.shape[1], side.vectors.tobytes()))


def decode_items(data: bytes) -> ItemSide:
    """Return the item side in `data`; WireError when it is none."""
    found = _read(data, _Items)
    try:
        side = ItemSide(_columns(found.vectors, found.columns))
    except DataError as error:
        raise WireError(str(error)) from None
    if encode_items(side) != data:
        raise WireError("the server's vectors are not in canonical form")
    return side


def _read(data: bytes, kind: Any) -> Any:
    if len(data) > MAX_BYTES:
        raise WireError(f"the server's vectors have {len(data)} bytes, and at most {MAX_BYTES} are read")
    decode: Callable[..., Any] = msgspec.msgpack.decode
    try:
        return decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"the server's vectors cannot be read: they are malformed ({error})") from None


def _numbers(data: bytes, kind: DTypeLike) -> NDArray[Any]:
    """Return the numbers in `data` in memory of their own, in the machine's order."""
    dtype = np.dtype(kind)
    if len(data) % dtype.itemsize:
        raise WireError("the server's vectors end in the middle of a number")
    return np.frombuffer(data, dtype).astype(dtype.newbyteorder("="))


def _rows(data: bytes, rows: int) -> NDArray[np.int8]:
    """Return vectors of int8, [rows, as many columns as there are]."""
    if rows < 1 or not data or len(data) % rows:
        raise WireError(f"{len(data)} entries do not make {rows} vectors")
    return _numbers(data, "i1").reshape(rows, -1)


def _columns(data: bytes, columns: int) -> NDArray[np.int8]:
    """Return vectors of int8, [as many rows as there are, columns]."""
    if columns < 1 or len(data) % columns:
        raise WireError(f"{len(data)} entries do not make vectors of {columns} columns")
    return _numbers(data, "i1").reshape(-1, columns)
