"""`confidante coordinator invite` and `revoke`: codes for people who may take part."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from confidante.cli.coordinator.options import DatabaseOption, Definitions, coordinator, place
from confidante.cli.terminal import examples, say
from confidante.core.entropy import SystemEntropy
from confidante.core.errors import DataError

if TYPE_CHECKING:
    from confidante.cli.coordinator.options import Place


@coordinator.command(epilog=examples("confidante coordinator invite films.toml --count 20 > codes.txt"))
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
    name, entropy = _inviting(here), SystemEntropy()
    with here.open_store() as store:
        secret = invitation_secret(store, name, entropy)
    for _ in range(count):
        say(code(secret, entropy))


@coordinator.command(
    epilog=examples(
        "confidante coordinator revoke ABCDE-FGHIJ-KLMNO-PQRST-UVWXY-Z2345-67ABC-DEFGH --file films.toml"
    )
)
def revoke(
    codes: Annotated[list[str], typer.Argument(metavar="CODE...", help="As `invite` wrote them.")],
    *,
    file: Annotated[
        Path | None, typer.Option(help="The population's file; population.toml when left out.")
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Make invitations invalid from now on: no more tokens are given for them.

    Tokens that were given already are good until their key is replaced: nothing says whose they are.
    """
    from confidante.coordinator.enrolment.verifiers import invitation_secret, invited

    here = place([file] if file else None, database, None)
    name = _inviting(here)
    with here.open_store() as store:
        secret = invitation_secret(store, name, SystemEntropy())
        found = {code: invited(secret, code.encode()) for code in codes}
        unknown = [code for code, number in found.items() if number is None]
        if unknown:
            raise DataError(
                f"{unknown[0]} is not an invitation of this population, nothing was revoked: check it"
            )
        revoked = store.tokens.revoke(name, {number for number in found.values() if number is not None})
    say(f"revoked {revoked}; revoked before: {len(set(found.values())) - revoked}")


def _inviting(here: "Place") -> str:
    """Return the name of the one population that invites people; DataError when there is none."""
    defined = here.populations()
    if len(defined) != 1:
        raise DataError("invitations are for one population: name its file", path=here.files[-1])
    if defined[0].enrolment.verifier != "invitation":
        raise DataError(
            'this population does not ask for invitations: write verifier = "invitation" under [enrolment]',
            path=here.files[0],
        )
    return defined[0].name
