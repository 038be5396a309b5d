"""The store keeps its contract on PostgreSQL; tests/contract/test_store.py: on SQLite."""

import pytest
from postgres import Postgres
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
def url(postgres: Postgres) -> str:
    """The address of an empty database."""
    return postgres.database()
