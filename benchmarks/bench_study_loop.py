"""What the loop of a study costs beside its trainings: propose, vote, generate, submit, collect, integrate, every record durable.

A control plane with its engine runs in a process of its own, as in real life, and a study of `probe.objective` is driven from here, at a desk
that asks over HTTP. A cycle is one directive, one proposal round, one vote with all ballots, three submissions (each with its evaluation), the
results, what they teach, and the stop rules. Left out are the waiting for trainings and the fits of the world model, which are timed apart; what the
model is asked is in. No challenger races here, so that each cycle has three experiments.

The machine may be busy with other things: beside wall clock there is the processor time of the loop's own process and of the control plane, whose
engine starts the first training while the third is submitted.

    nice -n 15 python benchmarks/bench_study_loop.py [CYCLES]
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median, quantiles
from typing import Any

import psutil

from arc.client import Client
from arc.client.control import address, token
from arc.core.proposal import Observation, Proposal
from arc.core.study import Evidence, Objective, Record, StudyBudget, StudySpec
from arc.research import stopping
from arc.research.desk import Training
from arc.research.http_desk import HttpDesk
from arc.research.learned import Model
from arc.research.memory import Memory
from arc.research.run import begin
from arc.research.view import View

CYCLES = 20
SERVE = """
import sys
from pathlib import Path
from arc.api.control import ControlPlane
from arc.app import build
from arc.settings import Settings
ControlPlane(build(Settings(workspace=Path(sys.argv[1]), port=0, allow_fault_jobs=True, memory_reserve_gb=0.0, task_slots=3))).run()
"""


@dataclass
class Took:
    """Seconds of one cycle: wall clock, processor time here, processor time of the control plane; and wall clock by part."""

    wall: float = 0.0
    here: float = 0.0
    there: float = 0.0
    parts: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    parts_there: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # processor time of the control plane
    calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class Clocks:
    """Three clocks that stand still while something is left out."""

    def __init__(self, plane: psutil.Process) -> None:
        self._plane = plane
        self.took = Took()

    def now(self) -> tuple[float, float, float]:
        """Wall clock, and the processor time of both processes."""
        used = self._plane.cpu_times()
        return time.perf_counter(), time.process_time(), used.user + used.system

    @contextmanager
    def counted(self, sign: int = 1) -> Iterator[None]:
        """Count what happens inside; with -1 take it off what is counted around it."""
        before = self.now()
        try:
            yield
        finally:
            wall, here, there = (after - was for after, was in zip(self.now(), before, strict=True))
            self.took.wall += sign * wall
            self.took.here += sign * here
            self.took.there += sign * there

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count a part of the cycle by itself as well."""
        before = self.now()
        try:
            yield
        finally:
            wall, _, there = (after - was for after, was in zip(self.now(), before, strict=True))
            self.took.parts[name] += wall
            self.took.parts_there[name] += there
            self.took.calls[name] += 1


class TimedDesk(HttpDesk):
    """The desk of a study, with a clock at each of its windows."""

    clocks: Clocks

    def history(self) -> list[Observation]:
        """As the desk, timed."""
        with self.clocks.part("history"):
            return super().history()

    def record(self, record: Record) -> None:
        """As the desk, timed."""
        with self.clocks.part("record"):
            super().record(record)

    def submit(self, training: Training) -> str:
        """As the desk, timed."""
        with self.clocks.part("submit"):
            return super().submit(training)

    def offered(self) -> list[Proposal]:
        """As the desk, timed."""
        with self.clocks.part("offered"):
            return super().offered()

    def ballots(self, proposal_id: str) -> Any:
        """As the desk, timed."""
        with self.clocks.part("ballots"):
            return super().ballots(proposal_id)

    def wait(self, names: Sequence[str]) -> list[str]:
        """As the desk, left out."""
        with self.clocks.counted(-1):
            return super().wait(names)


