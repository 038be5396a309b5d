"""`confidante lab simulate`: the training at scale, over real or made-up people, in one process or many."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from confidante.cli.lab.options import (
    DEFAULT_DELTA,
    Delta,
    Dropout,
    Engine,
    Epsilon,
    MaxCollusion,
    MaxDropout,
    MaxUpload,
    NoNoise,
    Repeat,
    Seed,
    Train,
    lab,
    wanted_epsilon,
)
from confidante.cli.options import AsJson
from confidante.cli.terminal import examples, print_json
from confidante.core.errors import DataError, PlanError

MANY = 50_000
"""With more devices than this the default ring has 32 bits: in 20 their sum would leave few to a device."""

MADE_UP_ITEMS, MADE_UP_EVENTS = 2000, 30


class ScaledEngine(StrEnum):
    """How the sums are taken, and where."""

    aggregate = "aggregate"
    ideal = "ideal"
    secure = "secure"
    ray = "ray"


@lab.command(
    "simulate",
    epilog=examples(
        "confidante lab simulate --devices 1000000 --engine ray --workers 2",
        "confidante lab simulate train.csv --items items.csv --engine ray --address auto --json",
    ),
)
def simulate_command(
    train: Train = None,
    *,
    items: Annotated[
        str | None,
        typer.Option(
            help="With TRAIN.csv: CSV `item,title,labels`. With --devices: how many items to make up. "
            f"[dim]\\[default: none; {MADE_UP_ITEMS:,}][/dim]",
            show_default=False,
        ),
    ] = None,
    devices: Annotated[
        int | None, typer.Option(help="Make up so many devices, as they are needed, instead of a file.")
    ] = None,
    events: Annotated[
        int | None,
        typer.Option(
            help=f"Events of a made-up device, on average. [dim]\\[default: {MADE_UP_EVENTS}][/dim]",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        ScaledEngine,
        typer.Option(
            help="aggregate, ideal, secure: as in `lab rank`, in this process. ray: the very same integers "
            "as aggregate, spread over the workers of a Ray cluster."
        ),
    ] = ScaledEngine.aggregate,
    workers: Annotated[
        int | None,
        typer.Option(help="Ray workers. [dim]\\[default: one a processor][/dim]", show_default=False),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            help="Of a running Ray cluster, as Ray writes it. [dim]\\[default: one on this machine][/dim]",
            show_default=False,
        ),
    ] = None,
    epsilon: Epsilon = None,
    delta: Delta = DEFAULT_DELTA,
    no_noise: NoNoise = False,
    seed: Seed = 0,
    repeat: Repeat = False,
    max_dropout: MaxDropout = 0.3,
    max_collusion: MaxCollusion = 0.1,
    dropout: Dropout = 0.0,
    bits: Annotated[
        int | None,
        typer.Option(
            help="Bits of an uploaded number, 8 to 32. "
            f"[dim]\\[default: 20, and 32 for more than {MANY:,} devices][/dim]",
            show_default=False,
        ),
    ] = None,
    max_upload: MaxUpload = 3_000_000,
    as_json: AsJson = False,
) -> None:
    """Train at scale, and report seconds, memory and, for made-up devices, the quality of the model.

    The same seed gives the same sums with any number of workers. Made-up devices take no memory: give as many
    as there is patience for.
    """
    from confidante.cli.progress import Bars
    from confidante.lab.data.csv_files import load_csv
    from confidante.lab.data.dataset import Dataset
    from confidante.lab.experiment import Training
    from confidante.lab.people import SyntheticPeople
    from confidante.lab.simulate import Cluster, simulate

    if train is not None and events is not None:
        raise DataError("--events is for made-up devices: leave it out with a file")
    spread = engine is ScaledEngine.ray
    if not spread and (workers is not None or address is not None):
        raise PlanError(f"--workers and --address are for --engine ray, not {engine.value}")
    source: Dataset | SyntheticPeople
    if train is None and devices is not None:
        source = SyntheticPeople(devices, _count(items), MADE_UP_EVENTS if events is None else events, seed)
        people = devices
    elif train is not None and devices is None:
        source = load_csv(train, None if items is None else Path(items), repeats="all" if repeat else "first")
        people = source.histories.people
    else:
        raise DataError("give either TRAIN.csv or --devices")
    kind = Engine.aggregate if spread else Engine(engine.value)
    training = Training(
        epsilon=wanted_epsilon(epsilon, no_noise=no_noise),
        delta=delta,
        seed=seed,
        engine=kind.value,
        max_dropout=max_dropout,
        max_collusion=max_collusion,
        dropout=dropout,
        bits=(32 if people > MANY else 20) if bits is None else bits,
        max_upload=max_upload,
        repeat=repeat,
    )
    with Bars() as bars:
        result = simulate(source, training, Cluster(workers, address) if spread else None, bars)
    if as_json:
        print_json(result)
    else:
        from confidante.cli.lab.screen import show_simulation

        show_simulation(result)


def _count(items: str | None) -> int:
    """Return how many items to make up."""
    if items is None:
        return MADE_UP_ITEMS
    try:
        return int(items)
    except ValueError:
        raise DataError(f"--items is {items!r}: with --devices give a number of items to make up") from None
