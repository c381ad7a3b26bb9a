"""Names: no boasting ones, no unfinished business, and every noun of the core stands in the glossary."""

import ast
import importlib
import inspect
import pkgutil
import re
import tomllib
from enum import Enum
from pathlib import Path

import pytest
from pydantic import BaseModel

import arc.core
from tests.architecture.rooms import parse

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "GLOSSARY.md", "CONTRIBUTING.md")]
BOASTS = re.compile(r"Manager|Handler|Helper|Processor|Utils?\b|Unified|Advanced|Enhanced|Ultimate")
UNFINISHED = re.compile(r"\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b")
EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f]")
PUBLIC = ["arc.core", "arc.client", "arc.testing"]  # what a stranger's package may build on


def _ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=_ids)
def test_no_name_boasts(path: Path) -> None:
    defined = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    names = [*path.relative_to(ROOT).parts, *(node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, defined))]
    boasting = [
        name for name in names if BOASTS.search(name) or name.removesuffix(".py").lower() in ("utils", "util", "helpers", "common", "misc")
    ]
    assert boasting == []


@pytest.mark.parametrize("path", [*SOURCES, *PAGES], ids=_ids)
def test_nothing_is_left_for_later_in_a_comment(path: Path) -> None:
    text = path.read_text()
    assert UNFINISHED.findall(text) == []
    assert EMOJI.findall(text) == []


def _nouns() -> list[type]:
    found = []
    for module in pkgutil.iter_modules(arc.core.__path__, "arc.core."):
        for name, value in vars(importlib.import_module(module.name)).items():
            noun = inspect.isclass(value) and value.__module__ == module.name and not name.startswith("_")
            if noun and (issubclass(value, BaseModel | Enum) or hasattr(value, "__dataclass_fields__")):
                found.append(value)
    return found


@pytest.mark.parametrize("noun", _nouns(), ids=lambda noun: noun.__name__)
def test_every_noun_of_the_core_is_in_the_glossary(noun: type) -> None:
    glossary = (ROOT / "GLOSSARY.md").read_text()
    assert re.search(rf"\b{noun.__name__}\b", glossary), f"{noun.__name__} ({noun.__module__}) has no entry in GLOSSARY.md"


def test_every_layer_has_a_row_in_the_room_table() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    by_id = {contract["id"]: contract for contract in contracts}
    layers = re.findall(r"\w+", " ".join(by_id["layers"]["layers"]))
    allowed = parse(by_id["rooms"]["rows"])
    assert set(layers) | {"testing"} == set(allowed)
    for room, names in allowed.items():
        assert names <= set(layers), room
        assert room == "testing" or all(layers.index(name) > layers.index(room) for name in names), room


def exported() -> list[str]:
    """`module:name` of every public class and function that a stranger may use."""
    names = []
    for package in PUBLIC:
        root = importlib.import_module(package)
        for found in [package, *(module.name for module in pkgutil.walk_packages(root.__path__, package + "."))]:
            for name, value in vars(importlib.import_module(found)).items():
                if not name.startswith("_") and getattr(value, "__module__", None) == found:
                    names.append(f"{found}:{name}")
    return sorted(names)


def test_exported_names_are_listed() -> None:
    """To accept a change: `python -m tests.architecture.test_names > tests/architecture/exported.txt`."""
    assert exported() == (ROOT / "tests/architecture/exported.txt").read_text().split()


if __name__ == "__main__":
    print("\n".join(exported()))
