"""The shipped store suite on both databases."""

import pytest

from arc.store.engine import Store
from arc.testing.store_contract import StoreContract


class TestSqlite(StoreContract):
    """The default."""

    @pytest.fixture
    def store(self, sqlite_store: Store) -> Store:
        return sqlite_store


class TestPostgres(StoreContract):
    """By URL."""

    @pytest.fixture
    def store(self, postgres_store: Store) -> Store:
        return postgres_store
