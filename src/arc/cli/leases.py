"""`arc leases`: who holds which named right, and taking one from a script."""

from typing import Annotated

import typer

from arc.cli.options import Json, Workspace, examples, settings_of
from arc.cli.output import document, facts, note, say, seconds, table
from arc.cli.session import session
from arc.core.lease import TTL_S, Lease

group = typer.Typer(no_args_is_help=True, help="Share what only one may use at a time.")
LeaseName = Annotated[str, typer.Argument(metavar="LEASE", help="Name of the lease, such as training_slot.")]
FencingToken = Annotated[int, typer.Option("--token", metavar="N", help="The fencing token that acquiring has printed.")]
Ttl = Annotated[float, typer.Option("--ttl", metavar="SECONDS", help="From now until it expires; 1 to 3600.")]


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the group to `arc`."""
    app.add_typer(group, name="leases", rich_help_panel=panel)


@group.command("list", epilog=examples("arc leases list", "arc leases list --json"))
def list_(workspace: Workspace = None, as_json: Json = False) -> None:
    """List the leases that are held."""
    with session(settings_of(workspace), engine=False) as link:
        found = link.client.leases.all()
    if as_json:
        document(found)
        return
    table(("lease", "owner", "token", "expires in"), ([one.name, one.owner, one.token, seconds(one.left_s)] for one in found), right=(2, 3))
    if not found:
        note("Nobody holds a lease.")


@group.command(
    epilog=examples(
        "arc leases acquire training_slot --ttl 600", "arc leases acquire nightly_import --owner cron --json # the token is in the document"
    )
)
def acquire(
    lease: LeaseName,
    owner: Annotated[str | None, typer.Option(help="Who will hold it, for people; the name of your token when not given.")] = None,
    ttl: Ttl = TTL_S,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Take a lease; refused with the name of its holder while it is taken."""
    with session(settings_of(workspace), engine=False) as link:
        found = link.client.leases.acquire(lease, owner=owner, ttl_s=ttl)
    _show(found, as_json=as_json)


@group.command(epilog=examples("arc leases renew training_slot --token 7 --ttl 600"))
def renew(lease: LeaseName, token: FencingToken, ttl: Ttl = TTL_S, workspace: Workspace = None, as_json: Json = False) -> None:
    """Hold a lease for longer; refused once it has expired: then stop what it was for."""
    with session(settings_of(workspace), engine=False) as link:
        found = link.client.leases.renew(lease, token=token, ttl_s=ttl)
    _show(found, as_json=as_json)


@group.command(epilog=examples("arc leases release training_slot --token 7"))
def release(lease: LeaseName, token: FencingToken, workspace: Workspace = None, as_json: Json = False) -> None:
    """Give a lease back."""
    with session(settings_of(workspace), engine=False) as link:
        found = link.client.leases.release(lease, token=token)
    if as_json:
        document(found)
    else:
        say(f"{found.name} is free")


def _show(lease: Lease, *, as_json: bool) -> None:
    if as_json:
        document(lease)
        return
    facts([("lease", lease.name), ("owner", lease.owner), ("token", lease.token), ("expires in", seconds(lease.left_s))])
