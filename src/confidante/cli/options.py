"""Options that several commands share, and how a result is printed for programs."""

import json
import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

DEFAULT_EPSILON = 4.0
DEFAULT_DELTA = 1e-5


class Engine(StrEnum):
    """How the sums are taken."""

    aggregate = "aggregate"
    ideal = "ideal"
    secure = "secure"


Seed = Annotated[int, typer.Option(help="Decides all randomness of the run, 0 or more. For the lab only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Delta = Annotated[float, typer.Option(help="Chance in which the promise of epsilon may fail.")]
Epsilon = Annotated[
    float | None,
    typer.Option(
        help="User-level epsilon of all sums together, against the coordinator. "
        f"[dim]\\[default: {DEFAULT_EPSILON:g}][/dim]",
        show_default=False,
    ),
]
NoNoise = Annotated[
    bool, typer.Option("--no-noise", help="Secure aggregation only, no differential privacy.")
]
Repeat = Annotated[
    bool, typer.Option("--repeat", help="Repurchase data: people's own items are candidates too.")
]
MaxDropout = Annotated[float, typer.Option(help="Part of the devices that may vanish.")]
MaxCollusion = Annotated[float, typer.Option(help="Part that may side with the coordinator.")]
Dropout = Annotated[float, typer.Option(help="Part that really vanishes during each sum.")]
MaxUpload = Annotated[int, typer.Option(help="Bytes of the largest upload.")]


def print_json(values: Mapping[str, Any]) -> None:
    """Print one JSON object. ASCII: any terminal can hold it."""
    sys.stdout.write(json.dumps(values, allow_nan=False) + "\n")
