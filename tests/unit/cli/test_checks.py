"""`arc doctor`: each check finds what is wrong and says what to do."""

import json
import socket
import sqlite3
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from arc import catalog
from arc.cli import checks
from arc.core.errors import RecipeBroken
from tests.unit.cli.conftest import Run

_GB = 1024**3


def _lacks(name: str) -> str:
    raise metadata.PackageNotFoundError(name)


def test_a_machine_that_lacks_torch_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", _lacks)
    found = checks.torch()
    assert (found.state, found.advice) == ("fail", "pip install 'arc-control[train]'")


def test_a_cpu_build_beside_a_gpu_is_worth_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_gpu_names", lambda: ["H100"])
    monkeypatch.setattr(metadata, "version", lambda _: "2.13.0+cpu")
    assert checks.devices().state == "warn"
    monkeypatch.setattr(metadata, "version", lambda _: "2.13.0")
    found = checks.devices()
    assert found.state == "ok"
    assert "H100" in found.found


@pytest.mark.parametrize(("version", "state"), [((3, 40, 1), "warn"), ((3, 51, 3), "ok"), ((3, 52, 0), "ok")])
def test_an_old_sqlite_is_a_warning(monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], state: str) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    assert checks.sqlite().state == state


@pytest.mark.parametrize(("free", "state"), [(0.5, "fail"), (2, "warn"), (50, "ok")])
def test_memory_and_disk_are_judged_by_what_is_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: float, state: str) -> None:
    monkeypatch.setattr(checks.psutil, "virtual_memory", lambda: SimpleNamespace(available=free * _GB, total=64 * _GB))
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: SimpleNamespace(free=free * _GB))
    monkeypatch.setattr(checks, "_filesystem", lambda _: "ext4")
    assert checks.memory().state == state
    assert checks.disk(tmp_path / "not" / "there").state == state


def test_a_network_file_system_is_no_place_for_sqlite(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checks, "_filesystem", lambda _: "nfs4")
    found = checks.disk(tmp_path)
    assert found.state == "warn"
    assert "ARC_DATABASE_URL" in found.advice


def test_a_folder_that_cannot_be_written_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert checks.workspace(tmp_path).state == "ok"
    assert "not made yet" in checks.workspace(tmp_path / "ws").found
    monkeypatch.setattr(checks.os, "access", lambda *_: False)
    assert checks.workspace(tmp_path / "ws").state == "fail"


def test_a_token_that_others_can_read_fails(tmp_path: Path) -> None:
    assert "none yet" in checks.token_file(tmp_path).found
    secret = tmp_path / "secrets" / "token"
    secret.parent.mkdir()
    secret.write_text("x")
    secret.chmod(0o640)
    assert "chmod 600" in checks.token_file(tmp_path).advice
    secret.chmod(0o600)
    assert checks.token_file(tmp_path).state == "ok"


def test_a_port_that_something_else_has_fails() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        number = other.getsockname()[1]
        assert "ARC_PORT" in checks.port("127.0.0.1", number, served_by=None).advice
        assert checks.port("127.0.0.1", number, served_by="http://127.0.0.1:1").state == "ok"
    assert checks.port("127.0.0.1", 0, served_by=None).state == "ok"


def test_a_recipe_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.recipes().state == "ok"

    def broken(name: str) -> Any:
        raise RecipeBroken("its package is gone")

    monkeypatch.setattr(catalog, "spec", broken)
    assert "fundus.classify: its package is gone" in checks.recipes().found
    monkeypatch.setattr(catalog, "rows", dict)
    assert "not installed" in checks.recipes().advice


def test_one_failed_check_is_exit_1_and_says_how_many(arc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", _lacks)
    result = arc("doctor")
    assert result.exit_code == 1
    assert "1 of 10 checks failed" in result.stdout
    assert json.loads(arc("doctor", "--json").stdout)["ok"] is False
