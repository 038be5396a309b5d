"""`confidante lab rehearse`: a training over real processes on this machine, held against the simulator."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from confidante.cli.lab.options import Epsilon, Items, NoNoise, Seed, Train, lab, wanted_epsilon
from confidante.cli.options import AsJson
from confidante.cli.terminal import examples, print_json
from confidante.core.errors import DataError

_MOST = 500
_ITEMS, _EVENTS = 200, 20


@lab.command(
    "rehearse",
    epilog=examples(
        "confidante lab rehearse --devices 20",
        "confidante lab rehearse --devices 20 --task popularity --out rehearsal",
        "confidante lab rehearse train.csv --items items.csv --devices 50 --no-noise --out rehearsal",
    ),
)
def rehearse_command(
    train: Train = None,
    *,
    items: Items = None,
    devices: Annotated[
        int, typer.Option(help="Processes to start, one a person: the first of the file, or made-up ones.")
    ] = 20,
    epsilon: Epsilon = None,
    no_noise: NoNoise = False,
    task: Annotated[
        str, typer.Option(metavar="KIND", help="One more sum: of a `\\[\\[task]]` of this kind.")
    ] = "",
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="New folder to keep: population, vaults, database and what each process said."),
    ] = None,
    limit: Annotated[float, typer.Option(help="Seconds for all of it.")] = 1800.0,
    as_json: AsJson = False,
) -> None:
    """Train with a real coordinator and a real device process for each person, on this machine.

    Vaults, keys, masks and noise are real, and the messages cross HTTP. Without noise the model has to be the
    simulator's, bit for bit; with noise each sum has to be off by the noise that was planned.
    """
    from confidante.cli.progress import Bars
    from confidante.lab.data.csv_files import load_csv
    from confidante.lab.people import SyntheticPeople, synthetic_catalogue
    from confidante.lab.rehearsal import rehearse

    wanted = wanted_epsilon(epsilon, no_noise=no_noise)
    if not 3 <= devices <= _MOST:
        raise DataError(f"{devices} device processes: give 3 to {_MOST}")
    if out is not None and out.exists():
        raise DataError("exists already: name a new folder", path=out)
    if train is None:
        if items is not None:
            raise DataError("--items goes with TRAIN.csv: made-up people have made-up items")
        import numpy as np

        histories = SyntheticPeople(devices, _ITEMS, _EVENTS, seed).select(np.arange(devices))
        catalogue = synthetic_catalogue(_ITEMS)
    else:
        data = load_csv(train, items)
        if data.histories.people < devices:
            raise DataError(f"has {data.histories.people} people, not {devices}", path=train)
        histories, catalogue = data.histories.slice(0, devices), data.catalogue
    folder = Path(tempfile.mkdtemp(prefix="rehearsal-")) if out is None else out
    try:
        with Bars() as bars:
            ended = rehearse(
                histories, catalogue, folder, epsilon=wanted, task=task, limit=limit, progress=bars
            )
    finally:
        if out is None:
            shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        print_json(
            {
                "devices": devices,
                "seconds": ended.seconds,
                "peak_bytes": ended.peak_bytes,
                "model_bytes": len(ended.model),
                "same_as_simulated": ended.same if wanted is None else None,
                "sums": [
                    {"task": one.task, "devices": one.devices, "entries": one.entries, "noise": one.noise}
                    for one in ended.sums
                ],
            }
        )
        return
    say = sys.stdout.write
    say(
        f"{devices} device processes learnt a model of {len(ended.model):,} bytes in {ended.seconds:.1f} s; "
        f"the largest took {ended.peak_bytes / (1 << 20):.0f} MiB\n"
    )
    for one in ended.sums:
        told = (
            "the simulator's, to the last integer"
            if one.noise == 0
            else f"off by {one.noise:.3f} times the planned noise"
        )
        say(f"  {one.task}: {one.entries:,} numbers from {one.devices} devices, {told}\n")
    if wanted is None:
        say(f"the model is {'' if ended.same else 'NOT '}the simulator's, bit for bit\n")
    if not ended.as_planned:
        raise typer.Exit(1)
