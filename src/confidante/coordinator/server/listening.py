"""What a coordinator needs before it can listen: a port, a certificate and its key, an operator's key."""

import ipaddress
import secrets
import socket
import ssl
from pathlib import Path

from confidante.core.errors import DataError

_KEY_BYTES = 32


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises DataError when the port is taken."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        raise DataError(f"cannot listen on {host}, port {port}: {error}; take another port") from error


def refuse_open(host: str) -> None:
    """Raise DataError when others than this machine would be spoken to at `host`; for one without TLS."""
    try:
        here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = host == "localhost"
    if not here:
        raise DataError(
            f"on {host} the operator's key and what devices say would cross the network without TLS: "
            "give --certificate and --key, name the proxy in front with --proxies, or say --insecure-http"
        )


def check_certificate(certificate: Path | None, key: Path | None) -> None:
    """Raise DataError when a certificate (None: no TLS) and its key cannot be used together."""
    if (certificate is None) != (key is None):
        raise DataError("TLS needs both a certificate and its key: give --certificate and --key")
    if certificate is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise DataError(f"cannot be used for TLS ({error})", path=certificate) from None


def operator_key(path: Path) -> str:
    """Return the key in a file, made at the first call: random, readable by its owner only."""
    try:
        path.touch(0o600, exist_ok=False)
    except FileExistsError:
        pass
    except OSError as error:
        raise DataError(f"cannot be made ({error.strerror})", path=path) from None
    else:
        path.write_text(secrets.token_hex(_KEY_BYTES) + "\n", encoding="ascii")
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        raise DataError("cannot be read as a key", path=path) from None
    if len(key) < _KEY_BYTES:
        raise DataError("has no key of 32 characters or more: delete it to have one made", path=path)
    return key
