"""From a folder of photographs to a judged and explained model: validate, register with DVC, submit, monitor, evaluate, visualise.

Without `--data` the photographs are drawn; real ones lie in a folder of a data root (ARC_DATA_ROOTS), in a layout that
`arc data register` takes. Start a control plane first (`arc serve`), or let this script do so:

    python examples/end_to_end.py --workspace arc-workspace --serve
"""

import argparse
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from arc.api.control import ControlPlane
from arc.app import build
from arc.client import Client
from arc.core.job import Job, JobRequest
from arc.settings import Settings

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--workspace", type=Path, default=Path("arc-workspace"))
parser.add_argument("--serve", action="store_true", help="start a control plane for as long as this takes")
parser.add_argument("--data", type=Path, help="a folder of photographs; drawn ones when not given")
parser.add_argument("--name", default="end-to-end", help="what the dataset is called")
parser.add_argument("--patients", type=int, default=120, help="how many are drawn")
parser.add_argument("--model", default="small_cnn")
parser.add_argument("--epochs", type=int, default=12)
options = parser.parse_args()


@contextmanager
def control_plane(workspace: Path) -> Iterator[Client]:
    """A client of the control plane that serves the workspace, or of one that lives as long as this block."""
    if not options.serve:
        with Client.of_workspace(workspace) as arc:
            yield arc
        return
    roots = [options.data.resolve()] if options.data else []
    plane = ControlPlane(build(Settings(workspace=workspace, data_roots=roots)), port=0)
    plane.start_background()
    with Client.of_workspace(workspace) as arc:
        yield arc
    plane.stop()


def follow(arc: Client, job: Job) -> dict[str, Any]:
    """Print how far the job is until it ends; its result."""
    for update in arc.jobs.watch(job.id):  # reconnects by itself, and ends with the job
        if update.progress and update.progress.of:
            print(f"   {update.progress.done:g} of {update.progress.of:g} {update.progress.unit}s", flush=True)
    ended = arc.jobs.get(job.id)
    if ended.result is None:
        raise SystemExit(f"{ended.recipe} is {ended.status.value}: {ended.failure.message if ended.failure else ended.reason}")
    return ended.result


def photographs(arc: Client, workspace: Path) -> Path:
    """The folder that was given, or one with drawn photographs, in the part of the workspace that a request may name."""
    if options.data:
        return Path(options.data).resolve()
    job = arc.jobs.submit(JobRequest(recipe="data.synthetic_fundus", params={"patients": options.patients}, seed=1))
    follow(arc, job)
    home = workspace / "jobs" / job.id
    with zipfile.ZipFile(home / "results" / "synthetic-fundus.zip") as archive:
        archive.extractall(home / "photographs")
    return home / "photographs"


def interval(found: dict[str, Any]) -> str:
    """A figure with its interval."""
    return f"{found['value']:.3f}, between {found['low']:.3f} and {found['high']:.3f}"


def main() -> None:
    """The seven steps, each a job of the control plane."""
    workspace = options.workspace.resolve()
    with control_plane(workspace) as arc:
        folder = photographs(arc, workspace)

        print("1. validate", folder)
        checked = follow(arc, arc.datasets.validate_structure(str(folder), dataset_name=options.name, task_type="classification"))
        if not checked["passed"]:
            raise SystemExit(f"the validation failed: {checked['errors']}")

        print("2. register, and keep with DVC")
        follow(arc, arc.datasets.register(str(folder), dataset_name=options.name, push_to_dvc=True, seed=1))

        print("3. submit the training")
        given = {"dataset_path": str(folder)}  # the version that was registered from it
        training = arc.fundus.train_classifier(**given, model_name=options.model, epochs=options.epochs, seed=1)

        print("4. monitor", training.id)
        follow(arc, training)

        print("5. evaluate, on patients that the training never saw")
        judging = arc.fundus.evaluate(**given, job_id=training.id, seed=1)
        judged = follow(arc, judging)
        print("   AUC", interval(judged["metrics"]["auc"]), "on", judged["n"], "photographs")

        print("6. visualise")
        home = workspace / "experiments" / str(training.experiment_id)
        explaining = arc.fundus.dri(**given, job_id=training.id, num_samples=8, output_dir=str(workspace / "exports"), seed=1)
        seen = follow(arc, explaining)
        print("   mean DRI", interval(seen["mean_dri_interval"]), "- with random weights", f"{seen['controls']['random_dri']['value']:.3f}")
        print("   pictures", home / "visualizations", "and", workspace / "exports" / explaining.id)

        print("7. report")
        outputs = {training.id: ("history.json", "config.json"), judging.id: ("evaluation.json", "predictions.csv", "samples.json")}
        inputs = {name.partition(".")[0]: f"job:{job}/{name}" for job, names in outputs.items() for name in names}
        inputs |= {"explanation": f"job:{explaining.id}/explanation.json", "dataset": training.inputs["dataset"]}
        follow(arc, arc.jobs.submit(JobRequest(recipe="fundus.report", inputs=inputs)))
        print("   report", home / "results" / "report.html")


if __name__ == "__main__":
    main()
