"""The task of `examples/task_variety`, a package of its own, runs and is shown like any other."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from paths import ROOT, SUPPORT

EXAMPLE = ROOT / "examples" / "task_variety"
CONTRACT = """
from model_worlds import catalogue_of, random_people
from confidante.tasks.registry import kinds
from confidante.testing.task_contract import check_kind
from confidante.wire.catalogue import CatalogueWire
from confidante_variety import KIND, VarietyConfig, VarietyTask

wire = CatalogueWire(catalogue_of(30))
assert [kind.name for kind in kinds()].count("variety") == 1
task = VarietyTask(wire.catalogue.labels, 5, 3)
check_kind(KIND, task, random_people(12, 30, 25, seed=1), wire, VarietyConfig(epsilon=1.0, events=5, most=3))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which the example is installed, as pip writes it."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    site = tmp_path_factory.mktemp("site")
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    [(group, points)] = project["entry-points"].items()
    lines = [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    path = [str(site), str(EXAMPLE), str(SUPPORT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}


def said(words: list[str], env: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, *words], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_task_of_another_package_keeps_the_contract(installed: dict[str, str]) -> None:
    said(["-c", CONTRACT], installed)


def test_it_runs_in_a_rehearsal_and_its_result_is_shown(installed: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "rehearsal"
    lab = ["-m", "confidante.cli", "lab", "rehearse", "--devices", "4", "--no-noise", "--task", "variety"]
    found = json.loads(said([*lab, "--out", str(out), "--json"], installed))
    assert found["same_as_simulated"] is True
    [mine] = [one for one in found["sums"] if one["task"] == "measure variety 1"]
    assert mine == {"task": "measure variety 1", "devices": 4, "entries": 11, "noise": 0.0}
    results = ["-m", "confidante.cli", "coordinator", "results", str(out / "population.toml")]
    shown = said(results, installed)
    rows = re.search(r"measure variety 1: 4 devices.*?\n(.*?)(?=\n\d{4}-|\Z)", shown, re.DOTALL)
    assert rows is not None
    assert re.search(r"Different labels +People +Noise", rows[1])
    assert sum(float(people) for people in re.findall(r"(\d+\.\d) +± 0\.0", rows[1])) == 4
    [told] = [one for one in json.loads(said([*results, "--json"], installed)) if one["kind"] == "variety"]
    assert sum(told["found"]["people"]) == pytest.approx(4)


def test_a_device_without_the_package_does_not_know_the_kind(installed: dict[str, str]) -> None:
    write = (
        CONTRACT + "\nfrom confidante.tasks.registry import encode_task\nprint(encode_task(task, wire).hex())"
    )
    body = said(["-c", write], installed).strip()
    read = (
        "from confidante.core.errors import WireError\nfrom confidante.tasks.registry import read_form\n"
        f"try:\n    read_form(bytes.fromhex('{body}'))\nexcept WireError as error:\n    print(error)"
    )
    assert "variety 1" in said(["-c", read], dict(os.environ))
