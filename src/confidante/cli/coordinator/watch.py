"""`confidante coordinator status`, `rounds`, `pause`, `resume`, `abort`: a look, and a hand on it."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from confidante.cli.coordinator.options import BodiesOption, DatabaseOption, Definitions, coordinator, place
from confidante.cli.options import AsJson, Limit
from confidante.cli.terminal import print_json, say
from confidante.core.errors import DataError

if TYPE_CHECKING:
    from confidante.coordinator.store.values import RoundFacts

Only = Annotated[str | None, typer.Option("--population", help="Name of one population; all when left out.")]


@coordinator.command()
def status(
    populations: Definitions = None,
    *,
    database: DatabaseOption = None,
    bodies: BodiesOption = None,
    as_json: AsJson = False,
) -> None:
    """Show the state of each population: the running round, waiting devices, the budget spent and left."""
    from confidante.coordinator.reports.overview import overview

    here = place(populations, database, bodies)
    with here.open_store() as store:
        found = [overview(store, one) for one in here.populations()]
    if as_json:
        print_json([one.plain() for one in found])
        return
    for one in found:
        for name, value in one.lines():
            say(f"{name:12}{value}")


@coordinator.command()
def rounds(
    populations: Definitions = None,
    *,
    database: DatabaseOption = None,
    only: Only = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List rounds, the newest first: what for, how many devices, how they ended."""
    here = place(populations, database, None)
    with here.open_store() as store:
        found = [fact for name in _names(here.files, only) for fact in store.operator.rounds(name, limit)]
    if as_json:
        print_json([_plain(one) for one in found])
        return
    for one in found:
        when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(one.opened))
        how = one.outcome or f"at {one.phase}, {one.heard} of {one.expected} heard"
        why = f": {one.reason}" if one.reason else ""
        survivors = f"{one.survivors} of {one.clients} devices" if one.outcome else f"{one.clients} devices"
        say(f"{when}Z  {one.id.hex()[:12]}  {one.population}  {one.task}  {survivors}  {how}{why}")
    if not found:
        say("there was no round yet: `confidante coordinator status` says what the next one waits for")


@coordinator.command()
def pause(populations: Definitions = None, *, database: DatabaseOption = None, only: Only = None) -> None:
    """Stop opening rounds. A round that is running goes on to its end."""
    _set_paused(populations, database, only, paused=True)


@coordinator.command()
def resume(populations: Definitions = None, *, database: DatabaseOption = None, only: Only = None) -> None:
    """Open rounds again after a pause."""
    _set_paused(populations, database, only, paused=False)


@coordinator.command()
def abort(
    number: Annotated[
        str, typer.Argument(metavar="ROUND", help="First letters of its id, as `rounds` shows it.")
    ],
    populations: Definitions = None,
    *,
    database: DatabaseOption = None,
    reason: Annotated[str, typer.Option(help="Reason, which devices are told.")] = "its operator ended it",
) -> None:
    """End a running round without a sum. What was paid for it stays paid."""
    here = place(populations, database, None)
    with here.open_store() as store:
        running = [
            one
            for name in _names(here.files, None)
            for one in store.operator.rounds(name, 1)
            if not one.outcome
        ]
        found = [one for one in running if one.id.hex().startswith(number.lower())]
        if len(found) != 1:
            raise DataError(
                f"{number[:64]!r} names {len(found)} running rounds: see `confidante coordinator rounds`"
            )
        if not store.rounds.abort(found[0].id, reason, time.time()):
            raise DataError("the round had just ended")
    say(f"round {found[0].id.hex()[:12]} ended without a sum")


def _set_paused(files: list[Path] | None, database: str | None, only: str | None, *, paused: bool) -> None:
    here = place(files, database, None)
    names = _names(here.files, only)
    with here.open_store() as store:
        for name in names:
            store.operator.pause(name, paused)
    say(f"{', '.join(names)}: {'no new round is opened' if paused else 'rounds are opened again'}")


def _names(files: tuple[Path, ...], only: str | None) -> list[str]:
    from confidante.coordinator.config.population_file import read_population

    names = [read_population(path).name for path in files]
    if only is not None and only not in names:
        raise DataError(f"no population is called {only[:80]!r}: there is {', '.join(names)}")
    return names if only is None else [only]


def _plain(one: "RoundFacts") -> dict[str, Any]:
    return {
        name: value.hex() if isinstance(value := getattr(one, name), bytes) else value
        for name in type(one).__slots__
    }
