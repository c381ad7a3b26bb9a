"""What `ctx.report` costs a training, against the least that a line of JSON can take.

In the process of an attempt: the heartbeat runs, lines are flushed to a real file. Wall time is what the training
waits; CPU time counts the background thread too.

    python benchmarks/bench_report.py [CALLS]
"""

import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from arc.core.clock import SystemClock
from arc.core.ports import LaunchOrder
from arc.worker.context import Context
from arc.worker.heartbeat import Heartbeat
from arc.worker.journal import Journal
from arc.worker.stopping import StopRequest

ONE = {"loss": 0.693147}
FOUR = {"loss": 0.693147, "lr": 0.001, "accuracy": 0.5312, "grad_norm": 1.7320508}


def timed(calls: int, call: Callable[[int], object]) -> tuple[float, float]:
    """Microseconds a call: wall, CPU of the whole process."""
    wall, cpu = time.perf_counter(), time.process_time()
    for step in range(calls):
        call(step)
    return (time.perf_counter() - wall) / calls * 1e6, (time.process_time() - cpu) / calls * 1e6


def context(folder: Path, journal: Journal) -> Context:
    """A context as an attempt has it."""
    order = LaunchOrder("job_a", 1, "a.b", {}, {}, folder, 1, 1, "cpu")
    return Context(order, journal, StopRequest(), console=io.StringIO())


def main() -> None:
    """Measure and print."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as name:
        clock = SystemClock()
        journal = Journal(Path(name), clock)
        heartbeat = Heartbeat(journal, clock, abandoned=lambda: None)
        heartbeat.start()
        ctx = context(Path(name), journal)
        for label, values in (("1 value", ONE), ("4 values", FOUR)):
            wall, cpu = timed(calls, lambda step, values=values: ctx.report(step, values))
            bare, _ = timed(calls, lambda step, values=values: json.dumps({"k": "metrics", "s": step, "v": values, "at": 1.5}))
            print(
                f"ctx.report, {label:<9} {wall:6.2f} us wall  {cpu:6.2f} us CPU a call; json.dumps alone {bare:5.2f} us; ratio {wall / bare:.2f}"
            )
        heartbeat.stop()
        journal.sync()
        size = (Path(name) / "journal.jsonl").stat().st_size
        journal.close()
    print(f"{2 * calls} lines, {size / 2 / calls:.0f} bytes each")


if __name__ == "__main__":
    main()
