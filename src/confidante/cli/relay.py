"""`confidante relay`: stand between devices and a coordinator, so that neither knows both ends."""

from pathlib import Path
from typing import Annotated

import typer

from confidante.cli.terminal import examples, say

RELAY_EXAMPLES = examples(
    "confidante relay --gateway https://rounds.example.org/v1/oblivious",
    "confidante relay --gateway https://rounds.example.org/v1/oblivious --host 0.0.0.0 --port 443 "
    "--tls-cert full.pem --tls-key key.pem",
    "confidante relay --gateway http://127.0.0.1:8470/v1/oblivious --port 0",
)


def relay_command(
    *,
    gateway: Annotated[
        str, typer.Option(help="Address of the one gateway: a coordinator's, with /v1/oblivious.")
    ],
    host: Annotated[str, typer.Option(help="Address to listen on; this machine only when left out.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8480,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM file, to speak TLS without a proxy.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file with the certificate's key.")] = None,
    proxies: Annotated[
        str,
        typer.Option(help="Addresses of proxies in front, with commas between: they say who asks."),
    ] = "",
    most_bytes: Annotated[int, typer.Option(min=1024, max=1 << 26, help="Bytes of the largest envelope.")] = (
        12 << 20
    )
    + (64 << 10),
    seconds: Annotated[
        float, typer.Option(min=0.1, max=600, help="An envelope may take so long to come; so may its answer.")
    ] = 10.0,
    at_once: Annotated[
        int, typer.Option(min=1, max=4096, help="Requests at once; further ones are refused.")
    ] = 64,
    of_one: Annotated[
        int,
        typer.Option(
            min=1,
            max=4096,
            help="Envelopes that one address may be sending at once; this machine any number. Behind a proxy,"
            " name it with --proxies, so that each address that it names has as many.",
        ),
    ] = 8,
) -> None:
    """Hand sealed questions of devices to one gateway, and its sealed answers back, until Ctrl-C.

    A relay sees who asks and how much, but not what; the gateway sees what is asked (which is encrypted once
    more), but not who. That holds as long as the two do not put together what they see: run a relay for a
    coordinator of somebody else's. It keeps no log and no file. Devices are told its address by
    whoever uses it; they speak TLS only, except on their own machine: give a certificate, or put a proxy
    that has one in front, with its own log of requests switched off.
    """
    from confidante.relay.app import Limits
    from confidante.relay.serve import RelaySettings, serve

    limits = Limits(most_bytes, seconds, at_once, of_one)
    serve(
        RelaySettings(gateway, host, port, tls_cert, tls_key, limits, proxies),
        started=lambda address: say(f"relay at {address}"),
    )
