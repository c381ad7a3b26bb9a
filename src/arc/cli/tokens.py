"""`arc token`: who may use the control plane."""

from typing import Annotated

import typer

from arc.cli.options import Json, Workspace, examples, settings_of
from arc.cli.output import document, note, say, table
from arc.cli.session import session
from arc.core.access import Role

group = typer.Typer(no_args_is_help=True, help="Make and end tokens for programs and people.")
TokenId = Annotated[str, typer.Argument(metavar="TOKEN", help="Id of the token, as arc token list shows it.")]


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the group to `arc`."""
    app.add_typer(group, name="token", rich_help_panel=panel)


@group.command(epilog=examples("arc token create dashboard", "arc token create nightly --role operator --json"))
def create(
    name: Annotated[str, typer.Argument(help="Who it is for; stands in the audit.")],
    role: Annotated[
        Role,
        typer.Option(help="viewer reads, researcher also speaks to studies, operator also starts and stops jobs, admin does everything."),
    ] = Role.VIEWER,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Make a token; its secret is shown this once."""
    with session(settings_of(workspace), engine=False) as link:
        token, secret = link.client.tokens.create(name, role)
    if as_json:
        document({**token.model_dump(mode="json"), "token": secret})
        return
    say(secret)
    note(f"{token.id} ({token.role.value}) is for {token.name}. It is not shown again; send it as Authorization: Bearer …")


@group.command("list", epilog=examples("arc token list"))
def list_(workspace: Workspace = None, as_json: Json = False) -> None:
    """List tokens, revoked ones too; never their secrets."""
    with session(settings_of(workspace), engine=False) as link:
        tokens = link.client.tokens.all()
    if as_json:
        document(tokens)
        return
    rows = (
        [one.id, one.name, one.role.value, f"{one.created_at:%Y-%m-%d}", f"{one.revoked_at:%Y-%m-%d}" if one.revoked_at else ""]
        for one in tokens
    )
    table(("token", "name", "role", "made", "revoked"), rows)


@group.command(epilog=examples("arc token revoke TOKEN"))
def revoke(token: TokenId, workspace: Workspace = None, as_json: Json = False) -> None:
    """End a token at once."""
    with session(settings_of(workspace), engine=False) as link:
        link.client.tokens.revoke(token)
    if as_json:
        document({"id": token, "revoked": True})
    else:
        say(f"{token} is revoked")


@group.command(epilog=examples("arc token rotate TOKEN # the old secret ends at once"))
def rotate(token: TokenId, workspace: Workspace = None, as_json: Json = False) -> None:
    """Give a token a new secret, which is shown this once; the old one ends."""
    with session(settings_of(workspace), engine=False) as link:
        made, secret = link.client.tokens.rotate(token)
    if as_json:
        document({**made.model_dump(mode="json"), "token": secret})
        return
    say(secret)
    note(f"{made.id} takes the place of {token}. It is not shown again.")
