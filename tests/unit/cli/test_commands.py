"""What the command line says without a control plane: help, errors, exit statuses, and what needs no server."""

import json
from pathlib import Path

import pytest
import typer

from arc.cli.root import app
from tests.unit.cli.conftest import Run


def _commands() -> list[list[str]]:
    found = []

    def walk(command: object, words: list[str]) -> None:
        children = getattr(command, "commands", None)
        if children:
            for name, child in children.items():
                walk(child, [*words, name])
        else:
            found.append(words)

    walk(typer.main.get_command(app), [])
    return found


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_every_command_has_examples_and_a_json_form(arc: Run, words: list[str]) -> None:
    result = arc(*words, "--help")
    assert result.exit_code == 0
    assert "Examples" in result.stdout
    assert f"arc {words[0]}" in result.stdout.split("Examples")[1]
    assert "--json" in result.stdout
    assert "--workspace" in result.stdout


def test_the_commands_of_the_house_are_all_there() -> None:
    names = {words[0] for words in _commands()}
    assert names == {
        "init", "serve", "data", "submit", "jobs", "train", "run", "script", "eval", "explain", "demo", "settings", "recipes", "experiments", "leases", "token",
        "doctor", "study",
    }  # fmt: skip


def test_version(arc: Run) -> None:
    assert arc("--version").stdout.startswith("arc ")


def test_a_look_at_nothing_says_how_to_begin(arc: Run, tmp_path: Path) -> None:
    result = arc("jobs", "list")
    assert result.exit_code == 2
    assert "arc demo" in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_with_json_an_error_is_the_one_document(arc: Run) -> None:
    result = arc("jobs", "list", "--json")
    assert result.exit_code == 2
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "NotFound"
    assert error["field"] == "workspace"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["submit", "x", "-p", "lr"], "-p 'lr' is not name=value"),
        (["submit", "x", "-p", "lr=[1"], "-p lr=[1"),
        (["submit", "x", "--input", "dataset"], "--input 'dataset' is not name=value"),
        (["submit", "x", "--timeout", "0"], "timeout_seconds = 0"),
        (["submit", "x", "--seed", "99999999999"], "seed = 99999999999"),
        (["train", "classifier", "--dataset", "a b"], "dataset 'a b' is not a name"),
        (["train", "classifier", "--dataset", "a@0"], "version"),
        (["demo", "--data", "/does/not/exist"], "/does/not/exist"),
        (["recipes", "show", "nothing"], "there is no recipe 'nothing'"),
    ],
)
def test_a_wrong_request_is_named_and_leaves_nothing_behind(arc: Run, tmp_path: Path, words: list[str], said: str) -> None:
    result = arc(*words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) <= 2
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_setting_is_named_with_its_source(arc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARC_PORT", "many")
    result = arc("settings")
    assert result.exit_code == 2
    assert "setting port = 'many' (environment ARC_PORT)" in result.stderr


def test_settings_say_value_source_unit_and_reason_and_no_password(arc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARC_DATABASE_URL", "postgresql://me:hidden@db/arc")
    monkeypatch.setenv("ARC_PORT", "9001")
    rows = {row["name"]: row for row in json.loads(arc("settings", "--json").stdout)}
    assert rows["port"]["value"] == 9001
    assert rows["port"]["source"] == "environment ARC_PORT"
    assert all(row["unit"] and row["reason"] for row in rows.values())
    assert rows["database_url"]["value"] == "postgresql://***@db/arc"
    assert "hidden" not in arc("settings").stdout


@pytest.mark.parametrize("words", [["--workspace", "mine", "settings", "--json"], ["settings", "--json", "-w", "mine"]])
def test_the_workspace_is_understood_before_and_after_the_command(arc: Run, tmp_path: Path, words: list[str]) -> None:
    rows = {row["name"]: row["value"] for row in json.loads(arc(*words).stdout)}
    assert rows["workspace"] == str(tmp_path / "mine")


def test_the_nearer_workspace_wins(arc: Run, tmp_path: Path) -> None:
    rows = json.loads(arc("-w", "far", "settings", "--json", "-w", "near").stdout)
    assert rows[0]["value"] == str(tmp_path / "near")


def test_recipes_can_be_read_without_a_workspace(arc: Run, tmp_path: Path) -> None:
    assert "fundus.classify" in arc("recipes").stdout
    lines = json.loads(arc("recipes", "list", "--json").stdout)
    assert all(line["broken"] is None for line in lines)
    assert "probe.faults" not in [line["name"] for line in lines]
    card = json.loads(arc("recipes", "show", "fundus.classify", "--json").stdout)
    assert card["schema"]["properties"]["epochs"]["default"] == 30
    shown = arc("recipes", "show", "fundus.classify").stdout
    assert "small_cnn | small_resnet" in shown
    assert "integer from 1 to 100000" in shown
    assert list(tmp_path.iterdir()) == []


def test_a_fault_recipe_is_listed_where_it_is_allowed(arc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARC_ALLOW_FAULT_JOBS", "1")
    assert "probe.faults" in arc("recipes").stdout
