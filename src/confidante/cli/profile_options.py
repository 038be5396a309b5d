"""Options that commands on a person's device share."""

from pathlib import Path
from typing import Annotated

import typer

Where = Annotated[
    Path | None,
    typer.Argument(metavar="[FOLDER]", help="The profile; where this user's data usually is when left out."),
]
Folder = Annotated[
    Path | None,
    typer.Option("--profile", help="The profile; where this user's data usually is when left out."),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        help="File whose first line is the passphrase. Otherwise CONFIDANTE_PASSPHRASE, or you are asked."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before everything is gone.")]
