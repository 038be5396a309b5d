"""What questions can be encrypted by on this device."""

from collections.abc import Sequence
from importlib.util import find_spec

from confidante.protocol.scoring import Scheme

_SCHEMES = ("bfv-2048 1",)
"""The best first."""

_LIBRARIES = ("seal", "pyhpke")


def known(offered: Sequence[str]) -> str:
    """Return the best scheme that a server offers and this device knows; empty when there is none."""
    return next((name for name in _SCHEMES if name in offered), "") if _installed() else ""


def scheme(name: str) -> Scheme:
    """Return a scheme of that name, one that `known` gave."""
    from confidante.protocol.scoring_bfv import BfvScheme

    return {BfvScheme.name: BfvScheme}[name]()


def _installed() -> bool:
    return all(find_spec(library) is not None for library in _LIBRARIES)
