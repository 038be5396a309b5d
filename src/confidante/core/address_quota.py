"""A share for each network address, so that one client does not take the places of all others."""

import ipaddress
from collections import Counter
from typing import final


@final
class AddressQuota:
    """Counts what each network address has open; addresses of an IPv6 /64 are one's, who has all of it."""

    def __init__(self, most: int) -> None:
        """most: how many one address may have open at a time."""
        self._most = most
        self._open: Counter[str] = Counter()

    def enter(self, address: str) -> str | None:
        """Return what to `leave` with later; None when the address has too many.

        This machine has no limit: a proxy, or a rehearsal.
        """
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return ""
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        if found.is_loopback:
            return ""
        whose = str(ipaddress.ip_network((found, 32 if found.version == 4 else 64), strict=False))
        if self._open[whose] >= self._most:
            return None
        self._open[whose] += 1
        return whose

    def leave(self, whose: str) -> None:
        """Count one less."""
        if whose:
            self._open[whose] -= 1
            if self._open[whose] <= 0:
                del self._open[whose]
