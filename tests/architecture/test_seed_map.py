"""Seed map: every row of docs/reference/seed-map.md is well formed, and every locator in it exists.

The page says of each thing the seed documents name where it is. A locator is a claim, so it is resolved: by
import, in the route table, in the command tree, in the settings table, in the catalogue or on the disk.

Not covered: that what a locator names does what the seed asks for; the other tests say that. Nor that the
page is complete: the seed documents are not part of the repository.
"""

import dataclasses
import importlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "seed-map.md"

HEADER = ["seed name", "kind", "status", "where"]
KINDS = {"feature", "file", "function", "class", "route", "field", "setting", "command", "metric"}
PARTS = range(3, 13)
LOCATOR = re.compile(r"`((?:py|field|file|route|cmd|setting|recipe):[^`]+)`")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One row of a table, and where it stands."""

    line: int
    section: str
    name: str
    kind: str
    status: str
    where: str

    @property
    def locators(self) -> list[str]:
        return LOCATOR.findall(self.where)


@cache
def parse() -> tuple[list[Entry], list[str]]:
    """The rows of all tables, and what is wrong with the tables themselves."""
    entries: list[Entry] = []
    errors: list[str] = []
    section, row_of_table = "", 0
    for line, text in enumerate(PAGE.read_text(encoding="utf-8").splitlines(), start=1):
        if not text.startswith("|"):
            section = text.lstrip("# ") if text.startswith("#") else section
            row_of_table = 0
            continue
        row_of_table += 1
        cells = [cell.strip() for cell in text.strip().strip("|").split("|")]
        if row_of_table == 1 and cells != HEADER:
            errors.append(f"line {line}: a table must begin with {HEADER}")
        elif row_of_table == 2 and set("".join(cells)) != {"-"}:
            errors.append(f"line {line}: the second row of a table must be a rule")
        elif row_of_table > 2 and (len(cells) != len(HEADER) or not all(cells) or not text.endswith("|")):
            errors.append(f"line {line}: a row must have four filled cells")
        elif row_of_table > 2:
            entries.append(Entry(line, section, *cells))
    return entries, errors


def every_locator() -> list[str]:
    return sorted({locator for entry in parse()[0] for locator in entry.locators})


# --- how each sort of locator is looked up; False, None or an exception means it does not exist -----------


def find_py(target: str) -> bool:
    module, _, path = target.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return bool(path)


def find_field(target: str) -> bool:
    module, _, path = target.partition(":")
    owner, _, name = path.rpartition(".")
    cls = getattr(importlib.import_module(module), owner)
    if dataclasses.is_dataclass(cls):
        return name in {field.name for field in dataclasses.fields(cls)}
    return name in cls.model_fields


def find_file(target: str) -> bool:
    return (ROOT / target).exists()


def find_setting(target: str) -> bool:
    from arc.settings import Settings, env_names

    return any(target in env_names(name) for name in Settings.model_fields)


def find_recipe(target: str) -> bool:
    from arc import catalog

    return catalog.spec(target).name == target


@cache
def route_table() -> set[tuple[str, str]]:
    """(method, path) of every route; the names of path parameters do not matter."""
    from arc.api.server import ROUTERS

    routes: list[Any] = [route for router in ROUTERS for route in router.routes]
    return {(method, _anonymous(route.path)) for route in routes for method in route.methods}


def _anonymous(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def find_route(target: str) -> bool:
    method, _, path = target.partition(" ")
    return (method, _anonymous(path)) in route_table()


def find_cmd(target: str) -> bool:
    import typer

    from arc.cli.root import app

    program, *words = target.split()
    node: Any = typer.main.get_command(app)
    for word in words:
        node = node.commands[word]
    return program == "arc" and bool(words)


FIND: dict[str, Callable[[str], bool]] = {
    "py": find_py,
    "field": find_field,
    "file": find_file,
    "setting": find_setting,
    "recipe": find_recipe,
    "route": find_route,
    "cmd": find_cmd,
}


def test_the_tables_are_well_formed() -> None:
    entries, errors = parse()
    assert not errors
    assert len(entries) > 500


def test_kinds_and_statuses_are_known() -> None:
    statuses = {"here", "otherwise", *(f"part {number}" for number in PARTS)}
    wrong = [f"line {e.line}: {e.kind} / {e.status}" for e in parse()[0] if e.kind not in KINDS or e.status not in statuses]
    assert not wrong


def test_what_is_here_is_located_and_nothing_else_is_said_of_it() -> None:
    wrong = [f"line {e.line}: {e.where}" for e in parse()[0] if e.status == "here" and LOCATOR.sub("", e.where).strip(" ,")]
    wrong += [f"line {e.line}: no locator" for e in parse()[0] if e.status == "here" and not e.locators]
    assert not wrong


def test_what_is_otherwise_has_a_reason() -> None:
    wrong = [f"line {e.line}: {e.where}" for e in parse()[0] if e.status == "otherwise" and len(LOCATOR.sub("", e.where).split()) < 3]
    assert not wrong


def test_no_row_stands_twice_in_a_section() -> None:
    keys = [(e.section, e.name, e.kind) for e in parse()[0]]
    assert not {key for key in keys if keys.count(key) > 1}


@pytest.mark.parametrize("locator", every_locator())
def test_every_locator_exists(locator: str) -> None:
    scheme, _, target = locator.partition(":")
    assert FIND[scheme](target), f"{locator} does not exist"
