"""`confidante coordinator rounds` and `status`, in this process."""

import sqlite3
import time
from pathlib import Path

import pytest
from run_world import defined
from store_world import ROUND, filled, opened
from typer.testing import CliRunner

from confidante.cli.coordinator.app import coordinator
from confidante.coordinator.store import Payment, Store
from confidante.core.errors import DataError, StoreError


def said(*words: object) -> str:
    answer = CliRunner().invoke(coordinator, [*map(str, words)])
    assert answer.exit_code == 0, answer.output
    return answer.output


def test_that_there_was_no_round_is_said(tmp_path: Path) -> None:
    file = defined(tmp_path)
    with Store.open(f"sqlite:///{tmp_path / 'films.db'}") as store:
        store.migrate()
        assert said("rounds", file) == (
            "there was no round yet: `confidante coordinator status` says what the next one waits for\n"
        )
        assert said("rounds", file, "--json") == "[]\n"
        opened(store)
    assert " at ADVERTISE, " in said("rounds", file)


def test_how_long_a_phase_may_take_is_said_in_words(tmp_path: Path) -> None:
    file = defined(tmp_path)
    with Store.open(f"sqlite:///{tmp_path / 'films.db'}") as store:
        store.migrate()
        filled(store)
        assert store.rounds.open(ROUND, time.time() + 7200.0, Payment(1.5, 0.25), 2.0, after=0)
    assert "at most 2 hours more" in said("status", file)


COMMANDS = (
    ("status", "{}"),
    ("rounds", "{}"),
    ("results", "{}"),
    ("pause", "{}"),
    ("resume", "{}"),
    ("abort", "ab", "{}"),
    ("backup", "films.backup", "{}"),
    ("invite", "{}"),
    ("revoke", "AAAAA", "--file", "{}"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_before_the_first_run_every_command_says_the_same_and_makes_nothing(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = defined(tmp_path)
    file.write_text(file.read_text().replace('"open"', '"invitation"'))
    there = {*tmp_path.iterdir()}

    def refused(name: str) -> str:
        words = [word.format(name) for word in command]
        answer = CliRunner().invoke(coordinator, words)
        assert answer.exit_code == 1
        assert {*tmp_path.iterdir()} == there
        assert isinstance(answer.exception, DataError | StoreError)
        return str(answer.exception)

    assert refused("film.toml") == "film.toml: cannot be read (No such file or directory): name a TOML file"
    database = tmp_path / "films.db"
    assert refused(str(file)) == f"{database}: does not exist yet: `confidante coordinator run` creates it"
    sqlite3.connect(database).close()
    database.touch()
    there.add(database)
    assert "has no tables yet" in refused(str(file))
    assert "`confidante coordinator run` makes them" in refused(str(file))
