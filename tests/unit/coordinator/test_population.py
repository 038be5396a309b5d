"""A population is read whole, or refused with the key that is wrong."""

import math
from pathlib import Path

import numpy as np
import pytest

from confidante.coordinator.config.catalogue_file import read_catalogue
from confidante.coordinator.config.measures import Measure
from confidante.coordinator.config.population_file import EXAMPLE, read_population
from confidante.coordinator.config.upload_sizes import bytes_of, upload_sizes
from confidante.core.errors import DataError
from confidante.tasks.cohorts.config import CohortConfig
from confidante.tasks.compare import CompareConfig
from confidante.tasks.contributors import ContributorConfig
from confidante.tasks.item_pairs import ItemPairTask
from confidante.tasks.popularity import PopularityConfig
from confidante.tasks.quality import QualityConfig
from confidante.wire.rounds import Tier

ITEMS = "item,title,labels\na,Alien (1979),horror|space\nb,Brazil (1985),\n"


def written(folder: Path, text: str, items: str = ITEMS) -> Path:
    (folder / "items.csv").write_text(items, encoding="utf-8")
    path = folder / "films.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_is_a_population_and_says_the_defaults(tmp_path):
    example = read_population(written(tmp_path, EXAMPLE))
    short = read_population(written(tmp_path, 'name = "films"\ncatalogue = "items.csv"\n'))
    assert example == short
    assert example.catalogue.ids == ("a", "b")
    assert example.catalogue.labels == (("horror", "space"), ())
    assert example.seconds("MASK") == 300
    assert example.cohort.devices == 200
    assert example.every == 168 * 3600
    assert example.max_length < 262144 * 8 // 20
    assert bytes_of(example, example.max_length) <= 262144 < bytes_of(example, example.max_length + 1)
    assert (example.tasks, example.small_bytes) == ((), 65536)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "films"', 'name = "Films!"', "name is 'Films!'"),
        ('name = "films"', "", "name"),
        ('name = "films"', "name = 7", "name: Expected `str`"),
        ("repeat = false", 'repeat = "no"', "repeat: Expected `bool`"),
        ("repeat = false", "repeats = false", "repeats"),
        ("devices = 200", "devices = 2", "cohort.devices: Expected `int` >= 3"),
        ("devices = 200", 'devices = "many"', "cohort.devices: Expected `int`"),
        ("max_dropout = 0.3", "max_dropout = 1.0", "cohort.max_dropout"),
        ("max_dropout = 0.3", "max_dropout = nan", "cohort.max_dropout"),
        ("max_dropout = 0.3", "max_dropout = 0.6", "cohort: "),
        ("epsilon = 8.0", "epsilon = 0", "privacy.epsilon"),
        ("epsilon = 8.0", "epsilon = inf", "privacy.epsilon"),
        ("epsilon = 8.0", "epsilon = 3.0", "training.epsilon is 4.0, and privacy.epsilon"),
        ("delta = 1e-5", "delta = 1.0", "privacy.delta"),
        ("bits = 20", "bits = 33", "upload.bits"),
        ("bits = 20", "bits = 8", "upload.bits"),
        ("max_bytes = 262144", "max_bytes = 10", "upload.max_bytes"),
        ("mask = 300.0", "mask = 0", "seconds.mask"),
        ("every_hours = 168.0", "every_hours = -1", "training.every_hours"),
        ("likes = 0.0", "likes = 0.6", "training.likes"),
        ("likes = 0.0", "picks = 0.6", "training.picks"),
        ("likes = 0.0", "likes = 0.1\npicks = 0.1", "training has likes and picks"),
        ("[seconds]", "[second]", "second"),
        ("bits = 20", "bits = 8", "and 12 bits would do"),
        ("small_bytes = 65536", "small_bytes = -1", "upload.small_bytes"),
        ("[cohort]", "[cohort", "is not valid TOML"),
        ('catalogue = "items.csv"', 'catalogue = "nowhere.csv"', "nowhere.csv"),
    ],
)
def test_a_wrong_key_is_named(tmp_path, old, new, said):
    assert old in EXAMPLE
    with pytest.raises(DataError) as error:
        read_population(written(tmp_path, EXAMPLE.replace(old, new, 1)))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


WITH_TASKS = EXAMPLE.replace("\n# [[task]]", "\n[[task]]").replace("\n# kind", "\nkind")
WITH_TASKS = WITH_TASKS.replace("\n# by =", "\nby =")
for key in ("every_hours", "epsilon", "most_items", "model", "k ", "a ", "b "):
    WITH_TASKS = WITH_TASKS.replace(f"\n# {key}", f"\n{key}")


GROUPS = {"age": ("18-24", "25-34", "35+"), "tongue": ("en", "fr")}


