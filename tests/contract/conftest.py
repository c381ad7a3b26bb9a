"""What the contract tests share: both databases, fresh for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from arc.core.clock import SystemClock
from arc.store.engine import Store
from arc.testing.clock import FakeClock
from tests.postgres import empty_postgres_url, postgres_server, postgres_url

__all__ = ["empty_postgres_url", "postgres_server", "postgres_url"]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with the schema in it, to be copied."""
    path = tmp_path_factory.mktemp("template") / "arc.db"
    Store.open(f"sqlite:///{path}", clock=SystemClock()).close()
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A database of this test alone."""
    path = tmp_path / "arc.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture
def clock() -> FakeClock:
    """The clock of the stores."""
    return FakeClock()


@pytest.fixture
def sqlite_store(sqlite_url: str, clock: FakeClock) -> Iterator[Store]:
    """An open store on SQLite."""
    store = Store.open(sqlite_url, clock=clock)
    yield store
    store.close()


@pytest.fixture
def postgres_store(postgres_url: str, clock: FakeClock) -> Iterator[Store]:
    """An open store on PostgreSQL."""
    store = Store.open(postgres_url, clock=clock)
    yield store
    store.close()
