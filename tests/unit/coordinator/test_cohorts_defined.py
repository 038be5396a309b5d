"""The tree of cohorts in a population's file: read whole, or refused with the key that is wrong."""

from pathlib import Path

import pytest

from confidante.coordinator.config.population import Population
from confidante.coordinator.config.population_file import EXAMPLE, read_population
from confidante.coordinator.config.upload_sizes import upload_sizes
from confidante.core.errors import DataError
from confidante.tasks.base import TaskContext
from confidante.tasks.cohorts.config import CohortConfig
from confidante.tasks.cohorts.task import CohortTask
from confidante.tasks.cohorts.tree import ROOT, everyone_by
from confidante.wire.catalogue import CatalogueWire
from confidante.wire.rounds import Tier

BY = 'by = {age = ["18-24", "25-34", "35+"], tongue = ["en", "fr"]}'
HEAD = """
name = "films"
catalogue = "items.csv"
[[task]]
kind = "cohorts"
epsilon = 1.0
"""


def read(folder: Path, task: str, items: int = 20) -> Population:
    rows = "".join(f"{i},Title {i},a|Horror\n" for i in range(items))
    (folder / "items.csv").write_text("item,title,labels\n" + rows)
    path = folder / "films.toml"
    path.write_text(task, encoding="utf-8")
    return read_population(path)


def example(rest: str) -> str:
    """Return the example with its cohorts, of `by` or of groups."""
    start, end = EXAMPLE.index('# [[task]]\n# kind = "cohorts"'), EXAMPLE.index("[upload]")
    lines = [line.removeprefix("# ") for line in EXAMPLE[start:end].splitlines()]
    groups = next(place for place, line in enumerate(lines) if line.startswith("[[task.group"))
    kept = lines[:groups] if rest == "by" else [one for one in lines if not one.startswith("by =")]
    return EXAMPLE[:start] + "\n".join(kept) + "\n\n" + EXAMPLE[end:]


def test_the_example_stands_for_both_forms(tmp_path: Path) -> None:
    [short] = read(tmp_path, example("by")).tasks
    assert isinstance(short.config, CohortConfig)
    assert short.config.tree == everyone_by({"age": ("18-24", "25-34", "35+"), "tongue": ("en", "fr")})
    assert (short.config.gate, short.config.columns) == (50.0, 0)
    assert (short.kind.name, short.purpose) == ("cohorts", "cohort")
    [long] = read(tmp_path, example("groups")).tasks
    assert isinstance(long.config, CohortConfig)
    tree = long.config.tree
    young, frightened = tree.leaf_of({"age": "18-24"}), tree.leaf_of({"age": "25-34"}, ["Horror"])
    assert [tree.groups[one].name for one in (young, frightened)] == ["young", "young and frightened"]
    assert tree.leaf_of({"age": "35+"}, ["Horror"]) == ROOT


def test_without_noise_neither_cohorts_nor_likes_are_summed(tmp_path: Path) -> None:
    open_ = "\n[privacy]\nnoise = false\n"
    with pytest.raises(DataError, match=r"privacy\.noise is false and task 'cohorts' is over cohorts"):
        read(tmp_path, HEAD + BY + open_)
    bare = HEAD[: HEAD.index("[[task]]")] + open_
    with pytest.raises(DataError, match=r"privacy\.noise is false and training\.picks is above 0"):
        read(tmp_path, bare + "[training]\npicks = 0.2\n")
    with pytest.raises(DataError, match=r"privacy\.noise is false and training\.likes is above 0"):
        read(tmp_path, bare + "[training]\nlikes = 0.2\n")
    assert not read(tmp_path, bare + '[[task]]\nkind = "popularity"\nepsilon = 1.0\n').noise


