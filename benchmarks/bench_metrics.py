"""Metric points a second, end to end: reported by an attempt, written to its journal, read, stored, served as a curve.

The attempt reports as fast as it can; the time ends when the job is recorded as completed and its last curve has been
read in full count. Beside it, what one core does with the same lines without an attempt: `json.dumps` into a file.

    python benchmarks/bench_metrics.py [REPORTS] [ROUNDS]
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from arc.app import App, build
from arc.core.job import JobRequest
from arc.jobs.backends.local import LocalBackend
from arc.settings import Settings

NAMES = ("loss", "accuracy", "lr", "grad_norm", "examples")
RECIPE = """
import time
from pydantic import BaseModel
from arc.catalog import Row
from arc.core.recipe import Done, RecipeSpec

class Params(BaseModel):
    reports: int

def run(ctx, params):
    began = time.perf_counter()
    for step in range(params.reports):
        ctx.report(step, {"loss": step * .5, "accuracy": step * .25, "lr": 1e-3, "grad_norm": step * .125, "examples": float(step)})
    return Done(metrics={"began": began, "said": time.perf_counter()})

SPEC = RecipeSpec(name="bench.metrics", version="1", params=Params, title="Reports much", purpose="figure")
ROWS = [Row("bench.metrics", "bench_metrics_recipe:SPEC", "bench_metrics_recipe:run")]
"""


def install(folder: Path) -> None:
    """The recipe as a stranger's package, for this process too."""
    info = folder / "bench_metrics_recipe-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench_metrics_recipe\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[arc.recipes]\nbench = bench_metrics_recipe:ROWS\n")
    (folder / "bench_metrics_recipe.py").write_text(RECIPE)
    sys.path.insert(0, str(folder))


async def one(app: App, reports: int) -> tuple[float, float]:
    """Points a second end to end, and as the attempt alone got rid of them."""
    job = app.jobs.submit(JobRequest(recipe="bench.metrics", params={"reports": reports}), actor="bench")
    done = await app.engine.finished(job.id, 300)
    assert done.status == "completed", done.failure
    curve = app.jobs.curve(job.id, NAMES[-1])
    ended = time.perf_counter()
    assert curve.n_total == reports
    assert done.metrics is not None
    points = reports * len(NAMES)
    return points / (ended - done.metrics["began"]), points / (done.metrics["said"] - done.metrics["began"])


def bare(folder: Path, reports: int) -> float:
    """Points a second of JSON lines into a file."""
    began = time.perf_counter()
    with (folder / "bare.jsonl").open("w") as file:
        for step in range(reports):
            file.write(json.dumps(dict.fromkeys(NAMES, step * 0.5)) + "\n")
    return reports * len(NAMES) / (time.perf_counter() - began)


async def measure(folder: Path, reports: int, rounds: int) -> list[tuple[float, float, float]]:
    """End to end, by the attempt, and bare, in turns."""
    environment = {"PYTHONPATH": str(folder / "site"), "PATH": os.defpath}
    backend = LocalBackend(environment=environment, preload=["bench.metrics"])
    app = build(Settings(workspace=folder / "arc"), backends={"local": backend})
    await app.start()
    await one(app, 100)
    found = [(*await one(app, reports), await asyncio.to_thread(bare, folder, reports)) for _ in range(rounds)]
    await app.stop()
    return found


def main() -> None:
    """Measure and print."""
    reports = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory() as name:
        install(Path(name) / "site")
        found = asyncio.run(measure(Path(name), reports, rounds))
    for label, values in zip(("end to end", "by the attempt", "json.dumps into a file"), zip(*found, strict=True), strict=True):
        print(f"{label:24} median {statistics.median(values):10,.0f} points/s [{min(values):,.0f}-{max(values):,.0f}]")
    print(f"load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
