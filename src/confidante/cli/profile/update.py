"""`confidante profile update`: the newest model that a coordinator published."""

from pathlib import Path
from typing import Annotated

import typer

from confidante.cli.options import AsJson
from confidante.cli.profile.options import PassphraseFile, profile
from confidante.cli.profile.participate import trusting
from confidante.cli.terminal import examples, print_json, say
from confidante.device.values import Purpose


@profile.command(
    "update",
    epilog=examples(
        "confidante profile update my-profile https://sums.example.org films",
        "confidante profile update https://sums.example.org films --json",
    ),
)
def update_command(
    places: Annotated[
        list[str],
        typer.Argument(
            metavar="[PROFILE] URL POPULATION",
            help="The profile (where this user's data usually is when left out), the coordinator's address, "
            "and the name of the population.",
        ),
    ],
    *,
    patience: Annotated[float, typer.Option(min=1.0, help="Time limit in seconds.")] = 600.0,
    certificate: Annotated[
        Path | None, typer.Option(help="PEM file of the certificate to trust in place of the system's.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Install the newest model that a coordinator's public log names, for better recommendations.

    Tells the coordinator that somebody fetches it, so it needs a switch that is on, such as `confidante
    profile switch train on`. What was fetched when it is cut off is kept for the next time.
    """
    from confidante.cli.profile.opening import open_profile

    if not 2 <= len(places) <= 3:
        raise typer.BadParameter("give the coordinator's address and the population, and at most a profile")
    url, population = places[-2:]
    folder = Path(places[0]) if len(places) == 3 else None
    tls = None if certificate is None else trusting(certificate)
    with open_profile(folder, passphrase_file) as device:
        on = (one for one in Purpose if one.sends and device.consents.allowed(one))
        newer = device.federation.update_model(
            url, population, purpose=next(on, Purpose.TRAIN), patience=patience, tls=tls
        )
        has_model, items = device.federation.has_model, device.items.count
    if as_json:
        print_json({"installed": newer, "has_model": has_model, "items": items})
        return
    if newer:
        said = f"Installed the newest model of {population}; {items:,} items can be recommended now."
    elif has_model:
        said = "There is no newer model than the one that is installed."
    else:
        said = f"No model of {population} is published yet: it comes when its first training is over."
    say(said)
