"""One run: work in peace, the same work while things die, peace again, the end, and what holds then.

Three stories make up the suite: processes that are killed and paused (on SQLite), a database server that is restarted
(PostgreSQL), and a disk that is full (a small tmpfs).
"""

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter

from tests.chaos.agent import Agent, Record, Trouble, no_orphans
from tests.chaos.evidence import Evidence, gather
from tests.chaos.feeder import Asked, Feeder
from tests.chaos.invariants import still_alive, violations
from tests.chaos.plane import Broken, Plane
from tests.chaos.workload import small_dataset, undisturbed

_DRAIN_S = 300.0


@dataclass(frozen=True)
class Story:
    """What to do in one run."""

    name: str
    counts: dict[str, int]  # of injections, by kind
    seed: int
    agent_s: float  # at most
    open_jobs: int = 6  # so many are kept waiting or running
    classify: bool = True  # whether classifiers are trained, which takes a dataset and some seconds each
    troubles: dict[str, Trouble] = field(default_factory=dict)


@dataclass
class Result:
    """What came of it."""

    story: Story
    record: Record = field(default_factory=Record)
    asked: Asked = field(default_factory=Asked)
    calm: dict[str, str] = field(default_factory=dict)  # the undisturbed jobs, by twin
    broken: list[str] = field(default_factory=list)
    took_s: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    lines: int = 0  # points that were recorded
    retried: int = 0  # the most attempts that a job has had
    swept: int = 0
    refused: int = 0  # starts of a control plane that met a full disk or a database that restarts, and were repeated
    events: int = 0


def tell(story: Story, plane: Plane) -> Result:
    """Run one story to its end; whatever does not hold is in the result."""
    begun = perf_counter()
    result = Result(story)
    try:
        _in_peace_and_then(story, plane, result)
        plane.stop()
    except Broken as error:
        result.broken.append(f"the control plane is broken: {error}")
    finally:
        result.broken += [f"I6: still there: {pid} {command}" for pid, command in no_orphans(plane).items()]
    found = gather(plane.workspace, plane.database_url)
    result.broken += [*violations(found, result.asked, result.record, result.calm), *still_alive(found), *_left_in(plane.temporary)]
    result.refused = plane.refused
    _count(result, found)
    _write_history(result, plane.log.with_name("history.jsonl"))
    result.took_s = perf_counter() - begun
    return result


def _in_peace_and_then(story: Story, plane: Plane, result: Result) -> None:
    plane.start()
    plane.wait()
    client = plane.client()
    assert client is not None
    with client:
        dataset = small_dataset(client) if story.classify else None
        result.calm = undisturbed(client, dataset)
    _disturb(story, plane, dataset, result)


def _disturb(story: Story, plane: Plane, dataset: str | None, result: Result) -> None:
    feeder = Feeder(plane, random.Random(f"{story.seed} work"), dataset=dataset, open_jobs=story.open_jobs)
    agent = Agent(plane, random.Random(f"{story.seed} agent"), story.counts, story.troubles)
    result.asked, result.record = feeder.asked, agent.record
    over = threading.Event()
    with _beside(lambda: feeder.feed(over.is_set), over) as failed:
        agent.work(story.agent_s)
    result.broken += failed
    feeder.drain(_DRAIN_S)


@contextmanager
def _beside(work: Callable[[], None], over: threading.Event) -> Iterator[list[str]]:
    """Run `work` in a thread beside the block, and tell it when the block is over; what it raised."""
    failed: list[str] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(f"the feeder failed: {error!r}")
            raise

    thread = threading.Thread(target=run, name="feeder")
    thread.start()
    try:
        yield failed
    finally:
        over.set()
        thread.join()


def _left_in(temporary: Path) -> list[str]:
    """What nobody deleted, but for the cache that torch makes there and keeps."""
    return [f"I6: left in TMPDIR: {path.name}" for path in temporary.iterdir() if not path.name.startswith("torchinductor_")]


def _write_history(result: Result, path: Path) -> None:
    """What was done and what was answered, in order, for whoever must find out why something did not hold."""
    told = sorted([*result.record.injections, *result.asked.calls], key=lambda each: each.at)
    path.write_text("".join(json.dumps(asdict(each)) + "\n" for each in told))


def _count(result: Result, found: Evidence) -> None:
    result.statuses = Counter(job.status.value for job in found.jobs.values())
    result.outcomes = Counter(row.outcome for rows in found.attempts.values() for row in rows)
    result.lines = sum(len(series) for points in found.points.values() for series in points.values())
    result.swept, result.events = found.swept, len(found.events)
    result.retried = max((job.attempt for job in found.jobs.values()), default=0)
