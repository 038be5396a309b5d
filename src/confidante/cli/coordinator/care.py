"""`confidante coordinator doctor`, `backup` and `restore`: keeping a coordinator well."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from confidante.cli.coordinator.options import (
    BodiesOption,
    DatabaseOption,
    Definitions,
    KeyFileOption,
    Place,
    coordinator,
    place,
)
from confidante.cli.options import AsJson
from confidante.cli.terminal import examples, print_json, say
from confidante.core.errors import ConfidanteError

if TYPE_CHECKING:
    from confidante.coordinator.diagnostics.check import Check
    from confidante.coordinator.store.backup import BackupSummary

Archive = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]


@coordinator.command(epilog=examples("confidante coordinator doctor films.toml"))
def doctor(
    populations: Definitions = None,
    *,
    database: DatabaseOption = None,
    bodies: BodiesOption = None,
    operator_key_file: KeyFileOption = None,
    host: Annotated[str, typer.Option(help="As for `run`.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="As for `run`.")] = 8470,
    certificate: Annotated[Path | None, typer.Option(help="As for `run`.")] = None,
    key: Annotated[Path | None, typer.Option(help="As for `run`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check everything that a run needs, and say how to mend what is wrong.

    Changes nothing; the folder of the bodies is made when there is none. ✓ is well, ! is well and may not be
    what you meant, ✗ is wrong; ends with 1 when anything is.
    """
    found = list(
        _checks(place(populations, database, bodies, operator_key_file), host, port, certificate, key)
    )
    if as_json:
        print_json(found)
    else:
        for one in found:
            say(f"{_mark(one)} {one.name:13} {one.said}")
    if not all(one.good for one in found):
        raise typer.Exit(1)


@coordinator.command(epilog=examples("confidante coordinator backup films.backup films.toml"))
def backup(
    file: Archive,
    populations: Definitions = None,
    *,
    database: DatabaseOption = None,
    bodies: BodiesOption = None,
) -> None:
    """Write the whole state to one file, while the coordinator runs: all tables, sums and models.

    It holds what the coordinator must keep secret, so only its owner may read it.
    """
    from confidante.coordinator.store.backup import back_up
    from confidante.coordinator.store.database import Database

    here = place(populations, database, bodies)
    with here.open_store():
        opened = Database(here.database)
    try:
        told = back_up(opened, here.open_bodies(), file, time.time())
    finally:
        opened.close()
    say(f"wrote {file}: {_contents(told)}")


@coordinator.command(
    epilog=examples("confidante coordinator restore films.backup --database postgresql://me@db/films")
)
def restore(
    file: Archive,
    populations: Definitions = None,
    *,
    database: DatabaseOption = None,
    bodies: BodiesOption = None,
) -> None:
    """Restore a backup into an empty database of either kind.

    Rounds that ran when it was made end without a sum, and stay paid for. What happened after it was made is
    forgotten, also what was spent: devices that saw a later entry of the public log will refuse this
    coordinator, so restore the newest backup there is.
    """
    from confidante.coordinator.store.backup import restore as put_back
    from confidante.coordinator.store.database import Database

    here = place(populations, database, bodies)
    opened = Database(here.database)
    try:
        told = put_back(file, opened, here.open_bodies(), time.time())
    finally:
        opened.close()
    say(f"restored {_contents(told)}")
    if told.running:
        say(f"{told.running} of the rounds ran then, and ended without a sum; they stay paid for")


def _contents(told: "BackupSummary") -> str:
    made = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(told.made))
    return (
        f"the state of {made} UTC: {told.rounds} rounds, {told.payments} payments, "
        f"{told.log} entries of the public log, {told.bodies} sums and models"
    )


def _mark(one: "Check") -> str:
    return ("!" if one.warns else "✓") if one.good else "✗"


def _checks(
    here: Place, host: str, port: int, certificate: Path | None, key: Path | None
) -> "Iterator[Check]":
    from confidante.coordinator.diagnostics import doctor as look
    from confidante.coordinator.diagnostics.check import Check
    from confidante.coordinator.diagnostics.doctor_population import check_population
    from confidante.coordinator.diagnostics.doctor_refinement import check_refinement

    now = time.time()
    try:
        defined = here.populations()
    except ConfidanteError as error:
        yield Check("population", good=False, said=str(error))
        defined = ()
    for one in defined:
        yield from check_population(one)
        yield from check_refinement(one)
    try:
        yield from look.check_database(here.database, defined, now)
    except ConfidanteError as error:
        yield Check("database", good=False, said=str(error))
    if defined:  # otherwise the folder of the bodies may be named after what is no population
        yield from look.check_bodies(here.bodies, defined)
    yield look.check_certificate(certificate, key, now)
    yield look.check_key(here.key_file)
    yield look.check_port(host, port)