def test_as_many_items_are_counted_as_the_upload_has_room_for(tmp_path: Path) -> None:
    found = read(tmp_path, HEAD + BY + "\n[upload]\nmax_bytes = 65536", 5000)
    [task] = found.tasks
    assert isinstance(task.config, CohortConfig)
    tree = task.config.tree
    width = task.config.width(len(tree), 5000, found.max_length)
    assert width == found.max_length // len(tree) - 1 < 5000
    assert upload_sizes(found)[-1].entries == len(tree) * (width + 1) <= found.max_length
    assert upload_sizes(found)[-1].bytes <= 65536
    few = read(tmp_path, HEAD + BY + "\ncolumns = 100", 5000)
    assert counted(few) == 100
    assert upload_sizes(few)[-1].tier is Tier.SMALL
    many = read(tmp_path, HEAD + BY, 20)
    assert counted(many) == 20
    large = read(tmp_path, HEAD + BY + "\n[upload]\nsmall_bytes = 9000", 5000)
    assert upload_sizes(large)[-1].tier is Tier.LARGE


def counted(found: Population) -> int:
    [one] = found.tasks
    task = one.config.task(TaskContext(CatalogueWire(found.catalogue), found.max_length))
    assert isinstance(task, CohortTask)
    return task.width


GROUP = '[[task.group]]\nname = "young"\nattribute = "age"\nvalues = ["18-24"]\n'


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("", "task.by: a cohorts task needs"),
        (f"{BY}\n{GROUP}", "task.by: a cohorts task needs"),
        ("by = {age = []}", "task[0].by"),
        ('by = {age = ["a", "a"]}', "task.by.age: a value is listed twice"),
        ('by = {"" = ["a"]}', "task[0]"),
        (f'by = {{age = ["{"x" * 101}"]}}', "task[0].by"),
        (f"by = {{age = {[str(i) for i in range(30)]}, tongue = {[str(i) for i in range(30)]}}}", "task.by:"),
        ('by = {age = "18-24"}', "task[0].by"),
        (f"{BY}\ngate = 0.5", "task[0].gate"),
        (f"{BY}\ngate = nan", "task"),
        (f"{BY}\ncolumns = -1", "task[0].columns"),
        (f"{BY}\nk = 10", "task[0]"),
        (f"{GROUP}parent = 3", "task[0].group[0].parent"),
        (f'{GROUP}parent = "old"', "task.group.parent of 'young' is 'old'"),
        (GROUP + GROUP, "task.group.name: two groups are called 'young'"),
        (GROUP.replace("young", "everyone"), "task.group.name: two groups are called 'everyone'"),
        ('[[task.group]]\nname = "young"', "task.group: 'young' needs one rule"),
        (f'{GROUP}labels = ["Horror"]', "task.group: 'young' needs one rule"),
        (GROUP.replace('values = ["18-24"]', ""), "task.group: 'young' needs one rule"),
        (f"{GROUP}colour = 1", "task[0].group[0]"),
        ('[[task.group]]\nname = "sad"\nlabels = ["a", "b"]', "task.group.labels of 'sad' has 'b'"),
        ('[[task.group]]\nname = "sad"\nitems = ["3", "x"]', "task.group.items of 'sad' has 'x'"),
        (f'{BY}\n[[task]]\nkind = "cohorts"\nname = "more"\nepsilon = 1.0\n{BY}', "task.kind: two tasks"),
        (f"{BY}\ncolumns = 20\n[upload]\nmax_bytes = 8300", "upload.max_bytes is 8300"),
    ],
)
def test_a_tree_that_cannot_be_is_refused_with_its_key(tmp_path: Path, task: str, said: str) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path, HEAD + task)
    assert said in str(error.value)
    assert str(tmp_path / "films.toml") in str(error.value)


def test_a_table_that_no_device_takes_is_refused(tmp_path: Path) -> None:
    many = f"by = {{age = {[str(i) for i in range(500)]}}}\ncolumns = 1"
    with pytest.raises(DataError, match=r"task\.by: 501 groups of 140000 items make a table"):
        read(tmp_path, HEAD + many, 140_000)
