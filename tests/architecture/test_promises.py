"""Promises: each line of docs/explanation/promises.md names the test that shows it, and that test exists.

Not covered: that the test shows what the line says. That is for the reader of both.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "promises.md"
LINES = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and not line.startswith("| promise |")]


@cache
def _tests(path: Path) -> frozenset[str]:
    return frozenset(
        node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split("|")[1].strip()[:60])
def test_a_promise_names_a_test_that_exists(line: str) -> None:
    named = re.findall(r"`([^`:]+\.py)::(test_\w+)`", line)
    assert named, "a promise without a test is a wish"
    for path, name in named:
        assert name in _tests(ROOT / path), f"{path} has no {name}"


def test_what_is_not_promised_is_said() -> None:
    assert len(re.findall(r"^- \*\*", PAGE.read_text(), re.MULTILINE)) > 4
