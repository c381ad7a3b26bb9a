"""An app that was built but not started: its verbs, without an engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from arc.app import App, build
from arc.settings import Settings


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """The app over a fresh workspace; fault jobs are allowed, nothing runs."""
    roots = tmp_path / "photos"
    roots.mkdir()
    built = build(Settings(workspace=tmp_path / "ws", data_roots=[roots], allow_fault_jobs=True))
    yield built
    built.close()
