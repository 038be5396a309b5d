"""`confidante relay`: stand between devices and a coordinator, so that neither knows both ends."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from confidante.cli.terminal import examples, say
from confidante.core.errors import DataError

RELAY_EXAMPLES = examples(
    "confidante relay --gateway https://rounds.example.org/v1/oblivious",
    "confidante relay --gateway https://rounds.example.org/v1/oblivious --host 0.0.0.0 --port 443 "
    "--tls-cert full.pem --tls-key key.pem",
    "confidante relay --gateway http://127.0.0.1:8470/v1/oblivious --port 0 --metrics-port 9480",
    "confidante relay --gateway https://rounds.example.org/v1/oblivious --check",
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
            help="Envelopes that one address may be sending at once. Name a proxy in front with --proxies, "
            "also one on this machine, so that each address that it names has as many.",
        ),
    ] = 8,
    metrics_port: Annotated[
        int | None,
        typer.Option(help="Port for Prometheus: counts that name nobody, and whether the gateway answers."),
    ] = None,
    metrics_host: Annotated[
        str, typer.Option(help="Address for Prometheus; in the clear, so not one that others reach.")
    ] = "127.0.0.1",
    log_format: Annotated[
        Literal["json", "text"], typer.Option(help="How the log, on stderr, is written.")
    ] = "json",
    check: Annotated[
        bool, typer.Option("--check", help="Only ask the gateway whether it is one; exit with 0 if so.")
    ] = False,
) -> None:
    """Hand sealed questions of devices to one gateway, and its sealed answers back, until Ctrl-C.

    A relay sees who asks and how much, but not what; the gateway sees what is asked (which is encrypted once
    more), but not who. That holds as long as the two do not put together what they see: run a relay for a
    coordinator of somebody else's. Its log says whether the gateway answers, and nothing of a request.
    Devices are told its address by whoever uses it; they speak TLS only, except on their own machine: give a
    certificate, or put a proxy that has one in front, with its own log of requests switched off.
    """
    from confidante.relay.app import Limits
    from confidante.relay.serve import RelaySettings, serve
    from confidante.relay.serve import check as check_gateway

    limits = Limits(most_bytes, seconds, at_once, of_one)
    hosting = RelaySettings(
        gateway, host, port, tls_cert, tls_key, limits, proxies, metrics_host, metrics_port, log_format
    )
    if not check:
        serve(hosting, started=lambda address: say(f"relay at {address}"))
        return
    if (problem := check_gateway(hosting)) is not None:
        raise DataError(problem)
    say(f"{gateway} answers as a gateway")
