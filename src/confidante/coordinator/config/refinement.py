"""What an operator decides about refining lists, and the file of all that there is to offer."""

import hashlib
import io
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, final

import msgspec
import numpy as np
from numpy.typing import NDArray

from confidante.coordinator.config.catalogue_file import read_items
from confidante.core.errors import DataError
from confidante.core.values import Catalogue
from confidante.crypto.he.scheme import LARGEST, MOST_DIMENSIONS
from confidante.wire.refinement import GONE, Fresh

EXAMPLE = """\
# Lists that devices refine by what this server knows beyond the model, without telling it whose or how:
# docs/explanation/refinement.md. Needs `pip install 'confidante[he]'`. Take away the # of what you want.

# [refinement]
# items = "store.csv"     # all that there is to offer: item,title,labels, and if you like stock (1: can be
#                         # had, 0: cannot) and boost (points of score, say -0.5 or 2); may change at any time
# dimensions = 64         # of the vectors, 1 to 256; a question has 33 KB for each
# vectors = ""            # "store.npy": vectors of your own, from texts or pictures, one row for each item
# device_columns = 0      # of the model that devices are given, from the next training on, if the server is
#                         # to keep more of them; 0: devices have all
# secret = false          # true: the vectors are not handed out, so every refined list needs a question
# buckets = 0             # of items by likeness, so that a device may ask about one only; 0: none
# tokens = 32             # questions of one subject, as [enrolment] counts it, every so many hours; as many
# hours = 24.0            # as there are dimensions give the vectors away
# schemes = ["bfv"]       # of encryption that devices may ask by, the best first; or package.module:Class
"""
"""What stands in the file that `confidante coordinator init` writes."""

_BFV = "bfv"
_SCHEMES = {_BFV: "confidante.crypto.he.bfv:BfvScheme"}
_MOST_ITEMS = 1_000_000
_MOST_BOOST = 1e6
_MOST_COLUMNS = 4096
_LARGEST = 1e6


class RefinementTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The table of the file."""

    items: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=MOST_DIMENSIONS)] = 64
    vectors: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    device_columns: Annotated[int, msgspec.Meta(ge=0, le=8192)] = 0
    secret: bool = False
    buckets: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 0
    tokens: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 32
    hours: Annotated[float, msgspec.Meta(ge=1, le=24 * 366)] = 24.0
    schemes: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=8)] = (_BFV,)


@final
@dataclass(frozen=True, slots=True)
class RefinementTerms:
    """How lists are refined. items: the file of all that is offered; most: questions of one in `seconds`.

    schemes: where the classes of the schemes are, as package.module:Class. vectors: the file of the
    operator's own, None without; device_columns: of the model that devices are given, 0 for all.
    """

    items: Path
    dimensions: int = 64
    secret: bool = False
    buckets: int = 0
    most: int = 32
    seconds: float = 86400.0
    schemes: tuple[str, ...] = (_SCHEMES[_BFV],)
    vectors: Path | None = None
    device_columns: int = 0


@final
@dataclass(frozen=True, slots=True, eq=False)
class OfferedItems:
    """What the files say. there: bool [m], whether an item can be had; boost: float64 [m], points.

    content: the operator's own vectors, float32 [m, e], or None; content_name: sha256 of their file.
    """

    catalogue: Catalogue
    there: NDArray[np.bool_]
    boost: NDArray[np.float64]
    content: NDArray[np.float32] | None = None
    content_name: bytes = b""

    def fresh(self, about: bytes, ids: tuple[str, ...], made: float) -> Fresh:
        """Return what is said of items in the order of `ids`; those that the file has no more are gone.

        about: digest of the query side of that order. The largest boost is kept to 1 part in 254.
        """
        place = {item: row for row, item in enumerate(self.catalogue.ids)}
        rows = np.array([place.get(item, -1) for item in ids], dtype=np.int64)
        boost = np.where(rows >= 0, self.boost[rows], 0.0)
        unit = float(np.abs(boost).max()) / LARGEST
        points = np.rint(boost / unit) if unit > 0 else np.zeros(len(ids))
        there = (rows >= 0) & self.there[rows]
        return Fresh(about, made, unit, np.where(there, points, GONE).astype(np.int8).tobytes())


def refinement_terms(table: RefinementTable, beside: Path) -> RefinementTerms:
    """Return what a table says; its file is found in the folder `beside`. DataError for an unknown scheme."""
    places = tuple(_SCHEMES.get(name, name) for name in table.schemes)
    for place in places:
        if len(place.split(":")) != 2:
            raise DataError(
                f"refinement.schemes has {place[:80]!r}: give {', '.join(_SCHEMES)} or package.module:Class"
            )
    if len(set(places)) != len(places):
        raise DataError("refinement.schemes names a scheme twice: name each once")
    return RefinementTerms(
        beside / table.items,
        table.dimensions,
        table.secret,
        table.buckets,
        table.tokens,
        table.hours * 3600,
        places,
        beside / table.vectors if table.vectors else None,
        table.device_columns,
    )


def read_offer(path: Path, vectors: Path | None = None) -> OfferedItems:
    """Return what the file of all items says; DataError naming file and, where it is known, line.

    vectors: the file of the operator's own.
    """
    read = list[tuple[Path, bytes]]()
    for one in (path, vectors):
        try:
            read += [] if one is None else [(one, one.read_bytes())]
        except OSError as error:
            raise DataError(f"the items to refine with cannot be read ({error.strerror})", path=one) from None
    return parse_offer(*read[0], *read[1:])


def parse_offer(path: Path, data: bytes, vectors: tuple[Path, bytes] | None = None) -> OfferedItems:
    """Return what the bytes of such files say, as `read_offer` does."""
    catalogue, rest = read_items(path, data, ("stock", "boost"))
    if len(catalogue) > _MOST_ITEMS:
        raise DataError(f"has {len(catalogue):,} items: at most {_MOST_ITEMS:,} can be offered", path=path)
    there = np.array([_stock(path, item, said) for item, (said, _) in zip(catalogue.ids, rest, strict=True)])
    boost = np.array([_boost(path, item, said) for item, (_, said) in zip(catalogue.ids, rest, strict=True)])
    if vectors is None:
        return OfferedItems(catalogue, there, boost)
    content = _parse_vectors(*vectors, len(catalogue))
    return OfferedItems(catalogue, there, boost, content, hashlib.sha256(vectors[1]).digest())


def _parse_vectors(path: Path, data: bytes, items: int) -> NDArray[np.float32]:
    try:
        found = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"is not an array saved by NumPy ({error})", path=path) from None
    if not isinstance(found, np.ndarray) or found.ndim != 2 or not np.issubdtype(found.dtype, np.floating):
        raise DataError(
            "does not contain a table of floating-point numbers: save one row for each item", path=path
        )
    if len(found) != items or not 1 <= found.shape[1] <= _MOST_COLUMNS:
        raise DataError(
            f"has {found.shape[0]:,} rows of {found.shape[1]:,} numbers: give one row for each of the "
            f"{items:,} items, in their order, of 1 to {_MOST_COLUMNS:,} numbers",
            path=path,
        )
    if not (np.abs(found) <= _LARGEST).all():
        raise DataError("has a number that is not finite, or far too large", path=path)
    return found.astype(np.float32)


def _stock(path: Path, item: str, said: str) -> bool:
    if said not in ("", "0", "1"):
        raise DataError(f"item {item[:80]!r} has stock {said[:40]!r}: give 1 or 0", path=path)
    return said != "0"


def _boost(path: Path, item: str, said: str) -> float:
    try:
        found = float(said or "0")
    except ValueError:
        found = math.nan
    if not abs(found) <= _MOST_BOOST:
        raise DataError(
            f"item {item[:80]!r} has boost {said[:40]!r}: give points of score, from -{_MOST_BOOST:,.0f} to "
            f"{_MOST_BOOST:,.0f}",
            path=path,
        )
    return found
