"""A home for commands: an empty working folder, and no setting from outside."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from arc.cli.root import app

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _nothing_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ARC_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def arc() -> Run:
    """`arc("jobs", "list")` as it is called in a shell, output piped."""

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, list(words))

    return run
