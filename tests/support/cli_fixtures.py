import csv

import numpy as np
import pytest

from confidante.cli.app import run


@pytest.fixture
def call(capsys):
    """Runs a command line in this process: (exit code, standard output, standard error)."""

    def calling(*arguments):
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return calling


@pytest.fixture
def shop(tmp_path):
    """(TRAIN.csv, ITEMS.csv) of 12 people over 30 items, each with 6 to 11 events."""
    generator = np.random.default_rng(5)
    train, items = tmp_path / "train.csv", tmp_path / "items.csv"
    with train.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("user", "item", "timestamp"))
        for person in range(12):
            chosen = generator.permutation(30)[: generator.integers(6, 12)]
            rows.writerows((f"p{person}", f"i,{item}", 100 * place) for place, item in enumerate(chosen))
    with items.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("item", "title", "labels"))
        rows.writerows((f"i,{item}", f"Item {item} ($1, <b>)", "ab"[item % 2]) for item in range(30))
    return train, items
