"""`confidante coordinator invite`: codes for people who may take part."""

from typing import Annotated

import typer

from confidante.cli.coordinator_options import DatabaseOption, Definitions, place, say
from confidante.core.entropy import SystemEntropy
from confidante.core.errors import DataError

_EXAMPLE = "[bold]Example[/bold]\n\nconfidante coordinator invite films.toml --count 20 > codes.txt"


def add_to(commands: typer.Typer) -> None:
    """Add the command to those of the coordinator."""
    commands.command(epilog=_EXAMPLE)(invite)


def invite(
    population: Definitions = None,
    *,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many codes.")] = 1,
    database: DatabaseOption = None,
) -> None:
    """Write invitations, one a line, each for one person.

    A code proves that it was written here, and nothing of who holds it: give each to one person. It can be
    used again and again, and tokens are counted by it; none is kept here, so nothing says whose was whose.
    """
    from confidante.coordinator.enrolment.verifiers import invitation_secret
    from confidante.coordinator.enrolment.verifiers import invite as code

    here = place(population, database, None)
    defined = here.populations()
    if len(defined) != 1:
        raise DataError("invitations are for one population: name its file", path=here.files[-1])
    if defined[0].enrolment.verifier != "invitation":
        raise DataError(
            'invitations are not asked for: write verifier = "invitation" under [enrolment]',
            path=here.files[0],
        )
    entropy = SystemEntropy()
    with here.open_store() as store:
        secret = invitation_secret(store, defined[0].name, entropy)
    for _ in range(count):
        say(code(secret, entropy))
