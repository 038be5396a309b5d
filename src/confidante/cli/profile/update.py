"""`confidante profile update`: the newest model that a coordinator published."""

from pathlib import Path
from typing import Annotated

import typer

from confidante.cli.options import AsJson
from confidante.cli.profile.options import Folder, PassphraseFile, profile
from confidante.cli.profile.participate import trusting
from confidante.cli.terminal import examples, print_json, say
from confidante.device.values import Purpose


@profile.command(
    "update",
    epilog=examples(
        "confidante profile update https://sums.example.org films",
        "confidante profile update https://sums.example.org films -p my-profile --json",
    ),
)
def update_command(
    url: Annotated[str, typer.Argument(help="Address of the coordinator, https.")],
    population: Annotated[str, typer.Argument(help="Name of the population.")],
    *,
    folder: Folder = None,
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
