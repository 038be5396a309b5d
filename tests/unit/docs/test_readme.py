"""The README is true: what it names exists, and its Python runs."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from confidante import Device, Item
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.values import NotRefined

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_local_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


def test_every_file_that_is_named_exists() -> None:
    named = re.findall(r"`(?:python )?((?:tests|benchmarks|docs|vectors)/[\w./-]*)", README)
    named += [f"benchmarks/{name}" for name in re.findall(r"`(bench_\w+\.py)`", README)]
    assert len(named) > 10
    assert not [name for name in named if not (ROOT / name).exists()]


def _example(of: str) -> str:
    """Return the one example of the README that has these words."""
    [found] = [one for one in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL) if of in one]
    return str(found)


def test_the_example_for_apps_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(
        compile(_example("with Device("), "README.md", "exec"), {}
    )  # the README's own code is the thing under test
    first, second, because = capsys.readouterr().out.splitlines()
    assert first.startswith("Aliens (1986)")
    assert "Alien (1979)" in first
    assert second.startswith("Babe (1995)")
    assert because == "Without “Alien (1979)”, “Aliens (1986)” would not be in your top 1."


def test_the_example_for_taking_part_runs_and_sends_nothing_while_the_switches_are_off(
    tmp_path: Path,
) -> None:
    with Device(tmp_path / "mine", InsecurePlaintextKey()) as device:
        exec(compile(_example("participate_in_background"), "README.md", "exec"), {"device": device})
        [background] = device.backgrounds
        background.close()
        assert device.ledger.departures() == ()


def test_the_examples_for_a_first_day_and_for_refining_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Device(tmp_path / "mine", InsecurePlaintextKey()) as device:
        device.add_items([Item("m1", "Babe (1995)"), Item("m2", "Alien (1979)"), Item("m3", "Aliens (1986)")])
        exec(compile(_example("welcome_slate"), "README.md", "exec"), {"device": device})
        assert capsys.readouterr().out == "None\n"
        assert len(device.picks()) == 2
        refining = _example("refine_with").replace("device.refresh_refinement()", "pass")  # nobody is there
        names: dict[str, Any] = {"device": device}
        exec(compile(refining, "README.md", "exec"), names)
        assert names["better"].refinement.reason is NotRefined.NOT_PREPARED


def test_the_example_for_the_lab_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    events = [f"u{u},i{i},{t}" for u in range(60) for t, i in enumerate(rng.choice(40, 12, replace=False))]
    (tmp_path / "train.csv").write_text("user,item,timestamp\n" + "\n".join(events) + "\n")
    titles = "".join(f"i{i},Title {i},kind {i % 3}\n" for i in range(40))
    (tmp_path / "items.csv").write_text("item,title,labels\n" + titles)
    monkeypatch.chdir(tmp_path)
    exec(compile(_example("run_training"), "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("Title ") for line in lines) == 10
    assert "server_epsilon" in lines[-1]
