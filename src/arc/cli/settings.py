"""`arc settings`: every setting with its value, where it came from and why its default is what it is."""

import typer

from arc import settings as house
from arc.cli.options import Json, Workspace, examples
from arc.cli.output import document, table


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the command to `arc`."""
    app.command(rich_help_panel=panel, epilog=examples("arc settings", "ARC_PORT=9000 arc settings --json"))(settings)


def settings(workspace: Workspace = None, as_json: Json = False) -> None:
    """Print every setting: value, unit, source, environment variable and reason."""
    found, sources = house.load({"workspace": workspace})
    rows = house.table(found, sources)
    if as_json:
        document([row.model_copy(update={"value": _public(row.name, row.value)}) for row in rows])
        return
    table(
        ("setting", "value", "unit", "from", "why"),
        ([row.name, _text(_public(row.name, row.value)), row.unit, row.source, row.reason] for row in rows),
    )


def _public(name: str, value: object) -> object:
    """The value without the password of a database URL."""
    if name != "database_url" or "@" not in str(value):
        return value
    scheme, _, rest = str(value).partition("://")
    return f"{scheme}://***@{rest.rpartition('@')[2]}"


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
