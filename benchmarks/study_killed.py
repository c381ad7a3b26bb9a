"""A study of real trainings, in peace and with its process killed at random moments: the decisions must be the same.

python benchmarks/study_killed.py --workspace /tmp/calm
python benchmarks/study_killed.py --workspace /tmp/killed --kills 10

Prints what is decided, a line each, without the ids that differ between two studies; `diff` two runs. Trains `fundus.classify` on drawn photographs.
"""

import argparse
import contextlib
import os
import random
import signal
import time
from pathlib import Path

from arc.api.control import ControlPlane
from arc.app import build
from arc.client import Client
from arc.client.control import token
from arc.core.job import JobRequest
from arc.core.space import Choice, Integer, Real, Space
from arc.core.study import Objective, Study, StudyBudget, StudySpec
from arc.settings import load

SPACE = Space(
    parameters={
        "lr": Real(low=1e-4, high=3e-2, log=True),
        "dropout": Real(low=0.0, high=0.7),
        "weight_decay": Real(low=1e-4, high=0.1, log=True),
        "batch_size": Integer(low=8, high=32, log=True),
        "optimizer": Choice(values=("adam", "adamw", "sgd")),
        "loss": Choice(values=("cross_entropy", "focal")),
    }
)
BASELINE = {"lr": 1e-4, "epochs": 6, "input_size": 64, "batch_size": 16, "optimizer": "adamw"}
SPEC = StudySpec(
    name="eyes", recipe="fundus.classify", inputs={"dataset": "dataset:eyes"}, space=SPACE, baseline=BASELINE, objective=Objective(metric="auc"),
    budget=StudyBudget(experiments=50), evaluate={"split": "val"}, seed=11, max_concurrent=2,
)  # fmt: skip


def dataset(arc: Client) -> None:
    """200 drawn patients, two photographs each."""
    drawn = arc.jobs.submit(JobRequest(recipe="data.synthetic_fundus", params={"patients": 200}, seed=5))
    archive = f"job:{drawn.id}/synthetic-fundus.zip"
    unpacked = arc.jobs.submit(JobRequest(recipe="data.unpack", params={"name": "eyes"}, inputs={"archive": archive}, seed=5))
    for _ in arc.jobs.watch(unpacked.id):
        pass


def run(plane: ControlPlane, arc: Client, *, kills: int) -> tuple[Study, int]:
    """The study to its end; how often its process was killed on the way."""
    study = arc.studies.start(arc.studies.create(SPEC).id)
    dice, begun, killed = random.Random(kills), time.perf_counter(), 0
    due = dice.uniform(4, 40)
    for _ in arc.jobs.watch(str(study.job_id)):
        if killed < kills and time.perf_counter() - begun > due:
            running = [one for one in plane.app.jobs.attempts(str(study.job_id)) if one.outcome == "running" and one.identity is not None]
            with contextlib.suppress(ProcessLookupError):
                for one in running:
                    assert one.identity is not None
                    os.kill(one.identity.pid, signal.SIGKILL)
                    killed, due = killed + 1, time.perf_counter() - begun + dice.uniform(4, 40)
    return arc.studies.get(study.id), killed


def main() -> None:
    """Run one study and print its argument."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=0)
    options = parser.parse_args()
    plane = ControlPlane(build(load({"workspace": options.workspace})[0]), host="127.0.0.1", port=0, engine=True)
    plane.start_background()
    try:
        with Client(plane.url, token(options.workspace)) as arc:
            dataset(arc)
            study, killed = run(plane, arc, kills=options.kills)
            for one in arc.studies.decisions(study.id):
                print(
                    one.cycle, one.kind, (one.proposal_id or "").replace(study.id, "STUDY"), *one.rules, one.why.replace(study.id, "STUDY")
                )
            for trained in arc.studies.history(study.id):
                print(trained.proposal_id.replace(study.id, "STUDY"), trained.use, trained.seed, trained.status, trained.value("auc"))
            parser.exit(
                message=f"{study.state}, {study.summary.get('verdict')}, {study.spent.experiments} trainings, killed {killed} times\n"
            )
    finally:
        plane.stop(timeout_s=60)


if __name__ == "__main__":
    main()
