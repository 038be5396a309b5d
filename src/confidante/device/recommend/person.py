"""What the vault knows of the person, as rows of the library; read once, and again when it changed."""

from collections.abc import Mapping
from typing import final

import msgspec
import numpy as np
from numpy.typing import NDArray

from confidante.device.catalog.library import Library
from confidante.device.recommend.cohorts import Cohorts
from confidante.device.recommend.query import Profile, against
from confidante.device.storage import history, items, marks, settings, wishes
from confidante.device.storage.access import VaultAccess
from confidante.packs.signals import LIKE
from confidante.packs.weights import top_of, weigh

_BLOCK = 8192


@final
class Person:
    """Reads the profile and keeps it until it changed. cohorts: says whose popularity is used."""

    def __init__(self, access: VaultAccess, cohorts: Cohorts) -> None:
        access.on_change(self._changed)
        self._vault, self._cohorts = access.vault, cohorts
        self._kept: tuple[Library, Profile] | None = None

    def profile(self, library: Library) -> Profile:
        """Return the profile in the rows of `library`."""
        if self._kept is None or self._kept[0] is not library:
            self._kept = library, self._read(library)
        return self._kept[1]

    def _changed(self) -> None:
        self._kept = None

    def _read(self, library: Library) -> Profile:
        newest = history.newest(self._vault, settings.retention(self._vault).events)
        rows, pack = library.rows_of(newest.items), settings.pack(self._vault)
        contexts = [_context(text) for text in newest.contexts]
        tops = [top_of(context) for context in contexts]
        said = weigh(pack, newest.kinds, newest.items, newest.values, tops)
        known = (rows >= 0) & (said.weights != 0)  # what says nothing makes nothing older, either
        levels = dict(wishes.levels(self._vault))
        less = self._wished(library, "less")
        had = library.rows_of(marks.keys(self._vault))
        return Profile(
            numbers=newest.numbers[known],
            rows=rows[known],
            weights=said.weights[known],
            order=said.order[known],
            ratings=tuple(text for text, here in zip(said.words, known, strict=True) if here),
            contexts=tuple(context for context, here in zip(contexts, known, strict=True) if here),
            seen=had[had >= 0],
            less=less,
            less_points=_taken(library, less) if len(less) else None,
            never=self._wished(library, "never"),
            levels={label: level for label, level in levels.items() if level != wishes.REMOVED},
            removed=frozenset(label for label, level in levels.items() if level == wishes.REMOVED),
            picks=_choices(newest, known),
            moments=newest.at[known],
            prior=self._cohorts._prior(library),
        )

    def _wished(self, library: Library, kind: str) -> NDArray[np.int64]:
        keys = (items.key_of(self._vault, item_id) for item_id in wishes.subjects(self._vault, kind))
        rows = library.rows_of(np.array([key for key in keys if key is not None], dtype=np.int64))
        return rows[rows >= 0]


def _choices(newest: history.Newest, known: NDArray[np.bool_]) -> NDArray[np.int64] | None:
    """Return for each known event in which choice it was picked, counted from 1; 0 for any other event."""
    picked = np.array([kind == LIKE for kind in newest.kinds], dtype=np.bool_) & known
    if not picked.any():
        return None
    choices = np.zeros(len(known), dtype=np.int64)
    choices[picked] = 1 + np.unique(newest.at[picked], return_inverse=True)[1]
    return choices[known]


def _taken(library: Library, less: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return what requests take from every row, float32 [n]; a block at a time, to spare memory."""
    blocks = np.array_split(np.arange(len(library)), max(1, len(library) // _BLOCK))
    return np.concatenate([against(library, less, rows).sum(axis=1) for rows in blocks]).astype(np.float32)


def _context(text: str) -> Mapping[str, str]:
    return {} if text == "{}" else msgspec.json.decode(text, type=dict[str, str])
