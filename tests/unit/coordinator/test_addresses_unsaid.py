"""No error says the password in an address, also where the address is wrong."""

import pytest

from confidante.cli.coordinator.options import DatabaseOption
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.core.errors import StoreError

PASSWORD = "S3cret"


@pytest.mark.parametrize(
    "address",
    [
        f"postgres://confidante:{PASSWORD}@db/confidante",
        f"postgresql//confidante:{PASSWORD}@db/c",
        f"confidante:{PASSWORD}@db/c",
        f"postgresql://confidante:{PASSWORD}@db:54x/c",
        f"postgresql://confidante:{PASSWORD}:cr#et/x@127.0.0.1:1/c",
        f"postgresql://confidante:x@{PASSWORD}@127.0.0.1:1/c",
        f"postgresql+psycopg2://confidante:{PASSWORD}@127.0.0.1:1/c",
        f"postgresql://confidante:{PASSWORD}@127.0.0.1:1/c",
    ],
)
def test_of_a_database(address: str) -> None:
    with pytest.raises(StoreError) as raised:
        Store.open(address)
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize("address", [f"s3://AKIA:{PASSWORD}@bucket", f"nope://user:{PASSWORD}@h", PASSWORD])
def test_of_bodies(address: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / PASSWORD).write_text("a file, not a folder")
    with pytest.raises(StoreError, match="cannot keep bodies") as raised:
        Bodies(address)
    assert PASSWORD not in str(raised.value)


def test_the_help_names_the_file_that_no_list_of_processes_shows_first() -> None:
    assert DatabaseOption.__metadata__[0].help.startswith("@<file>")
