"""Where randomness comes from.

Randomness that protects people is `SystemEntropy`, and functions that protect people ask for that type.
Kernels below them take plain bytes of a declared size, so that every run can become a test vector.
The lab has a seeded source of its own (`confidante.lab.entropy`), which those functions do not accept.
"""

import secrets
from typing import final


@final
class SystemEntropy:
    """The operating system's generator."""

    __slots__ = ()

    def draw(self, size: int) -> bytes:
        """Return `size` bytes from the operating system."""
        return secrets.token_bytes(size)
