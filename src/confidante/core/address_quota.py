"""A share for each network address, so that one client does not take the places of all others."""

import ipaddress
from collections import Counter
from typing import final

_HERE = "this machine"


def is_here(address: str) -> bool:
    """Return whether an address is one of this machine's own, which nobody else can have."""
    found = _address(address)
    return found is not None and found.is_loopback


@final
class AddressQuota:
    """Counts what each network address has open.

    Addresses of an IPv6 /64 are one's, who has all of it, and so are all of this machine.
    """

    def __init__(self, most: int, here: int | None = None) -> None:
        """most: how many one address may have open at a time. here: this machine; as many when left out."""
        self._most, self._here = most, most if here is None else here
        self._open: Counter[str] = Counter()

    def enter(self, address: str) -> str | None:
        """Return what to `leave` with later; None when the address has too many."""
        found = _address(address)
        if found is None:
            return ""
        whose = _HERE
        if not found.is_loopback:
            whose = str(ipaddress.ip_network((found, 32 if found.version == 4 else 64), strict=False))
        if self._open[whose] >= (self._here if whose == _HERE else self._most):
            return None
        self._open[whose] += 1
        return whose

    def leave(self, whose: str) -> None:
        """Count one less."""
        if whose:
            self._open[whose] -= 1
            if self._open[whose] <= 0:
                del self._open[whose]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address, an IPv4 one also where it is written as IPv6; None for what is not one."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found
