"""`arc data`: which datasets there are, what is in one, and keeping versions with DVC.

Commands that make versions are in `data_make`, those that judge them in `data_judge`.
"""

from typing import Annotated, Any

import typer

from arc.cli import data_judge, data_make
from arc.cli.data_options import DatasetName, follow, group, newest
from arc.cli.options import Json, Wait, Workspace, examples, settings_of
from arc.cli.output import document, facts, note, say, size, table
from arc.cli.session import session

__all__ = ["data_judge", "data_make", "register"]  # importing them adds their commands to the group


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the group to `arc`."""
    app.add_typer(group, name="data", rich_help_panel=panel)


@group.command(epilog=examples("arc data track eyes@2", "arc data track eyes@2 --no-push"))
def track(
    dataset: DatasetName,
    push: Annotated[bool, typer.Option("--push/--no-push", help="Also copy it to the remote.")] = True,
    wait: Wait = True,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Keep a version with DVC."""
    with session(settings_of(workspace), engine=wait, make=True) as link:
        ref = newest(link, dataset)
        follow(link, link.client.datasets.track(ref.target, ref.version or 1, push=push), wait=wait, as_json=as_json)


@group.command(epilog=examples("arc data checkout eyes@1"))
def checkout(
    dataset: DatasetName, wait: Wait = True, workspace: Workspace = None, as_json: Json = False
) -> None:  # fmt: skip
    """Bring the files of a version back from DVC."""
    with session(settings_of(workspace), engine=wait, make=True) as link:
        ref = newest(link, dataset)
        follow(link, link.client.datasets.checkout(ref.target, ref.version or 1), wait=wait, as_json=as_json)


@group.command("list", epilog=examples("arc data list", "arc data list --json"))
def list_(workspace: Workspace = None, as_json: Json = False) -> None:
    """List the datasets with their newest versions."""
    with session(settings_of(workspace), engine=False) as link:
        found = link.client.datasets.all()
    if as_json:
        document(found)
        return
    rows = (
        [one.ref, one.task, one.files, size(one.bytes), sum(one.patients.values()) if one.patients_known else "-", one.source]
        for one in found
    )
    table(("dataset", "for", "photographs", "size", "patients", "source"), rows, right=(2, 3, 4))
    if not found:
        note("There is no dataset yet: arc data unpack ARCHIVE --name NAME")


@group.command(epilog=examples("arc data info eyes", "arc data info eyes --json"))
def info(name: Annotated[str, typer.Argument(help="Name of the dataset.")], workspace: Workspace = None, as_json: Json = False) -> None:
    """Show the versions of a dataset: counts, split, digest, last validation, DVC."""
    with session(settings_of(workspace), engine=False) as link:
        found = link.client.datasets.info(name)
    if as_json:
        document(found)
        return
    for version in found["versions"]:
        _version_facts(version, found)
        say("")


def _version_facts(version: dict[str, Any], found: dict[str, Any]) -> None:
    number = str(version["version"])
    validation, kept = found["validations"].get(number), found["trackings"].get(number)
    said = "passed" if validation and validation["passed"] else ", ".join(validation["failed"]) if validation else None
    counts = "; ".join(
        f"{split} " + ", ".join(f"{count} {label}" for label, count in each.items()) for split, each in version["counts"].items()
    )
    facts(
        [
            ("version", f"{version['name']}@{number}"),
            ("made from", version["made_from"]),
            ("by", ", ".join(version["parameters"]) or None),
            ("photographs", counts),
            ("split", version["split_rule"]),
            ("digest", version["digest"]),
            ("validation", said),
            ("DVC", f"{kept['remote']}{'' if kept['pushed'] else ' (not pushed)'}" if kept else None),
            ("sealed split read", f"{found['sealed_uses'].get(number, 0)} times"),
            ("licence", version["licence"] or None),
            ("source", version["source"] or None),
            ("folder", version["path"]),
        ]
    )
