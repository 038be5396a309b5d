"""The command line as a whole. What a command does is imported when it is called."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from confidante.cli.coordinator import coordinator
from confidante.cli.lab import DEMO_EXAMPLES, demo, lab
from confidante.cli.profile import OPEN_EXAMPLES, open_page_command, profile
from confidante.cli.relay import RELAY_EXAMPLES, relay_command
from confidante.core.errors import ConfidanteError

# The class that every "wrong option" error shares, wherever this release of typer keeps it.
_WrongUse: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

SHORT = {"export", "forget", "history", "import", "left", "recommend", "record", "switch", "why"}
"""Commands of `confidante profile` that are commands by themselves, too."""

app = typer.Typer(
    name="confidante",
    help="A recommender that learns from people without collecting anything about them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(lab, name="lab", no_args_is_help=True)
app.add_typer(profile, name="profile", no_args_is_help=True)
app.add_typer(coordinator, name="coordinator", no_args_is_help=True)
app.command("demo", epilog=DEMO_EXAMPLES)(demo)
app.command("open", epilog=OPEN_EXAMPLES)(open_page_command)
app.command("relay", epilog=RELAY_EXAMPLES)(relay_command)
for _one in profile.registered_commands:
    if _one.callback is not None and (_name := _one.name or _one.callback.__name__) in SHORT:
        app.command(_name, epilog=_one.epilog, rich_help_panel="One person's device, in short")(_one.callback)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        code = app(args=list(arguments), prog_name="confidante", standalone_mode=False)
    except ConfidanteError as error:
        return _fail(str(error))
    except _WrongUse as error:
        problem: str = error.format_message()  # type: ignore[attr-defined]  # click's, wherever it is kept
        if "unexpected extra argument" in problem:
            problem += ": a profile is named by --profile FOLDER"
        return _fail(problem)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    return code if isinstance(code, int) else 0


def _fail(problem: str) -> int:
    if problem:  # without: the help was shown instead
        sys.stderr.write(f"confidante: error: {' '.join(problem.split())}\n")
    return 2


def _version(wanted: bool) -> None:
    if wanted:
        from confidante import __version__

        sys.stdout.write(f"confidante {__version__}\n")
        raise typer.Exit


@app.callback()
def confidante(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that stand before a command."""
