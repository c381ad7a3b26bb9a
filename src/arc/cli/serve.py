"""`arc init` and `arc serve`: make a workspace, and run its control plane."""

from typing import Annotated

import typer

from arc.cli.options import Json, Workspace, examples, settings_of
from arc.cli.output import document, facts, note, say, stdout
from arc.cli.session import serving, session
from arc.core.errors import Conflict
from arc.settings import Settings

_TOML = """\
# Settings of this workspace; `arc settings` lists all of them with their reasons.
# data_roots = ["/data/eyes"]   # folders outside the workspace that requests may name
# port = 8000
"""


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the commands to `arc`."""
    app.command(rich_help_panel=panel, epilog=examples("arc init", "arc init --workspace /data/arc"))(init)
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "arc serve",
            "arc serve --port 9000 --workspace /data/arc",
            "ARC_DATA_ROOTS=/data/eyes arc serve # let requests name photographs there",
        ),
    )(serve)


def init(workspace: Workspace = None, as_json: Json = False) -> None:
    """Make a workspace: its database, its token and a commented arc.toml. Doing it twice changes nothing."""
    settings = settings_of(workspace)
    there = (settings.workspace / "arc.db").exists()
    settings.workspace.mkdir(parents=True, exist_ok=True, mode=0o700)
    toml = settings.workspace / "arc.toml"
    if not toml.exists():
        toml.write_text(_TOML)
    with session(settings, engine=False, make=True):
        pass  # opening it makes the database and the token
    if as_json:
        document({"workspace": str(settings.workspace), "made": not there})
        return
    say(f"{settings.workspace} is {'a workspace already' if there else 'ready'}")
    note("Next: arc demo trains a first model, arc serve runs the control plane, arc doctor checks the machine.")


def serve(
    port: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=65535, help="Port; ARC_PORT or 8000 by default, 0 takes a free one.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address; 127.0.0.1 by default, anything but loopback needs allowed_hosts.")] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Run the control plane in the foreground until Ctrl-C or SIGTERM."""
    # Imported here, because `arc --help` needs none of it.
    from arc.api.control import ControlPlane
    from arc.app import build
    from arc.telemetry import logs

    settings = settings_of(workspace, port=port, host=host)
    _check_free(settings)
    logs.configure(as_json=settings.log_json)
    app = build(settings)
    plane = ControlPlane(app)
    app.access.prepare()
    link = app.access.login_link(plane.url)
    if as_json:
        document({"url": plane.url, "login": link, "workspace": str(settings.workspace)})
    else:
        facts([("control plane", plane.url), ("workspace", settings.workspace), ("log in", link)])
        note("The link works once, within ten minutes. Ctrl-C stops; what runs writes a checkpoint first.")
    stdout().file.flush()
    plane.run()


def _check_free(settings: Settings) -> None:
    served = serving(settings) if not settings.control_plane_url else None
    if served is not None:
        served.close()
        raise Conflict(
            f"the workspace {settings.workspace} is served already, at {served.url}", field="workspace", value=str(settings.workspace)
        )
