"""The group of commands of an operator, the options that they share, and what they open."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, final

import typer

from confidante.core.errors import DataError

if TYPE_CHECKING:
    from confidante.coordinator.config.population import Population
    from confidante.coordinator.store import Store
    from confidante.coordinator.store.bodies import Bodies

coordinator = typer.Typer(
    help="Hold the rounds in which devices learn together. First `init`, then `doctor`, then `run`."
)
DEFAULT = Path("population.toml")

Definitions = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[POPULATION.toml]...",
        help="As `init` writes it; population.toml of this folder when left out. Several share one database.",
        show_default=False,
    ),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="CONFIDANTE_DATABASE",
        help="@<file> that holds the address, so that its password stands in no list of processes; or the "
        "address: sqlite:///<path> (one host) or postgresql://<user>:<password>@<host>/<name> (any number "
        "of hosts); a SQLite file beside the population when left out.",
    ),
]
BodiesOption = Annotated[
    str | None,
    typer.Option(
        "--bodies",
        envvar="CONFIDANTE_BODIES",
        help="Where uploads and models are stored, as file://<folder> (shared by all hosts); beside the "
        "population when left out.",
    ),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--operator-key-file",
        envvar="CONFIDANTE_OPERATOR_KEY_FILE",
        help="File with the key that /metrics and the page's login ask for; made, with a random one, when "
        "missing.",
    ),
]


@final
@dataclass(frozen=True, slots=True)
class Place:
    """Where a coordinator keeps its things. database may hold a password."""

    files: tuple[Path, ...]
    database: str
    bodies: str
    key_file: Path

    def populations(self) -> "tuple[Population, ...]":
        """Read all definitions. Raises DataError for one that is wrong, and for a name that comes twice."""
        from confidante.coordinator.config.population_file import read_population

        found = tuple(read_population(path) for path in self.files)
        if len({one.name for one in found}) != len(found):
            raise DataError("two populations have the same name: give each its own", path=self.files[-1])
        return found

    def open_bodies(self) -> "Bodies":
        """Return the store of bodies."""
        from confidante.coordinator.store.bodies import Bodies

        return Bodies(self.bodies)

    @contextmanager
    def open_store(self) -> "Iterator[Store]":
        """Open the database as it is; for commands that look at it or change it a little."""
        from confidante.coordinator.store import Store

        self.refuse_missing()
        with Store.open(self.database) as store:
            store.log.tail(1)  # without tables nothing else is opened, or made
            yield store

    def refuse_missing(self) -> None:
        """Raise DataError when a definition, or the database's file, is not there: a look would make it."""
        for file in self.files:
            if not file.is_file():
                raise DataError("cannot be read (No such file or directory): name a TOML file", path=file)
        path = sqlite_path(self.database)
        if path is not None and not path.exists():
            raise DataError("does not exist yet: `confidante coordinator run` creates it", path=path)


def place(
    files: list[Path] | None, database: str | None, bodies: str | None, key_file: Path | None = None
) -> Place:
    """Return where everything is, with what was left out filled in."""
    if not files and not DEFAULT.exists():
        raise DataError(
            f"there is no {DEFAULT} in this folder: `confidante coordinator init` writes one, "
            "or name your own file"
        )
    chosen = tuple(files or (DEFAULT,))
    beside = chosen[0].resolve()
    return Place(
        chosen,
        _address(database) if database else f"sqlite:///{beside.with_suffix('.db')}",
        bodies or f"file://{beside.with_suffix('')}-bodies",
        key_file or beside.with_name("operator.key"),
    )


def sqlite_path(database: str) -> Path | None:
    """Return the file of a SQLite address, None for another."""
    return Path(database.removeprefix("sqlite:///")) if database.startswith("sqlite:///") else None


def _address(given: str) -> str:
    if not given.startswith("@"):
        return given
    path = Path(given[1:])
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise DataError("cannot be read: it has to hold the database's address", path=path) from None
