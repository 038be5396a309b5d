"""A catalogue as bytes: what tasks, refinements and devices name by its digest.

The bytes are canonical: the same catalogue gives the same bytes. Whatever is malformed, or not in its one
form, is a WireError.
"""

import hashlib
from collections.abc import Callable
from typing import Annotated, final

import msgspec

from confidante.core.errors import DataError, WireError
from confidante.core.values import DEFAULT_PACK, Catalogue

MAX_BYTES = 1 << 27
"""Size of the largest catalogue."""


class _Catalogue(msgspec.Struct, tag="catalogue 1", array_like=True, forbid_unknown_fields=True, frozen=True):
    ids: tuple[str, ...]
    titles: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]


class _PackCatalogue(
    msgspec.Struct, tag="catalogue 2", array_like=True, forbid_unknown_fields=True, frozen=True
):
    """A catalogue of another pack than the first one, whose catalogues do not name it."""

    ids: tuple[str, ...]
    titles: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    pack: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


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
            given = (catalogue.ids, catalogue.titles, catalogue.labels)
            unnamed = catalogue.pack == DEFAULT_PACK
            form = _Catalogue(*given) if unnamed else _PackCatalogue(*given, catalogue.pack)
            self.data = msgspec.msgpack.encode(form)
        except UnicodeEncodeError:
            raise DataError(
                "the catalogue has text that is not Unicode: correct its titles and labels"
            ) from None
        self.digest = hashlib.sha256(self.data).digest()

    @classmethod
    def decode(
        cls, data: bytes, with_features: Callable[[Catalogue], Catalogue] = lambda catalogue: catalogue
    ) -> "CatalogueWire":
        """Return the catalogue in canonical bytes; WireError when they are not.

        with_features: reads of a catalogue what its pack reads; tasks that count features need it.
        """
        if len(data) > MAX_BYTES:
            raise WireError(f"a catalogue has {len(data)} bytes, at most {MAX_BYTES} are read")
        try:
            found = msgspec.msgpack.decode(data, type=_Catalogue | _PackCatalogue)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WireError(f"a catalogue cannot be read: it is malformed ({error})") from None
        pack = found.pack if isinstance(found, _PackCatalogue) else DEFAULT_PACK
        try:
            wire = cls(with_features(Catalogue(found.ids, found.titles, found.labels, pack)))
        except DataError as error:
            raise WireError(f"a catalogue cannot be used: {error}") from None
        if wire.data != bytes(data):
            raise WireError("a catalogue is not in canonical form: make it again")
        return wire
