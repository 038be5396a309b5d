"""`confidante coordinator ...`: what an operator runs."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from confidante.cli.coordinator.options import (
    DEFAULT,
    BodiesOption,
    DatabaseOption,
    Definitions,
    KeyFileOption,
    coordinator,
    place,
)
from confidante.cli.terminal import examples, say
from confidante.core.errors import DataError
from confidante.core.files import written_whole


@coordinator.command(epilog=examples("confidante coordinator init films.toml"))
def init(
    file: Annotated[Path, typer.Argument(help="File to write; it must not exist.")] = DEFAULT,
) -> None:
    """Write a commented population file, and an example catalogue where there is none, for you to edit."""
    from confidante.coordinator.config.population_file import EXAMPLE

    if file.exists():
        raise DataError("exists already: name another file", path=file)
    with written_whole(file) as half:
        half.write_text(EXAMPLE, encoding="utf-8")
    say(f"wrote {file}")
    catalogue = file.with_name("items.csv")
    if not catalogue.exists():
        with written_whole(catalogue) as half:
            half.write_text(EXAMPLE_CATALOGUE, encoding="utf-8")
        say(f"wrote {catalogue}: 12 films, to be replaced by your items")
    shown = "" if file == DEFAULT else f" {file}"
    say(f"edit both, then: confidante coordinator doctor{shown}; confidante coordinator run{shown}")


@coordinator.command(
    epilog=examples(
        "confidante coordinator run",
        "confidante coordinator run films.toml books.toml --workers 4",
        "confidante coordinator run films.toml --database postgresql://me@db/films --bodies file:///srv/bodies",
        "confidante coordinator run films.toml --host 0.0.0.0 --certificate full.pem --key key.pem",
    )
)
def run(
    populations: Definitions = None,
    *,
    database: DatabaseOption = None,
    bodies: BodiesOption = None,
    operator_key_file: KeyFileOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on; this machine only when left out.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8470,
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            max=256,
            help="Processes that share one port, each of which does all there is to do; on SQLite, too.",
        ),
    ] = 1,
    certificate: Annotated[Path | None, typer.Option(help="PEM file, to speak TLS without a proxy.")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file with the certificate's key.")] = None,
    proxies: Annotated[
        str,
        typer.Option(help="Addresses of proxies in front, with commas between: they say who asks, and how."),
    ] = "",
    of_this_machine: Annotated[
        int,
        typer.Option(
            min=1,
            max=1 << 20,
            help="Connections of this machine at a time. More are for rehearsals; a proxy is named instead.",
        ),
    ] = 256,
    wait: Annotated[
        float,
        typer.Option(min=0.1, max=30, help="Seconds for which a waiting device is held until it asks again."),
    ] = 30.0,
    drain: Annotated[
        float,
        typer.Option(min=0, help="Seconds to go on for after SIGTERM, unready, so that a balancer notices."),
    ] = 0.0,
    public_page: Annotated[
        bool, typer.Option(help="Show the operator page without a login, to be read only.")
    ] = True,
    insecure_http: Annotated[
        bool, typer.Option("--insecure-http", help="Answer other machines without TLS.")
    ] = False,
    log_format: Annotated[
        Literal["json", "text"], typer.Option(help="How the log, on stderr, is written.")
    ] = "json",
) -> None:
    """Answer devices and hold rounds, until Ctrl-C or SIGTERM.

    On SQLite all workers are on one host; on PostgreSQL run it on as many hosts as you like, with the same
    populations, behind any balancer. Devices speak TLS only, except on this machine: give a certificate, or
    put a proxy that has one in front.
    """
    from confidante.coordinator.server.listening import operator_key
    from confidante.coordinator.server.serve import BrokenError, CoordinatorSettings, serve

    here = place(populations, database, bodies, operator_key_file)
    defined = here.populations()
    hosting = CoordinatorSettings(
        defined,
        here.database,
        here.bodies,
        operator_key(here.key_file),
        host=host,
        port=port,
        certificate=certificate,
        key=key,
        proxies=proxies,
        of_this_machine=of_this_machine,
        wait=wait,
        drain=drain,
        public_page=public_page,
        workers=workers,
        log_format=log_format,
        insecure_http=insecure_http,
    )
    names = ", ".join(one.name for one in defined)
    try:
        serve(hosting, started=lambda address: say(f"coordinator of {names} at {address}"))
    except BrokenError as error:
        sys.stderr.write(f"confidante: error: {error}\n")
        raise typer.Exit(1) from None


EXAMPLE_CATALOGUE = """\
item,title,labels
1,The Lighthouse Keeper (1994),drama|mystery
2,Twelve Paper Boats (2001),family|adventure
3,Night Train to Trieste (1978),thriller
4,A Garden for Ada (2010),drama|romance
5,The Copper Comet (1986),science fiction|adventure
6,Laughing Stock (1999),comedy
7,The Long Dry Summer (1969),western|drama
8,Nine Lives of Mr Pym (2005),comedy|crime
9,Below the Ice (2014),thriller|science fiction
10,Songs of the Ferry (1983),musical|romance
11,The Clockmaker's Son (2008),family|fantasy
12,Last Light (2017),horror|mystery
"""
"""What stands beside the first population until there is something better."""
