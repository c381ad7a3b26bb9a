"""Publishing: from the staging folder of a finished attempt to artifacts, experiment folder and logs.

The bytes are put first, by digest, which can be repeated after a crash without harm; the rows follow in the
transaction that completes the job; the staging folder goes last. A file whose digest is not the one in the
journal is refused, and the job fails instead of recording bytes nobody wrote.
"""

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from arc import catalog
from arc.artifacts import ArtifactStore
from arc.core.artifact import Artifact, ArtifactKind
from arc.core.errors import DigestMismatch, NotFound
from arc.core.experiment import Experiment
from arc.core.job import Job
from arc.core.journal import JOURNAL, STDERR, STDOUT
from arc.jobs.paths import Layout

_FOLDER = {
    ArtifactKind.CHECKPOINT: "checkpoints",
    ArtifactKind.MODEL: "checkpoints",
    ArtifactKind.FIGURE: "visualizations",
    ArtifactKind.LOG: "logs",
}
_COPIED_TO = {"checkpoints": "checkpoint_dir", "logs": "log_dir"}  # folder of the home -> of COPIES
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # in C where PyYAML was built with it
KEPT_RUNS = ("wandb", "tensorboard")  # folders of `arc.kit.tracking`
KEPT_LOGS = (STDOUT, STDERR, JOURNAL)


def put_all(made: list[Artifact], *, layout: Layout, store: ArtifactStore) -> None:
    """Put the bytes of every artifact into the store; DigestMismatch or NotFound when one is not what the journal says."""
    for artifact in made:
        path = layout.stored(artifact.path)
        if not path.is_file():
            store.path(artifact.digest)  # an earlier try has put it already, else NotFound
            continue
        digest, _ = store.put(path)
        if digest != artifact.digest:
            raise DigestMismatch(f"{artifact.name}: the bytes are not those the journal names", field="artifact", value=artifact.name)


def copy_to_home(job: Job, made: list[Artifact], *, layout: Layout, store: ArtifactStore) -> None:
    """Give the experiment's folder read-only copies under readable names."""
    for artifact in made:
        target = layout.home(job) / _FOLDER.get(artifact.kind, "results") / artifact.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        store.copy_out(artifact.digest, target)


def leave_copies(job: Job, made: list[Artifact], *, layout: Layout, store: ArtifactStore) -> None:
    """Leave the copies that were asked for, each in a folder of the job's id; OSError, Forbidden when a folder is now elsewhere."""
    for name, text in (job.copies or {}).items():
        target = layout.outside(text, field=name) / job.id
        target.mkdir(parents=True, exist_ok=True)
        if name == "log_dir":
            file_logs(layout.staging(job, job.attempt), target)
            for earlier in (layout.home(job) / "logs").glob(f"{job.id}.*"):
                shutil.copyfile(earlier, target / earlier.name)
        for artifact in made:
            if name == _COPIED_TO.get(_FOLDER.get(artifact.kind, ""), "output_dir"):
                (target / artifact.name).unlink(missing_ok=True)
                store.copy_out(artifact.digest, target / artifact.name)


def keep_logs(job: Job, number: int, *, layout: Layout, move: bool = False) -> None:
    """Copy stdout, stderr and the journal of an attempt to the logs of its home; `move` when its staging folder goes."""
    file_logs(layout.staging(job, number), layout.home(job) / "logs", move=move)


def file_logs(staging: Path, logs: Path, *, move: bool = False) -> None:
    """Copy or move what is to be kept of a staging folder's logs, under its name; not copied again what was copied whole before."""
    logs.mkdir(parents=True, exist_ok=True)
    for name in KEPT_LOGS:
        source, target = staging / name, logs / f"{staging.name}.{name}"
        if move:
            with contextlib.suppress(FileNotFoundError):
                source.replace(target)
        elif source.is_file() and not (target.is_file() and target.stat().st_size == source.stat().st_size):
            shutil.copyfile(source, target)
    if move:
        _move_runs(staging, logs.parent)


def _move_runs(staging: Path, home: Path) -> None:
    """Move what trackers kept into the home of the job, beside what other attempts kept; links and tool logs stay behind."""
    for found in (path for name in KEPT_RUNS for path in (staging / name).glob("*")):
        if not found.is_symlink() and found.suffix != ".log":
            target = home / found.parent.name / found.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                found.rename(target)


def remove_staging(job: Job, *, layout: Layout) -> None:
    """Delete what every attempt of the job left in its staging folder."""
    attempts = layout.home(job) / "attempts"
    for number in range(1, job.attempt + 1):
        shutil.rmtree(attempts / f"{job.id}.{number}", ignore_errors=True)
    for folder in (attempts, layout.home(job)):
        try:
            folder.rmdir()
        except OSError:  # not empty, or not there: both are fine
            break


def log_file(job: Job, number: int, name: str, *, layout: Layout) -> Path:
    """Where a log of an attempt is now; NotFound when there is none."""
    for path in (layout.staging(job, number) / name, layout.home(job) / "logs" / f"{job.id}.{number}.{name}"):
        if path.is_file():
            return path
    raise NotFound(f"attempt {number} of {job.id} has no {name}", field="attempt", value=number)


def tail(path: Path, lines: int, *, limit: int = 64_000) -> str:
    """The last lines of a text file, at most `limit` bytes of it; empty when it is not there."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - limit))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.replace("\0", "\ufffd").splitlines()[-lines:])


def keep_config(job: Job, *, layout: Layout) -> None:
    """config/config.yaml and config.json of the experiment, unless they are there: what to run, with which inputs and seed, to repeat it."""
    folder = layout.home(job) / "config"
    if (folder / "config.yaml").exists() or not (job.experiment_id is None or catalog.spec(job.recipe).makes_experiment):
        return
    folder.mkdir(parents=True, exist_ok=True)
    config = {"recipe": job.recipe, "params": job.params, "inputs": job.inputs, "seed": job.seed, "threads": job.threads}
    if job.simulated:  # repeated from this file it must not become a result
        config["dummy_mode"] = True
    _write(folder / "config.json", json.dumps(config, indent=2, sort_keys=True))
    _write(folder / "config.yaml", yaml.dump(config, Dumper=_Dumper, sort_keys=True, allow_unicode=True))


def write_metadata(experiment: Experiment, jobs: list[Job], *, layout: Layout) -> None:
    """metadata.json of an experiment folder: the experiment as a reader without the store would want it."""
    folder = layout.experiment(experiment.id)
    folder.mkdir(parents=True, exist_ok=True)
    about: dict[str, Any] = experiment.model_dump(mode="json")
    about["jobs"] = [
        {"id": job.id, "recipe": f"{job.recipe}@{job.recipe_version}", "status": job.status.value, "attempts": job.attempt} for job in jobs
    ]
    _write(folder / "metadata.json", json.dumps(about, indent=2, sort_keys=True))


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text + "\n")
    part.replace(path)
