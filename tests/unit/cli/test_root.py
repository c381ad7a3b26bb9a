"""How errors leave the command: a line, an exit status, and never a traceback."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arc.cli import settings
from arc.cli.advice import next_step
from arc.core import errors
from tests.unit.cli.conftest import Run


def _raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize("cls", errors.all_errors())
def test_every_error_of_the_house_has_its_exit_status(arc: Run, monkeypatch: pytest.MonkeyPatch, cls: type[errors.ArcError]) -> None:
    monkeypatch.setattr(settings.house, "load", _raising(cls("the reason")))
    result = arc("settings")
    assert result.exit_code == cls.exit_code
    assert result.stderr.startswith("Error: the reason")
    assert len(result.stderr.strip().splitlines()) <= 2


@pytest.mark.parametrize(("code", "exit_code"), [(28, 3), (13, 1)])
def test_what_the_system_refuses_names_the_file(arc: Run, monkeypatch: pytest.MonkeyPatch, code: int, exit_code: int) -> None:
    monkeypatch.setattr(settings.house, "load", _raising(OSError(code, "it is so", "/some/file")))
    result = arc("settings")
    assert result.exit_code == exit_code
    assert "/some/file: it is so" in result.stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.ServiceDown(), "arc serve"),
        (errors.Unauthorized(), "secrets/token"),
        (errors.InvalidSpec(field="params.lr"), "arc recipes show"),
        (errors.NotFound(field="recipe"), "arc recipes"),
        (errors.NotFound(field="job_id"), "arc jobs list"),
        (errors.NotFound(field="experiment_id"), "arc experiments list"),
    ],
)
def test_advice_names_a_command_or_a_file(error: errors.ArcError, said: str) -> None:
    assert said in str(next_step(error))


def test_a_mistake_in_arc_leaves_its_traceback_in_a_file(tmp_path: Path) -> None:
    script = "import arc.cli.settings as s; s.house.load = lambda *_: 1 / 0; from arc.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "settings"], capture_output=True, text=True, env={"TMPDIR": str(tmp_path)}, check=False
    )
    assert done.returncode == 1
    assert "this is a mistake in ARC: ZeroDivisionError: division by zero" in done.stderr
    assert "Traceback" not in done.stderr
    kept = list(tmp_path.glob("arc-error-*.txt"))
    assert [str(kept[0]) in done.stderr, "ZeroDivisionError" in kept[0].read_text()] == [True, True]


def test_help_needs_neither_the_server_nor_the_database_nor_torch() -> None:
    script = (
        "import sys\nfrom arc.cli.root import app\n"
        "print([name for name in ('fastapi', 'sqlalchemy', 'uvicorn', 'torch', 'numpy', 'arc.app') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
