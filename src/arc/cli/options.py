"""Options that every command has, and how they reach the settings.

`--workspace` is understood before and after the command's name; the nearer one wins. `--json` is remembered
for the whole call, so that an error becomes a document too.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from arc import settings as house
from arc.settings import Settings


@dataclass
class Call:
    """What was said so far on this command line."""

    workspace: Path | None = None
    as_json: bool = False


def _remember_json(ctx: typer.Context, value: bool) -> bool:
    call = ctx.find_root().obj
    if isinstance(call, Call):
        call.as_json |= value
    return value


def _nearer_workspace(ctx: typer.Context, value: Path | None) -> Path | None:
    call = ctx.find_root().obj
    return call.workspace if value is None and isinstance(call, Call) else value


Json = Annotated[bool, typer.Option("--json", callback=_remember_json, help="Print one JSON document and nothing else.")]
Workspace = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        callback=_nearer_workspace,
        help="Folder that ARC keeps everything in; ARC_WORKSPACE or ./arc-workspace by default.",
    ),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter of the recipe; may be given often. 1e-3 is a number."),
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", min=0, help="Random seed; drawn when not given.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the job to its end.")]


def settings_of(workspace: Path | None, **overrides: Any) -> Settings:
    """The settings of this call; InvalidSpec names a wrong one."""
    return house.load({"workspace": workspace, **overrides})[0]


def examples(*lines: str) -> str:
    """The block of examples below the help of a command, each `command` or `command  # what it does`."""
    shown = []
    for line in lines:
        command, _, what = line.partition(" # ")
        shown.append(f"[cyan]{command.strip()}[/cyan]" + (f"  [dim]{what.strip()}[/dim]" if what else ""))
    return "\n".join(["[bold]Examples[/bold]", *shown])
