"""The group of commands of the lab, and the options that they share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from confidante.core.errors import PlanError

lab = typer.Typer(help="Train, rank and measure on data of your own, one simulated device a person.")

DEFAULT_EPSILON = 4.0
DEFAULT_DELTA = 1e-5


class Engine(StrEnum):
    """How the sums are taken."""

    aggregate = "aggregate"
    ideal = "ideal"
    secure = "secure"


Seed = Annotated[int, typer.Option(help="Decides all randomness of the run, 0 or more. For the lab only.")]
Delta = Annotated[float, typer.Option(help="Probability that the promise of epsilon fails.")]
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
MaxDropout = Annotated[float, typer.Option(help="Fraction of the devices that may drop out.")]
MaxCollusion = Annotated[float, typer.Option(help="Fraction that may collude with the coordinator.")]
Dropout = Annotated[float, typer.Option(help="Fraction that really drops out during each sum.")]


def _fits(upload: int) -> int:
    if not 1024 <= upload <= 1 << 30:
        raise PlanError(f"max_upload is {upload} bytes: give from 1,024 to {1 << 30:,}")
    return upload


MaxUpload = Annotated[int, typer.Option(callback=_fits, help="Bytes of the largest upload.")]
EngineOption = Annotated[
    Engine,
    typer.Option(
        help="secure: every device runs the real protocol. ideal: the same integers, added in the open. "
        "aggregate: as ideal, and the noise of all devices is drawn at once (same law, fastest)."
    ),
]
Train = Annotated[Path | None, typer.Argument(metavar="TRAIN.csv", help="CSV `user,item,timestamp`.")]
Items = Annotated[Path | None, typer.Option(help="CSV `item,title,labels`, labels separated by `|`.")]


def wanted_epsilon(epsilon: float | None, *, no_noise: bool) -> float | None:
    """Return what two options that exclude each other say; None for no noise. Raises PlanError."""
    if no_noise and epsilon is not None:
        raise PlanError("--no-noise and --epsilon exclude each other: give one of them")
    return None if no_noise else DEFAULT_EPSILON if epsilon is None else epsilon
