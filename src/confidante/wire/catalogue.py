"""A catalogue as bytes: what tasks, refinements and devices name by its digest.

The bytes are canonical: the same catalogue gives the same bytes. Whatever is malformed, or not in its one
form, is a WireError.
"""

import hashlib
from typing import final

import msgspec

from confidante.core.errors import DataError, WireError
from confidante.core.values import Catalogue

MAX_BYTES = 1 << 27
"""Size of the largest catalogue."""


class _Catalogue(msgspec.Struct, tag="catalogue 1", array_like=True, forbid_unknown_fields=True, frozen=True):
    ids: tuple[str, ...]
    titles: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]


@final
class CatalogueWire:
    """A catalogue and its bytes: tasks are encoded and decoded against it.

    data: the canonical bytes; digest: their SHA-256, 32 bytes, the catalogue's name in a task.

    Stability: provisional.
    """

    __slots__ = ("catalogue", "data", "digest")

    def __init__(self, catalogue: Catalogue) -> None:
        """Encode `catalogue` once; DataError for text that is not Unicode."""
        self.catalogue = catalogue
        try:
            self.data = msgspec.msgpack.encode(_Catalogue(catalogue.ids, catalogue.titles, catalogue.labels))
        except UnicodeEncodeError:
            raise DataError(
                "the catalogue has text that is not Unicode: correct its titles and labels"
            ) from None
        self.digest = hashlib.sha256(self.data).digest()

    @classmethod
    def decode(cls, data: bytes) -> "CatalogueWire":
        """Return the catalogue in canonical bytes; WireError when they are not."""
        if len(data) > MAX_BYTES:
            raise WireError(f"a catalogue has {len(data)} bytes, at most {MAX_BYTES} are read")
        try:
            found = msgspec.msgpack.decode(data, type=_Catalogue)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WireError(f"a catalogue cannot be read: it is malformed ({error})") from None
        try:
            wire = cls(Catalogue(found.ids, found.titles, found.labels))
        except DataError as error:
            raise WireError(f"a catalogue cannot be used: {error}") from None
        if wire.data != bytes(data):
            raise WireError("a catalogue is not in canonical form: make it again")
        return wire
