"""`arc data unpack|register|preprocess|split`: from an archive to a version, and from one version to the next."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from arc.cli.data_options import DatasetName, dataset_name, follow, given, group, there, version_named, with_data_root
from arc.cli.options import Json, Parameters, Seed, Wait, Workspace, examples, settings_of
from arc.cli.session import session
from arc.cli.values import pairs, params

NewName = Annotated[str | None, typer.Option("--name", help="Name of the dataset that is made.")]
SplitBy = Annotated[
    Literal["draw", "keep", "site"] | None,
    typer.Option("--split-by", help="draw by patient (default), keep the one that came along, or leave a site out."),
]
Site = Annotated[str | None, typer.Option("--sealed-site", metavar="SITE", help="The site to leave out, with --split-by site.")]
LayoutName = Annotated[str | None, typer.Option("--layout", help="Which layout the files have, where they do not say it themselves.")]
Mapping = Annotated[
    list[str] | None, typer.Option("--map", metavar="ROLE=NAME", help="What a table calls a role: label=diagnosis, label:1=glaucoma.")
]


@group.command(
    epilog=examples(
        "arc data unpack eyes.zip --name eyes",
        "arc data unpack eyes.tar.gz --name eyes --split-by keep # the train, val and test folders that came along",
        "arc data unpack stack.mat --name eyes --map image=Fundus --map label=dx",
    )
)
def unpack(
    archive: Annotated[Path, typer.Argument(help="A ZIP, TAR (gz, bz2, xz, zst), 7z or .mat file, or a folder.")],
    name: NewName = None,
    split_by: SplitBy = None,
    sealed_site: Site = None,
    layout: LayoutName = None,
    mapping: Mapping = None,
    param: Parameters = None,
    seed: Seed = None,
    wait: Wait = True,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Unpack an archive safely, normalise what is in it, split it by patient and register it."""
    found = there(archive, "archive")
    fields = given(dataset_name=name or dataset_name(found), split_by=split_by, sealed_site=sealed_site, layout=layout, seed=seed)
    fields |= _mapped(mapping) | params(param or ())
    with session(with_data_root(settings_of(workspace), found), engine=wait, make=True) as link:
        where = str(found) if link.own or found.is_dir() else link.client.datasets.upload(found)
        follow(link, link.client.datasets.unpack(where, **fields), wait=wait, as_json=as_json)


@group.command("register", epilog=examples("arc data register ~/eyes --name eyes", "arc data register ~/eyes --name eyes --push"))
def register_(
    folder: Annotated[Path, typer.Argument(help="A folder in a standard layout; its files are taken as they are.")],
    name: NewName = None,
    description: Annotated[str | None, typer.Option(help="What it is.")] = None,
    source: Annotated[str | None, typer.Option(help="Where it comes from.")] = None,
    licence: Annotated[str | None, typer.Option(help="Its licence.")] = None,
    push: Annotated[bool, typer.Option("--push", help="Also keep it with DVC and push it to the remote.")] = False,
    split_by: SplitBy = None,
    sealed_site: Site = None,
    layout: LayoutName = None,
    mapping: Mapping = None,
    param: Parameters = None,
    seed: Seed = None,
    wait: Wait = True,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Register a folder in a standard layout as a version, without converting anything."""
    found = there(folder, "folder")
    fields = given(dataset_name=name or dataset_name(found), description=description, source=source, licence=licence, seed=seed)
    fields |= given(split_by=split_by, sealed_site=sealed_site, layout=layout) | _mapped(mapping) | params(param or ())
    with session(with_data_root(settings_of(workspace), found), engine=wait, make=True) as link:
        job = link.client.datasets.register(str(found), push_to_dvc=push, **fields)
        follow(link, job, wait=wait, as_json=as_json)


@group.command(
    epilog=examples(
        "arc data preprocess eyes",
        'arc data preprocess eyes@1 --name eyes-512 -p \'steps=[{"step": "field_of_view"}, {"step": "resize", "side_px": 512}]\'',
    )
)
def preprocess(
    dataset: DatasetName,
    name: NewName = None,
    drop_ungradable: Annotated[bool | None, typer.Option("--drop-ungradable", help="Leave out what is too blurred or too dark.")] = None,
    param: Parameters = None,
    wait: Wait = True,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Cut, even out and resize photographs and masks into a new version."""
    fields = given(dataset_name=name, drop_ungradable=drop_ungradable) | params(param or ())
    with session(settings_of(workspace), engine=wait, make=True) as link:
        follow(link, link.client.datasets.preprocess(version_named(dataset), **fields), wait=wait, as_json=as_json)


@group.command(
    epilog=examples("arc data split eyes --seed 7", "arc data split eyes --split-by site --sealed-site 'Clinic B' -p redraw_sealed=true")
)
def split(
    dataset: DatasetName,
    name: NewName = None,
    split_by: SplitBy = None,
    sealed_site: Site = None,
    param: Parameters = None,
    seed: Seed = None,
    wait: Wait = True,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Split the patients of a version anew; what is sealed stays sealed unless redraw_sealed is given."""
    fields = given(dataset_name=name, split_by=split_by, sealed_site=sealed_site, seed=seed) | params(param or ())
    with session(settings_of(workspace), engine=wait, make=True) as link:
        follow(link, link.client.datasets.split(version_named(dataset), **fields), wait=wait, as_json=as_json)


def _mapped(mapping: list[str] | None) -> dict[str, Any]:
    return {"mapping": pairs(mapping, option="--map")} if mapping else {}
