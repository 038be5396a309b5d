"""Packs by their names: those that come with the core, and others by the entry point `confidante.packs`.

Another distribution declares `[project.entry-points."confidante.packs"]` with `name = "module:PACK"`. A name
of our own cannot be taken by another.
"""

from functools import lru_cache

from confidante.core.errors import DataError
from confidante.core.values import Catalogue
from confidante.packs.base import NONE, Pack
from confidante.packs.media import MEDIA

GROUP = "confidante.packs"
_OURS = {pack.name: pack for pack in (MEDIA, NONE)}


@lru_cache
def pack_named(name: str) -> Pack:
    """Return the pack of a name. Raises DataError naming those that are installed."""
    if name in _OURS:
        return _OURS[name]
    from importlib.metadata import entry_points  # it takes as long to load as the rest of a start

    found = entry_points(group=GROUP, name=name)
    if not found:
        known = sorted({*_OURS, *(one.name for one in entry_points(group=GROUP))})
        raise DataError(
            f"There is no pack {name[:80]!r} here, only {', '.join(known)}: install the package that has it"
        )
    pack = next(iter(found)).load()
    if not isinstance(pack, Pack) or pack.name != name:
        raise DataError(f"The entry point {name!r} of {GROUP} is not a pack of that name: mend its package")
    return pack


def with_features(catalogue: Catalogue) -> Catalogue:
    """Return a catalogue with what the pack that it names reads of its items."""
    return pack_named(catalogue.pack).read(catalogue)
