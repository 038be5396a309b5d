"""The group of commands on a person's device, and the options that they share."""

from pathlib import Path
from typing import Annotated

import typer

profile = typer.Typer(help="One person's device: import, recommend, explain, forget, switch, erase.")

Folder = Annotated[
    Path | None,
    typer.Option(
        "--profile",
        "-p",
        envvar="CONFIDANTE_PROFILE",
        metavar="FOLDER",
        help="The profile; where this user's data usually is when left out.",
        show_default=False,
    ),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        help="File whose first line is the passphrase. Otherwise CONFIDANTE_PASSPHRASE, or you are asked."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before everything is gone.")]