def test_the_tasks_of_the_example_are_tasks(tmp_path):
    found = read_population(written(tmp_path, WITH_TASKS))
    assert found.tasks == (
        Measure(PopularityConfig(epsilon=1.0, every_hours=168)),
        Measure(ContributorConfig(epsilon=1.0, every_hours=168, most_items=50)),
        Measure(QualityConfig(epsilon=0.5, every_hours=24, model="newest", k=10)),
        Measure(CompareConfig(epsilon=0.5, every_hours=168, a="previous", b="newest", k=10)),
        Measure(CohortConfig(epsilon=1.0, every_hours=168, by=GROUPS)),
    )
    assert [one.name for one in found.tasks] == [
        "popularity",
        "contributors",
        "quality",
        "compare",
        "cohorts",
    ]
    assert [one.every for one in found.tasks] == [604800, 604800, 86400, 604800, 604800]
    assert [one.purpose for one in found.tasks] == ["cohort", "cohort", "quality", "quality", "cohort"]
    sizes = upload_sizes(found)
    assert [one.task for one in sizes[3:]] == [one.prefix.strip() for one in found.tasks]
    assert {one.tier for one in sizes[3:]} == {Tier.SMALL}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "quality"', 'kind = "taste"', "task[2]"),
        ('kind = "quality"', 'kind = "compare"', "task[2]"),
        ('kind = "quality"', 'kind = "quality"\nname = "popularity"', "called 'popularity'"),
        ('kind = "quality"', 'kind = "quality"\nname = "two words"', "task[2].name"),
        ('model = "newest"', 'model = "best"', "task[2].model"),
        ('a = "previous"', 'a = "newest"', "with itself"),
        ("most_items = 50", "most_items = 0", "task[1].most_items"),
        ("epsilon = 0.5", "epsilon = 9.0", "task.epsilon of 'quality' is 9.0, and privacy.epsilon"),
        ("epsilon = 0.5", "", "epsilon"),
        ("every_hours = 24.0", "every_hours = 0", "task[2].every_hours"),
    ],
)
def test_a_wrong_key_of_a_task_is_named(tmp_path, old, new, said):
    assert old in WITH_TASKS
    with pytest.raises(DataError) as error:
        read_population(written(tmp_path, WITH_TASKS.replace(old, new, 1)))
    assert said in str(error.value)


def ten_thousand(folder: Path, bits: int, likes: str = "likes = 0.0"):
    kinds = [f"kind {k}" for k in range(30)]
    rows = (f"i{i},Title {i} ({1950 + i % 70}),{kinds[i % 30]}|{kinds[i * 7 % 30]}" for i in range(10_000))
    text = WITH_TASKS.replace("bits = 20", f"bits = {bits}").replace("likes = 0.0", likes)
    return read_population(written(folder, text, "item,title,labels\n" + "\n".join(rows) + "\n"))


@pytest.mark.parametrize("bits", [12, 16, 20])
def test_every_upload_of_a_catalogue_of_10_000_items_fits_256_kib(tmp_path, bits):
    found = ten_thousand(tmp_path, bits)
    sizes = upload_sizes(found)
    assert len(sizes) == 8
    assert {one.bits for one in sizes} == {bits}
    assert max(one.bytes for one in sizes) <= 256 * 1024
    assert [one.tier for one in sizes] == [Tier.SMALL, Tier.SMALL, Tier.LARGE, *[Tier.SMALL] * 4, Tier.LARGE]
    assert max(one.rounding for one in sizes) < (0.05 if bits == 12 else 1e-3)  # parts of the noise
    # The basis of item pairs is as large as fits, and the bounds are those of the task.
    pairs = sizes[2]
    size = math.isqrt(2 * pairs.entries) + 1
    task = ItemPairTask(np.arange(size), np.ones(size), 10_000, 8, 3.0, 500)
    assert (task.length, task.l2_bound, task.linf_bound) == (pairs.entries, 1.0, 0.2)
    assert size * (size + 1) // 2 > found.max_length


@pytest.mark.parametrize("key", ["likes", "picks"])
def test_the_sum_for_likes_fits_as_well_and_is_for_large_devices(tmp_path, key):
    found = ten_thousand(tmp_path, 20, likes=f"{key} = 0.15")
    assert found.likes == 0.15
    sizes = {one.task: one for one in upload_sizes(found)}
    assert len(sizes) == 9
    assert sizes["picks"].bytes <= 256 * 1024
    assert sizes["picks"].entries % 40 == 0
    assert sizes["picks"].tier is Tier.LARGE


def test_eight_bits_hold_a_small_cohort(tmp_path):
    text = EXAMPLE.replace("devices = 200", "devices = 40").replace("bits = 20", "bits = 8")
    found = read_population(written(tmp_path, text.replace("noise = true", "noise = false")))
    assert {one.bits for one in upload_sizes(found)} == {8}


def test_a_catalogue_that_does_not_fit_an_upload_is_refused(tmp_path):
    items = "item,title,labels\n" + "".join(f"{i},t,\n" for i in range(500))
    text = EXAMPLE.replace("max_bytes = 262144", "max_bytes = 1024")
    with pytest.raises(DataError, match="popularity has 500 entries, which at 20 bits need 9312"):
        read_population(written(tmp_path, text, items))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1"),
        ("id,title,labels\na,b,c\n", "line 1"),
        ("item,title,labels\na,b\n", "line 2"),
        ("item,title,labels\na,b,c\n ,b,c\n", "line 3"),
        ("item,title,labels\na,b,c\n", "has 1 items"),
        ("item,title,labels\na,b,c\na,b,c\n", "repeats an item id"),
        ('item,title,labels\na,"b"x,c\n', "is not valid CSV"),
    ],
)
def test_a_catalogue_that_cannot_be_used_is_refused_with_its_line(tmp_path, text, said):
    path = tmp_path / "items.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_catalogue(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_what_is_no_text_is_refused(tmp_path):
    path = written(tmp_path, EXAMPLE)
    (tmp_path / "items.csv").write_bytes(b"item,title,labels\n\xff,b,c\n")
    with pytest.raises(DataError, match="not UTF-8"):
        read_population(path)
    path.write_bytes(b"\xff")
    with pytest.raises(DataError, match="not UTF-8"):
        read_population(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_population(tmp_path / "nothing.toml")
