"""Submit a job and watch it to its end.

Start a control plane first (`arc serve`), then: python examples/submit_and_watch.py --workspace arc-workspace
"""

import argparse
from pathlib import Path

from arc.client import Client
from arc.core.job import JobRequest

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--workspace", type=Path, default=Path("arc-workspace"))
parser.add_argument("--patients", type=int, default=50)
options = parser.parse_args()

with Client.of_workspace(options.workspace) as arc:
    job = arc.jobs.submit(JobRequest(recipe="data.synthetic_fundus", params={"patients": options.patients}, seed=1))
    print(job.id, job.status.value)
    for update in arc.jobs.watch(job.id):  # reconnects by itself, and ends with the job
        if update.event:
            print(update.event.kind)
        elif update.progress:
            print(f"{update.progress.done:g} of {update.progress.of or 0:g} {update.progress.unit}s")
    print(arc.jobs.get(job.id).result)
