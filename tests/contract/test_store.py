"""The store keeps its contract on SQLite (on PostgreSQL: test_store_postgresql.py)."""

from pathlib import Path

import pytest
from store_contract import (
    TestBooks,
    TestClaims,
    TestEnds,
    TestHostileInput,
    TestMessages,
    TestOpening,
    TestPool,
    TestTables,
)

from confidante.coordinator.store import Store
from confidante.core.errors import StoreError

__all__ = [
    "TestBooks",
    "TestClaims",
    "TestEnds",
    "TestHostileInput",
    "TestMessages",
    "TestOpening",
    "TestPool",
    "TestTables",
]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The address of an empty database."""
    return f"sqlite:///{tmp_path}/store.db"


@pytest.mark.parametrize("address", ["", "nonsense", "sqlite://", "sqlite:///:memory:", "mysql://host/name"])
def test_an_address_that_cannot_be_used_is_refused(address: str) -> None:
    with pytest.raises(StoreError):
        Store.open(address)


@pytest.mark.parametrize("address", ["sqlite:////nowhere/at/all.db", "postgresql://nobody@127.0.0.1:1/none"])
def test_a_database_that_cannot_be_reached_may_be_tried_again(address: str) -> None:
    with pytest.raises(StoreError, match="refused") as raised:
        Store.open(address)
    assert raised.value.retry
