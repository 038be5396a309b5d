"""The library and its index, kept in step with the vault's items and model."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, final

import numpy as np

from confidante.core.errors import DataError, WireError
from confidante.core.values import Item
from confidante.device.catalog.index import Index, choose
from confidante.device.catalog.library import Library, pack, unpack
from confidante.device.storage import items, settings
from confidante.device.storage.access import VaultAccess
from confidante.models.served import ServedModel

if TYPE_CHECKING:  # building is not loaded by a start that finds its rows ready
    from confidante.device.catalog.text import TextEncoder
    from confidante.models.snapshot import Published

MODEL_BODY = "model"
"""Name of the body that holds the published snapshot, as it came."""


@final
class Serving:
    """Reads rows when they are first needed, and writes them when the device closes."""

    def __init__(self, access: VaultAccess, graph_bytes: int | None = None) -> None:
        access.on_change(self._drop_forgotten)
        self._vault = access.vault
        self._pack = settings.pack(access.vault)
        self._graph_bytes = graph_bytes
        self._library: Library | None = None
        self._index: Index | None = None
        self._encoder: TextEncoder | None = None
        self._without_rows: Published | None = None
        self._unsaved = False

    @property
    def has_model(self) -> bool:
        """Whether a published model is installed."""
        return bool(self._vault.rows("SELECT 1 FROM snapshot WHERE name = ?", (MODEL_BODY,)))

    @property
    def library(self) -> Library:
        """The library as the vault has it."""
        if self._library is None:
            self._library = self._stored() or self._built()
        return self._library

    @property
    def index(self) -> Index:
        """The index over the library's rows."""
        if self._index is None:
            self._index = choose(self.library.model, budget_bytes=self._graph_bytes)
        return self._index

    def add(
        self,
        new: Iterable[Item],
        *,
        personal: bool = False,
        hidden: Collection[str] = (),
        notes: Mapping[str, str] = items.NO_NOTES,
    ) -> int:
        """Add or replace items; return how many there were. personal, hidden, notes: see `items.put`."""
        given = [self._pack.checked(item) for item in {item.id: item for item in new}.values()]
        if not given:
            return 0
        from confidante.device.catalog.build import extended

        before = self.library
        with self.as_before_if_it_fails(), self._vault.write():
            known = set(items.known_ids(self._vault, [item.id for item in given]))
            items.put(self._vault, given, personal=personal, hidden=hidden, notes=notes)
            self._vault.set_setting(items.STALE, b"yes")
            fresh = [item for item in given if item.id not in known]
            grows = len(fresh) == len(given) and len(fresh) <= len(before)
            if grows and before.text is not None and before.text.encoder == self._text().name:
                numbers = items.keys_of(self._vault, [item.id for item in fresh])
                keys = np.array([numbers[item.id] for item in fresh], dtype=np.int64)
                self._library = extended(before, fresh, keys, self._placing(), self._text(), self._pack)
                self._unsaved = True
                if self._index is not None:
                    self._index.add(self._library.model)
                gone = [numbers[item.id] for item in fresh if item.id in hidden]
                self._library.live[self._library.rows_of(np.array(gone, dtype=np.int64))] = False
            else:
                self._replace(self._built())
        return len(given)

    def remove(self, ids: Collection[str], *, note: str | None = None) -> int:
        """Take items out of all answers; return how many were known. note: see `items.remove`."""
        library = self.library
        with self._vault.write():
            removed = items.remove(self._vault, ids, note=note)
            self._vault.set_setting(items.STALE, b"yes")
        library.live[library.rows_of(np.array(removed, dtype=np.int64))] = False
        self._unsaved = True
        return len(removed)

    def install(self, data: bytes) -> str:
        """Take a published model, its catalogue first; return its digest.

        Descriptions that items have here stay, and what was taken out of the library stays out.
        """
        from confidante.models.snapshot import decode

        published = decode(data)
        catalogue = published.catalogue
        if catalogue is None:
            raise WireError("the model comes without its catalogue: publish it with one")
        stored = items.everything(self._vault)
        described = {item.id: item.description for item in stored.items if item.description}
        removed = [stored.items[place].id for place in np.flatnonzero(stored.removed).tolist()]
        rows = zip(catalogue.ids, catalogue.titles, catalogue.labels, strict=True)
        try:
            with self.as_before_if_it_fails(), self._vault.write():
                items.put(self._vault, [Item(*row, described.get(row[0], "")) for row in rows])
                items.remove(self._vault, removed)
                self._vault.write_body(MODEL_BODY, data)
                self._replace(self._built())
                self.save()
        except DataError as error:
            raise WireError(f"a published model cannot be used: {error}") from None
        return published.digest

    @contextmanager
    def as_before_if_it_fails(self) -> Iterator[None]:
        """Have the rows as they were when the block, a transaction that changes items, raises."""
        library, unsaved = self._library, self._unsaved
        live = None if library is None else library.live.copy()
        try:
            yield
        except BaseException:
            if library is not None:
                library.live[:] = live
            self._library, self._index, self._unsaved = library, None, unsaved
            raise

    def save(self) -> None:
        """Write the derived rows, if they changed."""
        if self._unsaved and self._library is not None:
            with self._vault.write():
                self._vault.write_body(items.LIBRARY, pack(self._library))
                self._vault.set_setting(items.STALE, None)
            self._unsaved = False

    def _drop_forgotten(self) -> None:
        """Let the rows be built anew if items were erased with the history."""
        if self._library is None or self._vault.setting(items.STALE) is None:
            return
        if not np.isin(self._library.keys, items.keys(self._vault)).all():
            self._library, self._index, self._unsaved = None, None, False

    def _stored(self) -> Library | None:
        if self._vault.setting(items.STALE) is not None:
            return None
        body = self._vault.read_body(items.LIBRARY)
        return None if body is None else unpack(body)

    def _built(self) -> Library:
        from confidante.device.catalog.build import build

        stored = items.everything(self._vault)
        self._unsaved = True
        return build(stored.items, stored.keys, stored.removed, self._published(), self._text, self._pack)

    def _published(self) -> "Published | None":
        from confidante.models.snapshot import decode

        body = self._vault.read_body(MODEL_BODY)
        return None if body is None else decode(body)

    def _placing(self) -> "Published | None":
        """Return of the published model what new items are placed by: it is kept, so without any rows."""
        if self._without_rows is None:
            published = self._published()
            if published is not None:
                model = ServedModel((), published.model.prior)
                self._without_rows = replace(published, model=model, catalogue=None)
        return self._without_rows

    def _text(self) -> "TextEncoder":
        if self._encoder is None:
            from confidante.device.catalog.text import best_available

            self._encoder = best_available()
        return self._encoder

    def _replace(self, library: Library) -> None:
        self._library, self._index, self._unsaved = library, None, True
        self._without_rows = None
