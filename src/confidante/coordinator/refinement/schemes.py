"""The schemes by which questions are encrypted, by the place of their classes."""

import importlib
from importlib.util import find_spec
from typing import Any

from confidante.core.errors import DataError
from confidante.crypto.he.scheme import Scheme

_NEEDED = ("pyhpke", "seal")


def scheme_of(place: str) -> Scheme:
    """Return the scheme whose class is at package.module:Class; DataError for none."""
    module, _, name = place.partition(":")
    try:
        made: Any = getattr(importlib.import_module(module), name)()
        fits = isinstance(made.name, str) and callable(made.table)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise DataError(
            f"refinement.schemes has {place!r}, which cannot be used ({error}): give bfv or "
            "package.module:Class"
        ) from None
    if not fits:
        raise DataError(f"refinement.schemes has {place!r}, which has no name or no table")
    found: Scheme = made
    return found


def missing() -> str:
    """Return what is to be installed before lists can be refined, as a command; empty when nothing is."""
    lacking = [name for name in _NEEDED if find_spec(name) is None]
    return f"pip install 'confidante[he]' (it brings {' and '.join(lacking)})" if lacking else ""
