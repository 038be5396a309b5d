"""`confidante coordinator rounds` and `status`, in this process."""

import time
from pathlib import Path

from run_world import defined
from store_world import ROUND, filled, opened
from typer.testing import CliRunner

from confidante.cli.coordinator.app import coordinator
from confidante.coordinator.store import Payment, Store


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