def timed_model(clocks: Clocks, fits: list[float]) -> Callable[[View], Model]:
    """Fits the world model, left out and timed apart."""

    def learn(view: View) -> Model:
        began = time.process_time()
        with clocks.counted(-1):
            model = Model(view)
        fits.append(time.process_time() - began)
        return model

    return learn


def measured(workspace: Path, plane: psutil.Process, url: str, cycles: int) -> tuple[list[Took], list[float], int]:
    """The cycles of one study, the fits of its world model in seconds of processor time, and its experiments."""
    spec = StudySpec(
        name="overhead", recipe="probe.objective", objective=Objective(metric="score", minimum_effect=10.0), evidence=Evidence(baseline_seeds=3),
        budget=StudyBudget(experiments=3 * cycles + 20, reserve_share=0.0), baseline={"noise": 0.01},
    )  # fmt: skip
    with Client(url, token(workspace)) as arc:
        study = arc.studies.start(arc.studies.create(spec).id, by_hand=True)
        clocks, fits, taken = Clocks(plane), list[float](), list[Took]()
        TimedDesk.clocks = clocks
        campaign = begin(TimedDesk(arc, study.id))
        campaign._learn = timed_model(clocks, fits)
        campaign.measure_baseline()
        for cycle in range(1, cycles + 1):
            clocks.took = Took()
            with clocks.counted():
                ended = _cycle(campaign, cycle, campaign.memory)
            taken.append(clocks.took)
            if ended:
                break
        return taken, fits, len(arc.studies.history(study.id))


def _cycle(campaign: Any, cycle: int, memory: Memory) -> bool:
    campaign.decide(cycle)
    campaign.carry_out(cycle)
    found = stopping.rule(campaign.view(), memory)
    return found is not None and found[0] == "T4"  # the other rules are for a study that wants to end


def main() -> None:
    """Serve, run and tell, in a folder that is deleted afterwards."""
    cycles = int(sys.argv[1]) if len(sys.argv) > 1 else CYCLES
    with tempfile.TemporaryDirectory() as name:
        workspace = Path(name) / "ws"
        workspace.mkdir()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path[1:])}
        with (Path(name) / "log").open("w") as log, closing(_Plane(workspace, environment, log)) as plane:
            taken, fits, experiments = measured(workspace, plane.process, plane.url, cycles)
    three = [one for one in taken if one.calls["submit"] == 3]
    print(f"{len(taken)} cycles, {experiments} experiments; {len(three)} cycles had three, and are counted")
    for what, values in (("wall clock", [one.wall for one in three]), ("processor, loop", [one.here for one in three]), ("processor, control plane", [one.there for one in three])):  # fmt: skip
        print(f"{what:26} {_spread(values)}")
    for part in sorted({part for one in three for part in one.parts}):
        there = mean(one.parts_there[part] for one in three)
        calls = median(one.calls[part] for one in three)
        print(
            f"  {part:24} {_spread([one.parts[part] for one in three])}   calls {calls:g}   control plane {1000 * there:.1f} ms of processor"
        )
    print(f"left out: fits of the world model, {_spread(fits)} of processor time each")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def _spread(values: Sequence[float]) -> str:
    p95 = quantiles(values, n=20)[-1] if len(values) > 1 else values[0]
    return f"median {1000 * median(values):7.1f} ms   least {1000 * min(values):7.1f} ms   p95 {1000 * p95:7.1f} ms"


class _Plane:
    """A control plane with its engine in a process of its own."""

    def __init__(self, workspace: Path, environment: dict[str, str], log: Any) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", SERVE, workspace], stderr=log, env=environment)
        while (url := address(workspace)) is None:
            time.sleep(0.1)
        self.url = url
        self.process = psutil.Process(self._process.pid)

    def close(self) -> None:
        """End it, and what it runs."""
        self._process.terminate()
        self._process.communicate(timeout=60)


if __name__ == "__main__":
    main()
