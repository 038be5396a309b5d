"""`confidante lab rank`, `confidante lab frontier` and `confidante demo`."""

from pathlib import Path
from typing import Annotated

import typer

from confidante.cli.lab.options import (
    DEFAULT_DELTA,
    Delta,
    Dropout,
    Engine,
    EngineOption,
    Epsilon,
    Items,
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

PROFILE = "profile"
"""Folder of the demo's device, in the demo's own."""


@lab.command(
    epilog=examples(
        "confidante lab rank train.csv --items items.csv --epsilon 4 -k 100 --out top.csv",
        "confidante lab rank baskets.csv --repeat --no-noise --out top.csv --json",
    )
)
def rank(
    train: Annotated[Path, typer.Argument(metavar="TRAIN.csv", help="CSV `user,item,timestamp`.")],
    out: Annotated[Path, typer.Option(help="Where to write `user,item,rank`; replaced when it exists.")],
    *,
    items: Items = None,
    epsilon: Epsilon = None,
    delta: Delta = DEFAULT_DELTA,
    no_noise: NoNoise = False,
    k: Annotated[int, typer.Option("-k", help="Items for each user.")] = 100,
    seed: Seed = 0,
    repeat: Repeat = False,
    ratings: Annotated[
        bool,
        typer.Option("--ratings", help="Its column `value` holds ratings: low ones count against."),
    ] = False,
    engine: EngineOption = Engine.aggregate,
    max_dropout: MaxDropout = 0.3,
    max_collusion: MaxCollusion = 0.1,
    dropout: Dropout = 0.0,
    bits: Annotated[int, typer.Option(help="Bits of an uploaded number, 8 to 32.")] = 20,
    max_upload: MaxUpload = 3_000_000,
    as_json: AsJson = False,
) -> None:
    """Train privately on a file of interactions and write everybody's best items.

    Equal timestamps keep the order of the file. Without --repeat nobody gets an item they already have.
    """
    from confidante.cli.progress import Bars
    from confidante.lab.experiment import Training
    from confidante.lab.rank import rank_file

    training = Training(
        epsilon=wanted_epsilon(epsilon, no_noise=no_noise),
        delta=delta,
        seed=seed,
        engine=engine.value,
        max_dropout=max_dropout,
        max_collusion=max_collusion,
        dropout=dropout,
        bits=bits,
        max_upload=max_upload,
        repeat=repeat,
    )
    with Bars() as bars:
        result = rank_file(train, items, out, k, training, bars, ratings=ratings)
    if as_json:
        print_json(result)
    else:
        from confidante.cli.lab.screen import show_rank

        show_rank(result, out)


@lab.command(
    epilog=examples(
        "confidante lab frontier --ml100k --out frontier.html",
        "confidante lab frontier train.csv --epsilons 1,4 --seeds 3 --out frontier.png --test",
    )
)
def frontier(
    train: Train = None,
    *,
    out: Annotated[Path, typer.Option(help="Picture to write, ending with .html, .svg or .png.")],
    items: Items = None,
    ml100k: Annotated[bool, typer.Option("--ml100k", help="Take MovieLens-100K instead of a file.")] = False,
    epsilons: Annotated[
        str, typer.Option(help="Values of epsilon to try, separated by commas.")
    ] = "0.5,1,2,4,8",
    delta: Delta = DEFAULT_DELTA,
    seeds: Annotated[int, typer.Option(help="Trainings for each epsilon.")] = 2,
    test: Annotated[bool, typer.Option("--test", help="Grade on the test part, not on valid.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw accuracy against epsilon, with popularity and no noise as the two ends.

    Each person's last two items are held out; constants should be chosen on valid only.
    """
    from confidante.cli.progress import Bars
    from confidante.lab.data.csv_files import load_csv
    from confidante.lab.data.ml100k import load_ml100k
    from confidante.lab.data.movielens import fetch_ml100k
    from confidante.lab.frontier import check_out, run_frontier, write_frontier

    if ml100k == (train is not None):
        raise DataError("give either TRAIN.csv or --ml100k")
    if ml100k and items is not None:
        raise DataError("--ml100k brings its own items: leave --items out")
    wanted = _numbers(epsilons)
    check_out(out)
    with Bars() as bars:
        dataset = load_ml100k(fetch_ml100k(progress=bars.say)) if train is None else load_csv(train, items)
        result = run_frontier(dataset, wanted, seeds=seeds, delta=delta, test=test, progress=bars)
    write_frontier(result, out)
    if as_json:
        print_json(result.to_json())
    else:
        from confidante.cli.lab.screen import show_frontier

        show_frontier(result, out)


def _numbers(text: str) -> list[float]:
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise PlanError(f"epsilons is {text!r}: give numbers separated by commas, like 0.5,1,2") from None


DEMO_EXAMPLES = examples(
    "confidante demo",
    "confidante demo --out out/demo --seed 7 --epsilon 2",
    "confidante demo --engine aggregate --json",
)


def demo(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the report; created when it is missing.")] = Path(
        "out/demo"
    ),
    seed: Seed = 0,
    epsilon: Annotated[float, typer.Option(help="User-level epsilon against the coordinator.")] = 8.0,
    delta: Delta = DEFAULT_DELTA,
    engine: EngineOption = Engine.secure,
    as_json: AsJson = False,
) -> None:
    """Train on MovieLens-100K with real secure aggregation, then report accuracy, privacy and reasons.

    Fetches the data once (to CONFIDANTE_CACHE, by default below the user's cache folder), simulates a device
    for every person, lets 20 % of them vanish in every round, and writes report.html, report.json, a picture
    and a profile that `confidante open` opens to the folder.
    """
    from confidante.cli.progress import Bars
    from confidante.lab.data.ml100k import load_ml100k
    from confidante.lab.data.movielens import fetch_ml100k
    from confidante.lab.demo import run_demo
    from confidante.lab.demo_profile import check_profile_folder
    from confidante.lab.report import prepare_folder, write_report

    _check_seed(seed)
    prepare_folder(out)
    check_profile_folder(out / PROFILE)
    with Bars() as bars:
        dataset = load_ml100k(fetch_ml100k(progress=bars.say))
        result = run_demo(
            dataset,
            seed=seed,
            epsilon=epsilon,
            delta=delta,
            engine=engine.value,
            profile=out / PROFILE,
            progress=bars,
        )
    page = write_report(result, out)
    if as_json:
        print_json(result.to_json())
    else:
        from confidante.cli.lab.screen import show_demo

        show_demo(result, page)


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise PlanError(f"the seed is {seed}: give 0 or more")
