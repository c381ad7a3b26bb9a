"""`arc doctor`: is this machine, and this workspace, fit for work?"""

import typer

from arc.cli.checks import every_check
from arc.cli.options import Json, Workspace, examples, settings_of
from arc.cli.output import document, say, styled_state, table
from arc.cli.session import serving


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the command to `arc`."""
    app.command(rich_help_panel=panel, epilog=examples("arc doctor", "arc doctor --json"))(doctor)


def doctor(workspace: Workspace = None, as_json: Json = False) -> None:
    """Check the machine and the workspace, and say what to do about what is not well."""
    settings = settings_of(workspace)
    served = serving(settings)
    if served is not None:
        served.close()
    checks = every_check(settings, served_by=served.url if served else None)
    failed = sum(check.state == "fail" for check in checks)
    if as_json:
        document({"ok": not failed, "checks": [vars(check) for check in checks]})
    else:
        table(
            ("check", "", "found", "what to do"), ([check.name, styled_state(check.state), check.found, check.advice] for check in checks)
        )
        say(f"{failed} of {len(checks)} checks failed." if failed else "Everything needed is there.")
    if failed:
        raise typer.Exit(1)
