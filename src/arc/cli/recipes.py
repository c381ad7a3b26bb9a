"""`arc recipes`: what can be run, and with which parameters.

A control plane that serves the workspace is asked, because its plug-ins count; without one the catalog of
this installation answers, so that nothing needs to be started for a look.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from arc import catalog
from arc.cli.options import Json, Workspace, examples, settings_of
from arc.cli.output import document, facts, plural, say, table
from arc.cli.session import serving
from arc.client import RecipeCard, RecipeLine
from arc.core.errors import RecipeBroken
from arc.settings import Settings

group = typer.Typer(
    invoke_without_command=True,
    help="List recipes and their parameters.",
    epilog=examples("arc recipes", "arc recipes show fundus.classify"),
)


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the group to `arc`."""
    app.add_typer(group, name="recipes", rich_help_panel=panel)


@group.callback()
def _list_by_default(ctx: typer.Context, workspace: Workspace = None, as_json: Json = False) -> None:
    if ctx.invoked_subcommand is None:
        _list(settings_of(workspace), as_json=as_json)


@group.command("list", epilog=examples("arc recipes list", "arc recipes list --json"))
def list_(workspace: Workspace = None, as_json: Json = False) -> None:
    """List every recipe."""
    _list(settings_of(workspace), as_json=as_json)


@group.command(epilog=examples("arc recipes show fundus.classify", "arc recipes show fundus.classify --json # the JSON Schema"))
def show(name: Annotated[str, typer.Argument(help="Name of the recipe.")], workspace: Workspace = None, as_json: Json = False) -> None:
    """Show what a recipe takes, needs and leaves."""
    card = _card(settings_of(workspace), name)
    if as_json:
        document(card.model_dump(mode="json", by_alias=True))
        return
    facts(
        [
            ("recipe", f"{card.name} (version {card.version})"),
            ("does", card.title),
            (
                "takes",
                f"{card.needs.memory_gb:g} GB, {plural(card.needs.threads, 'thread')}"
                + (f", {card.needs.gpus} GPU when there is one" if card.needs.gpus else ""),
            ),
            ("leaves", ", ".join(f"{output} ({kind})" for output, kind in card.outputs.items()) or None),
        ]
    )
    if card.inputs:
        say("")
        table(
            ("input", "kind", "must", "what"),
            ((f"{item}", one.kind, "yes" if one.required else "no", one.help) for item, one in card.inputs.items()),
        )
    say("")
    table(("parameter", "type", "default", "what"), _rows(card.params_schema))


def _list(settings: Settings, *, as_json: bool) -> None:
    lines = _lines(settings)
    if as_json:
        document(lines)
    else:
        table(("recipe", "for", "what it does"), ([one.name, one.purpose, one.broken or one.title] for one in lines))


def _lines(settings: Settings) -> list[RecipeLine]:
    served = serving(settings)
    if served is not None:
        with served:
            return served.recipes.all()
    lines = [_line(name) for name in sorted(catalog.rows())]
    return [line for line in lines if not line.name.startswith("probe.") or settings.allow_fault_jobs]


def _line(name: str) -> RecipeLine:
    try:
        spec = catalog.spec(name)
    except RecipeBroken as error:
        return RecipeLine(name=name, version=None, title="", purpose=None, broken=error.message)
    return RecipeLine(name=name, version=spec.version, title=spec.title, purpose=spec.purpose)


def _card(settings: Settings, name: str) -> RecipeCard:
    served = serving(settings)
    if served is not None:
        with served:
            return served.recipes.get(name)
    return RecipeCard.of(catalog.spec(name))


def _rows(schema: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for name, field in schema.get("properties", {}).items():
        yield name, _type(field), _default(field), str(field.get("description", ""))


def _default(field: dict[str, Any]) -> str:
    return "" if "default" not in field or field["default"] is None else str(field["default"])


def _type(field: dict[str, Any]) -> str:
    """The type and bounds of a parameter in a few words: `integer from 1 to 100000`, `adam | sgd`."""
    if "enum" in field:
        return " | ".join(str(value) for value in field["enum"])
    if "anyOf" in field:
        return " | ".join(_type(one) for one in field["anyOf"])
    low = _bound(field, "minimum", "from", "exclusiveMinimum", "above")
    high = _bound(field, "maximum", "to", "exclusiveMaximum", "below")
    return " ".join(part for part in (str(field.get("type", "any")), low, high) if part)


def _bound(field: dict[str, Any], inclusive: str, word: str, exclusive: str, other: str) -> str:
    if inclusive in field:
        return f"{word} {field[inclusive]:g}"
    return f"{other} {field[exclusive]:g}" if exclusive in field else ""
