"""Commands and their options. What they do is in `confidante.lab`, imported when a command is called."""

import sys
from collections.abc import Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import typer

from confidante.cli.cohort_command import COHORT_EXAMPLES, cohort_command
from confidante.cli.coordinator_app import coordinator
from confidante.cli.options import (
    DEFAULT_DELTA,
    DEFAULT_EPSILON,
    AsJson,
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
    print_json,
)
from confidante.cli.participate_command import (
    PARTICIPATE_EXAMPLES,
    ROUNDS_EXAMPLES,
    participate_command,
    rounds_command,
)
from confidante.cli.profile_app import OPEN_EXAMPLES, open_page_command, profile
from confidante.cli.refine_command import refine
from confidante.cli.rehearse_command import REHEARSE_EXAMPLES, rehearse_command
from confidante.cli.relay_command import RELAY_EXAMPLES, relay_command
from confidante.cli.simulate_command import SIMULATE_EXAMPLES, simulate_command
from confidante.cli.update_command import UPDATE_EXAMPLES, update_command
from confidante.cli.welcome_command import (
    ATTRIBUTES_EXAMPLES,
    WELCOME_EXAMPLES,
    attributes_command,
    welcome_command,
)
from confidante.core.errors import ConfidanteError, DataError, PlanError

PROFILE = "profile"
"""Folder of the demo's device, in the demo's own."""

# The class that every "wrong option" error shares, wherever this release of typer keeps it.
_WrongUse: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

app = typer.Typer(
    name="confidante",
    help="A recommender that learns from people without collecting anything about them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
lab = typer.Typer(help="Train, rank and measure on data of your own, one simulated device a person.")
app.add_typer(lab, name="lab", no_args_is_help=True)
app.add_typer(profile, name="profile", no_args_is_help=True)
app.add_typer(coordinator, name="coordinator", no_args_is_help=True)
lab.command("simulate", epilog=SIMULATE_EXAMPLES)(simulate_command)
lab.command("rehearse", epilog=REHEARSE_EXAMPLES)(rehearse_command)
profile.command("participate", epilog=PARTICIPATE_EXAMPLES)(participate_command)
profile.command("rounds", epilog=ROUNDS_EXAMPLES)(rounds_command)
profile.add_typer(refine, name="refine")
profile.command("update", epilog=UPDATE_EXAMPLES)(update_command)
profile.command("welcome", epilog=WELCOME_EXAMPLES)(welcome_command)
profile.command("attributes", epilog=ATTRIBUTES_EXAMPLES)(attributes_command)
profile.command("cohort", epilog=COHORT_EXAMPLES)(cohort_command)
app.command("open", epilog=OPEN_EXAMPLES)(open_page_command)
app.command("relay", epilog=RELAY_EXAMPLES)(relay_command)


EngineOption = Annotated[
    Engine,
    typer.Option(
        help="secure: every device runs the real protocol. ideal: the same integers, added in the open. "
        "aggregate: as ideal, and the noise of all devices is drawn at once (same law, fastest)."
    ),
]
Items = Annotated[Path | None, typer.Option(help="CSV `item,title,labels`, labels separated by `|`.")]


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        code = app(args=list(arguments), prog_name="confidante", standalone_mode=False)
    except ConfidanteError as error:
        return _fail(str(error))
    except _WrongUse as error:
        return _fail(error.format_message())  # type: ignore[attr-defined]  # click's, wherever it is kept
    except (typer.Abort, KeyboardInterrupt):
        return 130
    return code if isinstance(code, int) else 0


def _fail(problem: str) -> int:
    if problem:  # without: the help was shown instead
        sys.stderr.write(f"confidante: error: {' '.join(problem.split())}\n")
    return 2


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"confidante {installed_version('confidante')}\n")
        raise typer.Exit


@app.callback()
def confidante(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that stand before a command."""


RANK_EXAMPLES = """[bold]Examples[/bold]

confidante lab rank train.csv --items items.csv --epsilon 4 -k 100 --out top.csv

confidante lab rank baskets.csv --repeat --no-noise --out top.csv --json
"""


@lab.command(epilog=RANK_EXAMPLES)
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
    from confidante.lab.rank import Training, rank_file

    if no_noise and epsilon is not None:
        raise PlanError("--no-noise and --epsilon exclude each other: give one of them")
    training = Training(
        epsilon=None if no_noise else DEFAULT_EPSILON if epsilon is None else epsilon,
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
        result = rank_file(train, items, out, k, training, bars)
    if as_json:
        print_json(result)
    else:
        from confidante.cli.screen import show_rank

        show_rank(result, out)


FRONTIER_EXAMPLES = """[bold]Examples[/bold]

confidante lab frontier --ml100k --out frontier.html

confidante lab frontier train.csv --items items.csv --epsilons 1,4 --seeds 3 --out frontier.png --test
"""


@lab.command(epilog=FRONTIER_EXAMPLES)
def frontier(
    train: Annotated[
        Path | None, typer.Argument(metavar="TRAIN.csv", help="CSV `user,item,timestamp`.")
    ] = None,
    *,
    out: Annotated[Path, typer.Option(help="Picture to write, ending with .html, .svg or .png.")],
    items: Items = None,
    ml100k: Annotated[bool, typer.Option("--ml100k", help="Take MovieLens-100K instead of a file.")] = False,
    epsilons: Annotated[str, typer.Option(help="Which to try, separated by commas.")] = "0.5,1,2,4,8",
    delta: Delta = DEFAULT_DELTA,
    seeds: Annotated[int, typer.Option(help="Trainings for each epsilon.")] = 2,
    test: Annotated[bool, typer.Option("--test", help="Grade on the test part, not on valid.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw accuracy against epsilon, with popularity and no noise as end lines.

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
        from confidante.cli.screen import show_frontier

        show_frontier(result, out)


def _numbers(text: str) -> list[float]:
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise PlanError(f"epsilons is {text!r}: give numbers separated by commas, like 0.5,1,2") from None


DEMO_EXAMPLES = """[bold]Examples[/bold]

confidante demo

confidante demo --out out/demo --seed 7 --epsilon 2

confidante demo --engine aggregate --json
"""


@app.command(epilog=DEMO_EXAMPLES)
def demo(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the report; made when it is missing.")] = Path(
        "out/demo"
    ),
    seed: Seed = 0,
    epsilon: Annotated[float, typer.Option(help="User-level epsilon against the coordinator.")] = 8.0,
    delta: Delta = DEFAULT_DELTA,
    engine: EngineOption = Engine.secure,
    as_json: AsJson = False,
) -> None:
    """Train on MovieLens-100K with real private sums, then show how good, how private and why.

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
        from confidante.cli.screen import show_demo

        show_demo(result, page)


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise PlanError(f"the seed is {seed}: give 0 or more")
