"""A store on each of the two databases."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults_world import Faults
from postgres import NoPostgresError, Postgres

from confidante.coordinator.store import Store


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL. CONFIDANTE_REQUIRE_POSTGRES=1 makes it a failure that there is none."""
    try:
        server = Postgres()
    except NoPostgresError as error:
        if os.environ.get("CONFIDANTE_REQUIRE_POSTGRES") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, of both kinds in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An empty store on that database."""
    with Store.open(url) as made:
        made.migrate()
        yield made


@pytest.fixture
def world_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database for what is hurt: of SQLite, unless a test asks for "postgresql"."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def world(tmp_path: Path, world_url: str) -> Iterator[Faults]:
    """A folder and an empty database for coordinators that are to be hurt."""
    made = Faults(tmp_path / "world", world_url)
    yield made
    made.close()
