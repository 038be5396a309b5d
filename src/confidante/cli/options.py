"""Options that commands of several groups share."""

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Limit = Annotated[int, typer.Option("-n", "--limit", min=0, max=10_000, help="How many, newest first.")]
Certificate = Annotated[
    Path | None, typer.Option(help="PEM file of the certificate to trust in place of the system's.")
]
Invitation = Annotated[
    Path | None, typer.Option(help="File with the invitation, where the coordinator asks for one.")
]
