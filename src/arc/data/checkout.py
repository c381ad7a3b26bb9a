"""data.checkout: the files of a version that DVC keeps, and that are gone or changed, come back and are checked.

Only a folder that is not as it was sealed is touched. Its files are fetched whole before anything is taken away, so that
an unreachable remote costs nothing. What is in the remote need not be trusted: the seal of the store decides.
"""

import shutil
from pathlib import Path
from typing import Any

from arc.artifacts import tree
from arc.core.errors import BadData, NotFound
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.data.track import patience_s, with_dvc, workspace_of
from arc.data.track_spec import CheckoutParams


def run(ctx: RunContext, params: CheckoutParams) -> Done:
    """Bring back what is gone; NotFound when DVC does not keep the version, BadData when what it keeps is something else."""
    given = ctx.input("dataset")
    info: dict[str, Any] = given.info
    named, kept = f"{info['name']}@{info['version']}", info["tracking"]
    if kept is None:
        raise NotFound(f"DVC does not keep {named}, so it cannot bring it back", field="dataset", value=named)
    seals = {Path(given.path): str(info["seal"]), Path(str(given.sealed_path)): str(info["sealed_seal"])}
    root = workspace_of(Path(given.path))
    ctx.phase("check the dataset", budget_s=patience_s(info))
    broken = [folder for folder, seal in seals.items() if not _whole(folder, seal, ctx)]
    if broken:
        _bring_back(ctx, root, broken, kept, info)
        ctx.phase("check the dataset", budget_s=patience_s(info))
        for folder in broken:
            if seals[folder]:
                tree.check(folder, seals[folder], threads=ctx.threads)
    restored = [folder.relative_to(root).as_posix() for folder in broken]
    result = {"dataset": info["name"], "version": info["version"], "restored": restored, "remote": kept["remote"]}
    return Done(metrics={}, result=result | {"revision": kept["revision"]})


def _bring_back(ctx: RunContext, root: Path, broken: list[Path], kept: dict[str, Any], info: dict[str, Any]) -> None:
    repository = with_dvc()
    files = [folder.with_name(f"{folder.name}.dvc") for folder in broken]
    with repository.turn(root, ctx):
        repository.git(root, "checkout", kept["revision"], "--", *(str(file.relative_to(root)) for file in files))
        ctx.phase("fetch", budget_s=patience_s(info))
        with repository.watched(ctx, root / ".dvc" / "cache", of=int(info["files"]), what="fetch"):
            repository.fetch(root, files, kept["remote"], ctx)
        for folder in broken:
            shutil.rmtree(folder, ignore_errors=True)
        repository.checkout(root, files, ctx)


def _whole(folder: Path, seal: str, ctx: RunContext) -> bool:
    if not seal:  # made before there were seals: all that can be told is whether it is there
        return folder.is_dir()
    try:
        tree.check(folder, seal, threads=ctx.threads)
    except BadData:
        return False
    return True
