"""`confidante relay`: hands envelopes on until told to stop. It keeps nothing of who asked."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import uvicorn
from prometheus_client import start_http_server

from confidante.core.address_quota import AddressQuota
from confidante.core.errors import DataError
from confidante.core.event_log import configure, crowded_log, log
from confidante.relay.app import Limits, Relay
from confidante.wire.http11 import MOST_OF_ONE, PublicHttpProtocol


@final
class RelayProtocol(PublicHttpProtocol):
    """One connection."""

    head_seconds = 10.0


@final
@dataclass(frozen=True, slots=True)
class RelaySettings:
    """What to hand on to, and where to listen.

    port: 0 takes a free one; certificate, key: PEM, for TLS. proxies: addresses of proxies in front, with
    commas between, which are believed who asks; nobody else is. metrics_host, metrics_port: where Prometheus
    reads the counts, in the clear; port None for nowhere. log_format: json or text.
    """

    gateway: str
    host: str = "127.0.0.1"
    port: int = 8480
    certificate: Path | None = None
    key: Path | None = None
    limits: Limits = field(default_factory=Limits)
    proxies: str = ""
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    log_format: str = "json"


def serve(hosting: RelaySettings, *, started: Callable[[str], None] = lambda _: None) -> None:
    """Serve until SIGINT or SIGTERM. started: told the address.

    DataError when the port is taken, the certificate cannot be used, or the gateway is none.
    """
    relay = Relay(hosting.gateway, hosting.limits)
    if (hosting.certificate is None) != (hosting.key is None):
        raise DataError("TLS needs both a certificate and its key: give --tls-cert and --tls-key")
    if hosting.certificate is not None:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                hosting.certificate, hosting.key
            )
        except OSError as error:  # ssl.SSLError is one
            raise DataError(f"cannot be used for TLS ({error})", path=hosting.certificate) from None
    configure(hosting.log_format)
    crowd = AddressQuota(MOST_OF_ONE)
    config = uvicorn.Config(
        relay.app,
        http=RelayProtocol.limited(crowd, crowded_log(named=hosting.proxies)),
        access_log=False,  # who asked is nobody's business, not even this machine's disk
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=bool(hosting.proxies),
        forwarded_allow_ips=hosting.proxies,
        ws="none",
        lifespan="on",
        limit_concurrency=hosting.limits.at_once * 8,
        timeout_graceful_shutdown=int(hosting.limits.seconds) + 1,
        ssl_certfile=hosting.certificate,
        ssl_keyfile=hosting.key,
    )
    with _listen(hosting.host, hosting.port) as listening:
        scheme = "http" if hosting.certificate is None else "https"
        shown = f"[{hosting.host}]" if ":" in hosting.host else hosting.host
        with _metrics(relay, hosting):
            started(f"{scheme}://{shown}:{listening.getsockname()[1]}/")
            uvicorn.Server(config).run(sockets=[listening])


def check(hosting: RelaySettings) -> str | None:
    """Ask the gateway once; return what is wrong with it, or None. DataError when its address is none."""
    return asyncio.run(Relay(hosting.gateway, hosting.limits).look())


@contextmanager
def _metrics(relay: Relay, hosting: RelaySettings) -> Iterator[None]:
    if hosting.metrics_port is None:
        yield
        return
    try:
        server, thread = start_http_server(
            hosting.metrics_port, hosting.metrics_host, registry=relay.metrics.registry
        )
    except (OSError, OverflowError) as error:
        raise DataError(
            f"cannot listen for Prometheus on {hosting.metrics_host}, port {hosting.metrics_port}: {error}; "
            "take another --metrics-port"
        ) from error
    log("metrics", at_port=server.server_port)
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        raise DataError(f"cannot listen on {host}, port {port}: {error}; take another port") from error
