"""`confidante profile cohort`: whose popularity is used, in words and for programs."""

import json

import numpy as np
import pytest

from confidante.cli.app import run
from confidante.core.values import Catalogue
from confidante.device.device import Device
from confidante.device.recommend import cohorts
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.tasks.cohorts.release import CohortRelease
from confidante.tasks.cohorts.table import CohortTable
from confidante.tasks.cohorts.task import CohortTask
from confidante.tasks.cohorts.tree import everyone_by
from confidante.tasks.registry import encode_task
from confidante.wire.catalogue import CatalogueWire

TREE = everyone_by({"age": ("young", "old")})
IDS = tuple(f"f{n}" for n in range(6))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A profile of six films, without tables."""
    monkeypatch.delenv("CONFIDANTE_PASSPHRASE", raising=False)
    rows = [f"{one},Film {one},a" for one in IDS]
    (tmp_path / "items.csv").write_text("\n".join(["item,title,labels", *rows]) + "\n")
    made = [
        "profile",
        "new",
        "-p",
        str(tmp_path / "p"),
        "--unprotected",
        "--items",
        str(tmp_path / "items.csv"),
    ]
    assert run(made) == 0
    return tmp_path / "p"


def fetched(folder):
    """Put tables there as if they had been fetched: the young have their own, the old are too few."""
    wire = CatalogueWire(Catalogue(IDS, IDS, ((),) * 6))
    priors = np.array([[0.1, 0.2, 0.3, 0.4, 0.5, 1.0]], dtype=np.float32)
    table = CohortTable(wire.digest, TREE, (0, 1, 0), priors)
    task = encode_task(CohortTask(TREE, 6), wire)
    data = CohortRelease(task, 50.0, (220.4, 180.2, 40.2), (5.0, 3.0, 3.0), table).encode()
    with Device(folder, InsecurePlaintextKey(), create=False) as device:
        cohorts.keep(device._vault, "https://films.example", "films", data, IDS)


def test_without_tables_it_is_everyones(call, folder):
    code, out, _ = call("profile", "cohort", "--profile", folder)
    assert code == 0
    assert "popular with everyone is used" in out
    assert json.loads(call("profile", "cohort", "--profile", folder, "--json")[1]) == {"cohort": None}


def test_the_group_follows_what_is_stated(call, folder):
    fetched(folder)
    assert call("profile", "attributes", "--profile", folder, "age=young")[0] == 0
    code, out, _ = call("profile", "cohort", "--profile", folder)
    assert code == 0
    assert "age young: about 180 devices (noise ± 3)" in out
    assert "because you said age young" in out
    assert "popular with people like: age young" in call("profile", "recommend", "--profile", folder)[1]
    assert call("profile", "attributes", "--profile", folder, "age=old")[0] == 0
    said = json.loads(call("profile", "cohort", "--profile", folder, "--json")[1])["cohort"]
    assert said == {
        "name": "everyone",
        "path": ["age old", "everyone"],
        "why": "you said age old",
        "size": 220.4,
        "error": 5.0,
        "folded": True,
    }
    assert "your own group, age old, is too small" in call("profile", "cohort", "--profile", folder)[1]
