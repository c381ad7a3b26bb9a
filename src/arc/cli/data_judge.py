"""`arc data validate|drift`: whether a dataset can be trusted, and whether what comes in still looks like it."""

from pathlib import Path
from typing import Annotated

import typer

from arc.cli.data_options import follow, given, group, reference, there, version_named, with_data_root
from arc.cli.options import Json, Parameters, Wait, Workspace, examples, settings_of
from arc.cli.session import session
from arc.cli.values import params
from arc.core.errors import InvalidSpec


@group.command(epilog=examples("arc data validate eyes", "arc data validate --folder ~/eyes # before it is registered"))
def validate(
    dataset: Annotated[str | None, typer.Argument(metavar="NAME[@VERSION]", help="A registered version.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Or a folder that is not registered yet.")] = None,
    param: Parameters = None,
    wait: Wait = True,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Check structure, pictures, masks, splits, leakage and shortcuts; exit status 1 when a check failed."""
    if (dataset is None) == (folder is None):
        raise InvalidSpec("give exactly one of NAME and --folder", field="dataset")
    found = there(folder, "folder") if folder else None
    with session(with_data_root(settings_of(workspace), found), engine=wait, make=True) as link:
        calls, fields = link.client.datasets, params(param or ())
        if found is not None:
            job = calls.validate_structure(str(found), **fields)
        else:
            ref = reference(str(dataset))
            job = calls.validate(ref.target, version=ref.version, **fields)
        follow(link, job, wait=wait, as_json=as_json)


@group.command(epilog=examples("arc data drift eyes@1 eyes@2", "arc data drift eyes@1 --recent ~/this-week"))
def drift(
    reference: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="What a model was trained on.")],
    current: Annotated[str | None, typer.Argument(metavar="NAME[@VERSION]", help="What is compared with it.")] = None,
    recent: Annotated[Path | None, typer.Option(help="Or a folder of photographs that came in lately.")] = None,
    param: Parameters = None,
    wait: Wait = True,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Say whether brightness, colour, sharpness, entropy or size have moved, with intervals."""
    found = there(recent, "recent") if recent else None
    fields = given(current=current and version_named(current), recent_path=str(found) if found else None) | params(param or ())
    with session(with_data_root(settings_of(workspace), found), engine=wait, make=True) as link:
        follow(link, link.client.datasets.drift(version_named(reference), **fields), wait=wait, as_json=as_json)
