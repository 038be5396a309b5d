import tomllib
from pathlib import Path

import pytest

import confidante
from confidante.core import errors

ROOT = Path(__file__).parents[3]


def test_every_public_name_can_be_imported() -> None:
    assert set(confidante.__all__) == set(dir(confidante))
    assert all(getattr(confidante, name) is not None for name in confidante.__all__)


def test_every_error_is_public() -> None:
    found = {name for name, one in vars(errors).items() if isinstance(one, type) and name.endswith("Error")}
    assert found <= set(confidante.__all__)


def test_a_name_that_there_is_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'device_of'"):
        confidante.device_of  # noqa: B018


def test_the_version_is_the_one_that_is_built() -> None:
    said = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert confidante.__version__ == said
