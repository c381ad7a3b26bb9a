"""Photographs, training and evaluation as jobs that wait for each other; prints the verdict with its interval.

Start a control plane first (`arc serve`), then: python examples/train_and_evaluate.py --workspace arc-workspace
"""

import argparse
from pathlib import Path

from arc.client import Client
from arc.core.job import Job, JobRequest

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--workspace", type=Path, default=Path("arc-workspace"))
parser.add_argument("--patients", type=int, default=120)
parser.add_argument("--epochs", type=int, default=8)
options = parser.parse_args()


def submit(arc: Client, recipe: str, params: dict[str, object], **inputs: str) -> Job:
    """One job; a reference `job:ID/OUTPUT` among its inputs makes it wait for that job."""
    return arc.jobs.submit(JobRequest(recipe=recipe, params=params, inputs=inputs, seed=1))


with Client.of_workspace(options.workspace) as arc:
    drawn = submit(arc, "data.synthetic_fundus", {"patients": options.patients})
    unpacked = submit(arc, "data.unpack", {"name": "example"}, archive=f"job:{drawn.id}/synthetic-fundus.zip")
    dataset = f"job:{unpacked.id}/dataset"
    trained = submit(arc, "fundus.classify", {"epochs": options.epochs}, dataset=dataset)
    judged = submit(arc, "fundus.evaluate", {}, model=f"job:{trained.id}/model.safetensors", dataset=dataset)

    for update in arc.jobs.watch(judged.id):
        if update.event:
            print(update.event.kind)
    ended = arc.jobs.get(judged.id)
    if ended.result is None:
        raise SystemExit(f"{ended.recipe} is {ended.status.value}: {ended.failure or ended.reason}")
    auc = ended.result["metrics"]["auc"]
    print(f"AUC {auc['value']:.3f}, between {auc['low']:.3f} and {auc['high']:.3f}, on {ended.result['n']} photographs never trained on")
    print("experiment", trained.experiment_id, "measured", arc.experiments.get(str(trained.experiment_id)).metrics["auc"])
