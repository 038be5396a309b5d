"""A population is read whole, or refused with the key that is wrong."""

from pathlib import Path

import pytest

from confidante.coordinator.population import EXAMPLE, read_catalogue, read_population
from confidante.core.errors import DataError

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
    assert example.max_length == 262144 * 8 // 20


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
        ("[seconds]", "[second]", "second"),
        ("[cohort]", "[cohort", "is no TOML"),
        ('catalogue = "items.csv"', 'catalogue = "nowhere.csv"', "nowhere.csv"),
    ],
)
def test_a_wrong_key_is_named(tmp_path, old, new, said):
    assert old in EXAMPLE
    with pytest.raises(DataError) as error:
        read_population(written(tmp_path, EXAMPLE.replace(old, new, 1)))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_catalogue_that_does_not_fit_an_upload_is_refused(tmp_path):
    items = "item,title,labels\n" + "".join(f"{i},t,\n" for i in range(500))
    text = EXAMPLE.replace("max_bytes = 262144", "max_bytes = 1024")
    with pytest.raises(DataError, match="500 items at 20 bits need 1250"):
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
        ('item,title,labels\na,"b"x,c\n', "is no CSV"),
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
    with pytest.raises(DataError, match="no UTF-8"):
        read_population(path)
    path.write_bytes(b"\xff")
    with pytest.raises(DataError, match="no UTF-8"):
        read_population(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_population(tmp_path / "nothing.toml")
