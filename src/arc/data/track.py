"""data.track: keep a dataset version with DVC: its bytes in DVC's cache and remote, its names in git.

The whole workspace is one repository (`arc.data.repository`), made by the first version that is kept. A version that is
kept already adds nothing; pushing it later sends what the remote lacks. DVC may link and protect files but must not
change a byte, so the version is checked against its seal once more at the end.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

from arc.artifacts import tree
from arc.core.errors import PermanentError, RecipeBroken
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.data.track_spec import TrackParams


def run(ctx: RunContext, params: TrackParams) -> Done:
    """Add, commit, tag, push; RecipeBroken without DVC, PermanentError without git, ServiceDown without the remote."""
    repository = with_dvc()
    given = ctx.input("dataset")
    name, version, remote = given.info["name"], given.info["version"], str(given.info["dvc_remote"])
    folders = [Path(given.path), Path(str(given.sealed_path))]
    root = workspace_of(folders[0])
    kept = {folder: len(_listed(folder)) for folder in folders}
    with repository.turn(root, ctx):
        ctx.phase("prepare the repository")
        repository.prepare(root, remote)
        ctx.phase("add", budget_s=patience_s(given.info))
        with repository.watched(ctx, root / ".dvc" / "cache", of=sum(kept.values()), what="add"):
            added = repository.add(root, folders, ctx)
        for (file, count), (folder, listed) in zip(added, kept.items(), strict=True):
            if count != listed:
                raise PermanentError(
                    f"DVC took {count} of the {listed} files of {folder.name}; does a .dvcignore hide some?", field=file.name
                )
        files = [file for file, _ in added]
        repository.commit(root, [*files, root / "data_registry.yaml"], f"{name}@{version}")
        revision = repository.tagged(root, files, f"{name}-v{version}")
        if params.push:
            ctx.phase("push", budget_s=patience_s(given.info))
            with repository.watched(ctx, root / repository.LOCAL, of=sum(kept.values()), what="push"):
                repository.push(root, files, remote, ctx)
    ctx.phase("check the dataset", budget_s=patience_s(given.info))
    for folder in folders:
        if seal := given.seals.get(str(folder)):
            tree.check(folder, seal, threads=ctx.threads)
    result = {"dataset": name, "version": version, "tracked": True, "pushed": params.push, "remote": remote, "revision": revision}
    return Done(metrics={"files": sum(kept.values())}, result=result)


def with_dvc() -> ModuleType:
    """The module that speaks with DVC; RecipeBroken, with what to install, where DVC is not."""
    try:
        from arc.data import repository  # here, because the warm server imports every recipe, and DVC takes a second
    except ModuleNotFoundError as error:
        raise RecipeBroken(f"{error.name} is not installed: pip install 'arc-control[versions]'", field="dvc") from error
    return repository


def workspace_of(folder: Path) -> Path:
    """The workspace in which the folder of a version lies, as datasets/NAME/VERSION or sealed/NAME/VERSION."""
    return folder.parents[2]


def patience_s(info: dict[str, Any]) -> float:
    """How long DVC may take over a version without a sign of progress: an hour, and the time of a slow line."""
    return 3600.0 + float(info["bytes"]) / 500_000


def _listed(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
