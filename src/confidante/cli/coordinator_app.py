"""`confidante coordinator ...`: what an operator runs."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from confidante.core.errors import DataError
from confidante.core.files import written_whole

if TYPE_CHECKING:
    from confidante.coordinator.bodies import Bodies
    from confidante.coordinator.store import Store

coordinator = typer.Typer(help="Hold the rounds in which devices learn together: init, run, doctor.")

Definition = Annotated[Path, typer.Argument(metavar="POPULATION.toml", help="As `init` writes it.")]
Database = Annotated[
    str | None,
    typer.Option(
        envvar="CONFIDANTE_DATABASE",
        help="sqlite:///<path> or postgresql://<user>:<password>@<host>/<name>; a SQLite file beside the "
        "population when left out.",
    ),
]
BodyStore = Annotated[
    str | None,
    typer.Option(help="Where uploads and models are kept, as file://<folder>; beside the population."),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(help="File with the key that /metrics asks for; made, with a random one, when missing."),
]


@coordinator.command(epilog="[bold]Example[/bold]\n\nconfidante coordinator init films.toml")
def init(
    file: Annotated[Path, typer.Argument(help="File to write; it must not exist.")],
) -> None:
    """Write a commented population file, to be edited."""
    from confidante.coordinator.population import EXAMPLE

    if file.exists():
        raise DataError("exists already: name another file", path=file)
    with written_whole(file) as half:
        half.write_text(EXAMPLE, encoding="utf-8")
    _say(f"wrote {file}: edit it, put its catalogue beside it, and run: confidante coordinator doctor {file}")


RUN_EXAMPLES = """[bold]Examples[/bold]

confidante coordinator run films.toml

confidante coordinator run films.toml --database postgresql://me@db/films --bodies file:///srv/bodies

confidante coordinator run films.toml --host 0.0.0.0 --certificate full.pem --key key.pem
"""


@coordinator.command(epilog=RUN_EXAMPLES)
def run(
    population: Definition,
    *,
    database: Database = None,
    bodies: BodyStore = None,
    host: Annotated[str, typer.Option(help="Address to listen on; this machine only when left out.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8470,
    certificate: Annotated[Path | None, typer.Option(help="PEM file, to speak TLS without a proxy.")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file with the certificate's key.")] = None,
    operator_key_file: KeyFile = None,
    wait: Annotated[float, typer.Option(help="Seconds after which a waiting device asks again.")] = 5.0,
) -> None:
    """Answer devices and hold rounds, until Ctrl-C or SIGTERM.

    Run it more than once on one database, on one host or many, to share the work. Devices speak TLS only,
    except on this machine: give a certificate, or put a proxy that has one in front.
    """
    from confidante.coordinator.population import read_population
    from confidante.coordinator.serve import operator_key, serve

    defined = read_population(population)
    secret = operator_key(operator_key_file or population.with_name("operator.key"))
    store, kept = _open(population, database, bodies)
    with store:
        store.migrate()
        serve(
            defined,
            store,
            kept,
            host=host,
            port=port,
            certificate=certificate,
            key=key,
            operator_key=secret,
            wait=wait,
            started=lambda address: _say(f"coordinator of {defined.name} at {address}"),
        )


@coordinator.command(epilog="[bold]Example[/bold]\n\nconfidante coordinator doctor films.toml")
def doctor(population: Definition, *, database: Database = None, bodies: BodyStore = None) -> None:
    """Check that everything a run needs is there and works; changes nothing but the tables' version."""
    from confidante.coordinator.population import read_population

    defined = read_population(population)
    items, devices = len(defined.catalogue), defined.cohort.devices
    _say(f"population  {defined.name}: {items:,} items, {devices} devices a round")
    store, kept = _open(population, database, bodies)
    with store:
        store.migrate()
        _say(f"database    the public log holds together ({store.verify_log()} entries)")
        probe = os.urandom(64)
        ref = kept.put(probe)
        try:
            if kept.get(ref) != probe:
                raise DataError("bodies do not come back as they were put: name another place")
        finally:
            kept.delete(ref)
        _say("bodies      can be written, read and deleted")
        rounds = store.rounds(defined.name, 1000)
        ended = [one.outcome or "running" for one in rounds]
        told = ", ".join(f"{ended.count(how)} {how}" for how in ("published", "aborted", "running"))
        _say(f"rounds      {told} (of the last {len(rounds)}); {len(store.pool(defined.name))} devices wait")
        _say(f"budget      paid for {len(store.payments(defined.name))} rounds")


def _open(population: Path, database: str | None, bodies: str | None) -> "tuple[Store, Bodies]":
    from confidante.coordinator.bodies import Bodies
    from confidante.coordinator.store import Store

    beside = population.resolve()
    kept = Bodies(bodies or f"file://{beside.with_suffix('')}-bodies")
    return Store.open(database or f"sqlite:///{beside.with_suffix('.db')}"), kept


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
