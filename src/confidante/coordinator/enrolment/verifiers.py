"""Who a request for tokens comes from. Each verifier says what it proves, and claims no more than it checks.

An own class is named in the population's file as "package.module:Class"; it is made without arguments. One
that checks the attestation of a platform would return the subject that the platform vouches for.
"""

import base64
import binascii
import hmac
import importlib
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, final, runtime_checkable

from confidante.coordinator.store import Store
from confidante.core.entropy import SystemEntropy
from confidante.core.errors import DataError
from confidante.wire.rounds import Refusal, Refused

_NAME_BYTES = 10
_MAC_BYTES = 15  # with the name 25 bytes, which are 40 letters
_SECRET_BYTES = 32


@final
@dataclass(frozen=True, slots=True)
class Subject:
    """Whom tokens are counted for, by a name that the verifier gives. It is kept as a keyed hash only."""

    name: str


@runtime_checkable
class Verifier(Protocol):
    """Says whose request it is.

    kind: what it asks for, 1 to 200 visible letters of ASCII; it stands in the public log, so that devices
    know what to show.
    """

    kind: str

    def check(self, evidence: bytes, address: str) -> Subject | Refusal:
        """Return who asks, or why nobody is given anything for this.

        evidence: at most 16 KiB, of this kind, not checked before; address: of the network, empty when it is
        not known.
        """
        ...


@final
class ByAddress:
    """Counts by network: an IPv4 /24, an IPv6 /48.

    Proves where a request came from, and nothing else: not that there is a person or a device. Somebody with
    many networks gets tokens for each, and all people behind one share its tokens. Behind a proxy the address
    is the proxy's unless the server is told which proxies to believe.
    """

    kind = "address"

    def check(self, evidence: bytes, address: str) -> Subject | Refusal:  # noqa: ARG002
        """Return the network of the address."""
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return Refusal(Refused.BAD_EVIDENCE, "the network address that this came from is not known")
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return Subject(str(ipaddress.ip_network((found, 24 if found.version == 4 else 48), strict=False)))


@final
class ByInvitation:
    """Counts by invitation: a code that the operator made and gave to one person.

    Proves that the code was made with this coordinator's secret, and nothing of who holds it: codes can be
    passed on, and whoever has one gets its tokens.
    """

    kind = "invitation"

    def __init__(self, secret: bytes, revoked: Callable[[bytes], bool] = lambda _: False) -> None:
        """secret: of the population, see `invitation_secret`; revoked: whether a number is good no more."""
        self._secret, self._revoked = secret, revoked

    def check(self, evidence: bytes, address: str) -> Subject | Refusal:  # noqa: ARG002
        """Return the number of the code."""
        name = invited(self._secret, evidence)
        if name is None:
            return Refusal(
                Refused.BAD_EVIDENCE, "this is not an invitation of this population: check the spelling"
            )
        if self._revoked(name):
            return Refusal(Refused.BAD_EVIDENCE, "this invitation was revoked: ask its operator for another")
        return Subject(name.hex())


def invited(secret: bytes, evidence: bytes) -> bytes | None:
    """Return the number of an invitation, None for what is no invitation of this secret's."""
    try:
        code = base64.b32decode(evidence.strip().upper().replace(b"-", b""))
    except binascii.Error:
        return None
    name, mac = code[:_NAME_BYTES], code[_NAME_BYTES:]
    return name if hmac.compare_digest(mac, _mac(secret, name)) else None


def invite(secret: bytes, entropy: SystemEntropy) -> str:
    """Return a new invitation: eight groups of five letters and digits."""
    name = entropy.draw(_NAME_BYTES)
    code = base64.b32encode(name + _mac(secret, name)).decode()
    return "-".join(code[start : start + 5] for start in range(0, len(code), 5))


def invitation_secret(store: Store, population: str, entropy: SystemEntropy) -> bytes:
    """Return what invitations of a population are made and checked with; made at the first call."""
    return store.tokens.secret(population, None, entropy.draw(_SECRET_BYTES))


def verifier_of(name: str, store: Store, population: str) -> Verifier:
    """Return the verifier that a population's file names; DataError when there is none such."""
    match name:
        case "address":
            return ByAddress()
        case "invitation":
            secret = invitation_secret(store, population, SystemEntropy())
            return ByInvitation(secret, partial(store.tokens.revoked, population))
    return _own(name)


def kind_of(name: str) -> str:
    """Return what the verifier of a population's file asks for; DataError when there is none such."""
    return {one.kind: one.kind for one in (ByAddress, ByInvitation)}.get(name) or _own(name).kind


def _own(name: str) -> Verifier:
    place, _, wanted = name.partition(":")
    try:
        made = getattr(importlib.import_module(place), wanted)()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise DataError(
            f"enrolment.verifier is {name!r}, which cannot be used ({error}): give open, address, invitation "
            "or package.module:Class"
        ) from None
    if not isinstance(made, Verifier):
        raise DataError(
            f"enrolment.verifier is {name!r}, which lacks the attribute `kind` or the method `check`"
        )
    if not (isinstance(made.kind, str) and re.fullmatch(r"[!-~]{1,200}", made.kind)):
        raise DataError(
            f"enrolment.verifier is {name!r}, whose kind is {made.kind!r}: give 1 to 200 letters of ASCII"
        )
    return made


def _mac(secret: bytes, name: bytes) -> bytes:
    return hmac.digest(secret, b"confidante invitation 1\n" + name, "sha256")[:_MAC_BYTES]
