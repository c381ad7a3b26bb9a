"""The pages about what people and programs call: recipes, commands, routes; and how a table looks in Markdown."""

import json
import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

from arc import catalog
from arc.api.server import create_app
from arc.app import build
from arc.cli.root import app
from arc.core.recipe import RecipeSpec
from arc.settings import Settings


def row(*cells: Any) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def grid(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """A Markdown table."""
    return [row(*head), row(*("---" for _ in head)), *(row(*cells) for cells in rows)]


def code(text: Any) -> str:
    """`text` as code, or a dash when there is none."""
    return f"`{text}`" if str(text) else "–"


def recipes_page() -> list[str]:
    """Every recipe with its parameters, inputs, outputs and needs."""
    lines = ["# Recipes", "", "`arc recipes` lists these; `arc submit NAME -p name=value` runs one.", ""]
    for name in sorted(each.name for each in catalog.BUILTIN):
        lines += [*_recipe(catalog.spec(name)), ""]
    return lines[:-1]


def _recipe(spec: RecipeSpec) -> list[str]:
    needs = spec.needs
    facts = (
        f"Version {spec.version}. Purpose `{spec.purpose}`, role `{needs.role}`; needs {needs.memory_gb:g} GB, {needs.threads} thread(s)"
    )
    lines = [f"## {spec.name}", "", f"{spec.title}.", "", f"{facts}{', a GPU when there is one' if needs.gpus else ''}.", ""]
    if spec.inputs:
        rows = [
            (code(name), given.kind, ", ".join(given.splits) or "–", "yes" if given.required else "no", given.help)
            for name, given in spec.inputs.items()
        ]
        lines += [*grid(("Input", "Kind", "Splits", "Required", "What"), rows), ""]
    lines += [*grid(("Parameter", "Default", "Allowed", "What"), _params(spec.params)), ""]
    lines.append(
        "Leaves " + ", ".join(f"`{name}` ({kind})" for name, kind in spec.outputs.items()) + "." if spec.outputs else "Leaves no artifact."
    )
    return lines


def _params(params: type[BaseModel]) -> list[tuple[str, str, str, str]]:
    schema = params.model_json_schema(by_alias=False)["properties"]
    return [
        (code(name), code(_default(info.default)), _allowed(schema.get(name, {})), info.description or "")
        for name, info in params.model_fields.items()
    ]


def _default(value: Any) -> str:
    return "" if value is None else json.dumps(value, default=str)


def _allowed(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_allowed(part) for part in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(code(value) for value in schema.get("enum", [schema.get("const")]))
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    kind = {"null": "nothing", "boolean": "yes/no", "string": "text", "number": "number", "array": "list", "object": "mapping"}
    named = kind.get(str(schema.get("type")), str(schema.get("type", "")))
    if low is None and high is None:
        return named
    left = "" if low is None else f"{low:,} {'<' if 'exclusiveMinimum' in schema else '≤'} "
    right = "" if high is None else f" {'<' if 'exclusiveMaximum' in schema else '≤'} {high:,}"
    return f"{left}{named}{right}"


def commands_page() -> list[str]:
    """Every command of `arc` with its arguments and options."""
    lines = ["# Commands", "", "Each takes `--help`, which shows examples. Exit statuses are those of [errors](errors.md).", ""]
    root = typer.main.get_command(app)
    for path, command in _leaves(root, "arc"):
        lines += [f"## {path}", "", (command.help or "").split("\n\n")[0].strip().replace("\n", " "), ""]
        rows = [_parameter(each) for each in command.params if not getattr(each, "hidden", False) and each.name != "help"]
        lines += [*grid(("Argument or option", "Default", "What"), rows), ""] if rows else []
        if shown := re.sub(r"\[/?[a-z]+\]", "", command.epilog or "").split("\n\n")[1:]:
            lines += ["```", *(line.strip() for line in shown), "```", ""]
    return lines[:-1]


def _leaves(command: Any, path: str) -> list[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        return [(path, command)]
    return [leaf for name, sub in command.commands.items() if not sub.hidden for leaf in _leaves(sub, f"{path} {name}")]


def _parameter(each: Any) -> tuple[str, str, str]:
    if each.param_type_name == "argument":
        name = code(each.metavar or str(each.name).upper())
        return name, "required" if each.required else "–", getattr(each, "help", None) or ""
    shown = getattr(each, "show_default", None)
    default = code(each.default) if isinstance(each.default, str | int | float) and each.default not in (False, "") else "–"
    if isinstance(shown, str):
        default = shown
    elif each.secondary_opts:
        default = code((each.opts if each.default else each.secondary_opts)[0])
    return ", ".join(code(name) for name in (*each.opts, *each.secondary_opts)), default, each.help or ""


def routes_page() -> list[str]:
    """Every route with the least role that may use it."""
    with tempfile.TemporaryDirectory() as folder:
        house = build(Settings(workspace=Path(folder)))
        try:
            schema = create_app(house).openapi()
        finally:
            house.close()
    rows = []
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            answers = ", ".join(sorted(status for status in operation["responses"] if status < "300"))
            words = (operation.get("description") or operation.get("summary") or "").split("\n\n")[0].replace("\n", " ")
            rows.append((f"`{method.upper()} {path}`", operation.get("x-role", ""), answers, words))
    intro = (
        "The least role that may use it is named; `public` needs no token. What is refused is answered with a problem document whose kind is "
        "one of the [errors](errors.md). `GET /openapi.json` has the shapes of requests and answers."
    )
    return ["# Routes", "", intro, "", *grid(("Route", "Role", "Answers", "Does"), rows)]
