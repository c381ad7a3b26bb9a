"""What the pages say exists, does: commands and their options, make targets, links between files."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from arc.cli.root import app

ROOT = Path(__file__).parents[2]
GENERATED = {"commands.md", "routes.md", "recipes.md", "settings.md", "events.md", "errors.md", "states.md", "seed-map.md"}
PAGES = sorted([*ROOT.glob("*.md"), *(path for path in (ROOT / "docs").rglob("*.md") if path.name not in GENERATED)])


def _code(path: Path) -> Iterator[str]:
    """Every line of a code block, and every inline piece of code."""
    text = path.read_text()
    for block in re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE):
        yield from (line.strip() for line in block.splitlines())
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def _said(start: str) -> list[Any]:
    return [
        pytest.param(line, id=f"{path.relative_to(ROOT)}: {line}") for path in PAGES for line in _code(path) if line.split(" ")[0] == start
    ]


@pytest.mark.parametrize("line", _said("arc"))
def test_every_command_that_a_page_shows_exists(line: str) -> None:
    command: Any = typer.main.get_command(app)
    known = {"-h", "--help"}
    for word in shlex.split(line, comments=True)[1:]:
        known |= {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
        if word.startswith("-"):
            assert word.partition("=")[0] in known, f"{line}: there is no option {word}"
        elif hasattr(command, "commands") and word != "…":
            assert word in command.commands, f"{line}: there is no command {word}"
            command = command.commands[word]


@pytest.mark.parametrize("line", _said("make"))
def test_every_make_target_that_a_page_names_exists(line: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = [word for word in shlex.split(line, comments=True)[1:] if "=" not in word]
    assert set(named) <= targets


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_resolves(path: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text())
    broken = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert broken == []


def test_the_short_pages_stay_short() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text().split()) < 1400, "two pages"
    assert len((ROOT / "CONTRIBUTING.md").read_text().split()) < 600, "one page"
