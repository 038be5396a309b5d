"""What questions can be encrypted by on this device."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec

from confidante.crypto.he.scheme import Scheme


def _bfv() -> Scheme:
    from confidante.crypto.he.bfv import BfvScheme

    return BfvScheme()


SCHEMES: dict[str, Callable[[], Scheme]] = {"bfv-2048 1": _bfv}
"""By name, the best first."""

_LIBRARIES = ("seal", "pyhpke")


def known(offered: Sequence[str]) -> str:
    """Return the best scheme that a server offers and this device knows; empty when there is none."""
    if not all(find_spec(library) is not None for library in _LIBRARIES):
        return ""
    return next((name for name in SCHEMES if name in offered), "")
