"""What the commands of `arc data` share: their group, arguments, and the way from words to references.

A file or folder that is named on this command line is declared as a data root when the command runs the jobs itself;
a control plane that runs elsewhere is sent the file.
"""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from arc.cli.follow import watch_to_end
from arc.cli.output import document, say
from arc.cli.session import Link
from arc.core.errors import NotFound
from arc.core.inputs import InputRef, parse_input
from arc.core.job import Job
from arc.settings import Settings

group = typer.Typer(no_args_is_help=True, help="Bring photographs in, check them, and keep their versions.")
DatasetName = Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="The dataset; its newest version by default.")]


def follow(link: Link, job: Job, *, wait: bool, as_json: bool) -> None:
    """Follow the job, with those that wait for it, or say how it can be followed."""
    if wait:
        watch_to_end(link, job, as_json=as_json)
    elif as_json:
        document(job)
    else:
        say(f"{job.id} {job.status.value}")


def reference(text: str) -> InputRef:
    """The reference in NAME or NAME@VERSION; InvalidSpec when it is none."""
    return parse_input(f"dataset:{text.removeprefix('dataset:')}", field="dataset")


def version_named(text: str) -> str:
    """NAME or NAME@VERSION, checked."""
    return str(reference(text)).removeprefix("dataset:")


def newest(link: Link, text: str) -> InputRef:
    """The reference with its version: the newest when none is named."""
    ref = reference(text)
    return (
        ref if ref.version is not None else InputRef("dataset", ref.target, version=link.client.datasets.versions(ref.target)[-1].version)
    )


def given(**fields: Any) -> dict[str, Any]:
    """The fields that were given."""
    return {name: value for name, value in fields.items() if value is not None}


def there(path: Path, option: str) -> Path:
    """The absolute path; NotFound when nothing is there."""
    found = path.expanduser().resolve()
    if not found.exists():
        raise NotFound(f"there is no file or folder {found}", field=option, value=str(found))
    return found


def with_data_root(settings: Settings, found: Path | None) -> Settings:
    """The owner of this machine named the path on his own command line: that declares it, for this run."""
    return settings if found is None else settings.model_copy(update={"data_roots": [*settings.data_roots, found]})


def dataset_name(data: Path) -> str:
    """A name for the dataset: that of the folder or archive, with what a name cannot hold taken out."""
    stem = data.name
    for ending in (".zip", ".7z", ".mat", ".tar", ".gz", ".bz2", ".xz", ".zst", ".tgz", ".tbz2", ".txz"):
        stem = stem.removesuffix(ending).removesuffix(".tar")
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).replace("..", ".").strip(".-_")[:64]
    return kept or "photographs"
