"""A file over 400 lines is a folder asking to be born; a function over 60 lines is two."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
LONG_FILES: set[str] = set()  # files over 300 lines that are so for a reason; none so far


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_source_file_can_be_read_in_one_sitting(path: Path) -> None:
    lines = path.read_text().count("\n")
    assert lines <= 400
    assert lines <= 300 or str(path.relative_to(ROOT)) in LONG_FILES


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_function_fits_a_screen(path: Path) -> None:
    lengths = {node.name: (node.end_lineno or node.lineno) - node.lineno + 1 for node in _functions(ast.parse(path.read_text()))}
    assert {name: lines for name, lines in lengths.items() if lines > 60} == {}


def test_a_test_file_too_can_be_read() -> None:
    assert [str(path) for path in (ROOT / "tests").rglob("*.py") if path.read_text().count("\n") > 400] == []


def test_test_functions_too_fit_a_screen() -> None:
    long = {
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in (ROOT / "tests").rglob("*.py")
        for node in _functions(ast.parse(path.read_text()))
        if (node.end_lineno or node.lineno) - node.lineno + 1 > 60
    }
    assert long == set()
