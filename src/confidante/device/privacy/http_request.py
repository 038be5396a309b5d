"""HTTP requests rendered whole, so that the ledger can hold every byte before any is sent.

No cookies, no accounts, no description of this software; `Sec-GPC: 1` always.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, final
from urllib.parse import urlsplit

from confidante.core.errors import EgressError

Method = Literal["GET", "POST", "PUT", "DELETE"]

_TARGET = re.compile(r"[!-~]*")  # visible ASCII: nothing that could begin another header
_NAME = re.compile(r"[A-Za-z-]+")
_NONE: Mapping[str, str] = MappingProxyType({})
_LIKE = "give one like https://sums.example.org, or http://127.0.0.1:8470 for this device"
_HOST = re.compile(r"[a-z0-9.:-]+")


@final
@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A rendered request. destination: scheme, host and port; data: every byte that will be sent."""

    method: str
    destination: str
    host: str
    port: int
    tls: bool
    data: bytes

    @property
    def seen(self) -> str:
        """What sending it shows whatever is in it, in words, for the ledger."""
        if not self.tls:
            return "It stays on this device."
        return (
            f"The receiver also sees your network address and the time. Your network sees that "
            f"{self.host} is looked up "
            "and spoken to, when, and how much."
        )


def render(
    method: Method,
    url: str,
    body: bytes = b"",
    *,
    content_type: str = "application/octet-stream",
    bearer: bytes = b"",
    headers: Mapping[str, str] = _NONE,
) -> HttpRequest:
    """Return the request as it will be sent; EgressError for a URL that nothing is sent to.

    url: https, or http to this device; a host in ASCII, no user name, no fragment. bearer: a secret for this
    one errand, such as the seat in a round; the ledger keeps a digest of the request only. headers: further
    ones, such as the range that is wanted.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise EgressError(f"the address cannot be read: {_LIKE}") from error
    if not (parts.scheme and parts.netloc):
        raise EgressError(f"{url[:80]!r} is not a complete address: {_LIKE}")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not (_HOST.fullmatch(host) and _TARGET.fullmatch(target) and _TARGET.fullmatch(content_type)):
        raise EgressError("the address has a host or a path that cannot be sent: use ASCII, without spaces")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise EgressError("the address has a user name or a fragment: leave it out")
    if parts.scheme != "https" and not (parts.scheme == "http" and _names_this_device(host)):
        raise EgressError(
            f"other machines are contacted by https only, not {parts.scheme or 'nothing'}: use https"
        )
    tls = parts.scheme == "https"
    named = f"[{host}]" if ":" in host else host
    where = named if port is None else f"{named}:{port}"
    head = [f"{method} {target} HTTP/1.1", f"Host: {where}", "Accept-Encoding: identity", "Connection: close"]
    for name, value in headers.items():
        if not (_NAME.fullmatch(name) and _TARGET.fullmatch(value)):
            raise EgressError(f"the header {name[:40]!r} cannot be sent: use ASCII, without spaces")
        head.append(f"{name}: {value}")
    if bearer:
        head.append(f"Authorization: Bearer {bearer.hex()}")
    if body or method in ("POST", "PUT"):
        head += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    data = "\r\n".join([*head, "Sec-GPC: 1", "", ""]).encode("ascii") + body
    return HttpRequest(
        method,
        f"{parts.scheme}://{where}",
        host,
        port if port is not None else (443 if tls else 80),
        tls,
        data,
    )


def _names_this_device(host: str) -> bool:
    """Whether a host is a loopback address, or named like one (checked again when it is looked up)."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
