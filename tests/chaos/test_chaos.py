"""The short form of the suite, for every run of the tests; `make chaos` is the long one.

And the checker itself is checked: evidence that was tampered with must not pass, or a good result would say nothing.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from arc.core.event import Event
from tests.chaos import troubles
from tests.chaos.evidence import Evidence, gather
from tests.chaos.invariants import violations
from tests.chaos.plane import Plane
from tests.chaos.run import Result, Story, tell

pytestmark = pytest.mark.slow
SEED = 20261124


@dataclass(frozen=True)
class Told:
    """A story that was told, and what it left."""

    result: Result
    evidence: Evidence


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    counts = {"attempt": 3, "both": 1, "reaper": 1, "plane": 2, "warm": 1, "pause": 2}
    plane = Plane(tmp_path_factory.mktemp("chaos"))
    result = tell(Story("short", counts, SEED, agent_s=60.0, classify=False), plane)
    return Told(result, gather(plane.workspace))


def test_nothing_is_lost_doubled_or_ended_when_processes_are_killed(told: Told) -> None:
    assert told.result.broken == []
    assert told.result.record.count("plane") == 2
    assert told.result.statuses["completed"] > 5


def test_nothing_is_lost_when_the_database_restarts(tmp_path: Path) -> None:
    found = troubles.database()
    if found is None:
        pytest.skip(troubles.NO_DATABASE)
    acts = {"database": found.restart, "backend": found.lose_a_process}
    story = Story("short", {"database": 2, "backend": 1, "attempt": 1}, SEED, agent_s=60.0, classify=False, troubles=acts)
    assert tell(story, Plane(tmp_path, settings={"DATABASE_URL": found.url}, may_refuse=troubles.AWAY)).broken == []


Tamper = Callable[[Evidence], None]


def _asked(found: Evidence) -> str:
    """A completed job that was submitted while things died."""
    return max(job.id for job in found.jobs.values() if job.status == "completed")


def _done(found: Evidence) -> str:
    """A completed job of one attempt that nobody touched."""
    return min(found.jobs)


def lose_the_job(found: Evidence) -> None:
    for ids in found.keys.values():
        if _asked(found) in ids:
            ids.clear()


def double_the_job(found: Evidence) -> None:
    next(ids for ids in found.keys.values() if _asked(found) in ids).append("job_other")


def leave_it_running(found: Evidence) -> None:
    job_id = _done(found)
    found.jobs[job_id] = found.jobs[job_id].model_copy(update={"status": "running"})


def overlap_its_attempts(found: Evidence) -> None:
    job_id, rows = next((job_id, rows) for job_id, rows in found.attempts.items() if len(rows) > 1)
    found.attempts[job_id] = [rows[0].model_copy(update={"ended_at": rows[1].ended_at}), *rows[1:]]


def skip_an_event(found: Evidence) -> None:
    del found.events[len(found.events) // 2]


def end_it_twice(found: Evidence) -> None:
    end = next(event for event in found.events if event.subject == _done(found) and event.kind == "job.completed")
    found.events.append(end.model_copy(update={"seq": len(found.events) + 1}))


def write_with_a_stale_number(found: Evidence) -> None:
    said = Event(
        seq=len(found.events) + 1,
        subject=_done(found),
        kind="attempt.checkpoint",
        at=found.events[-1].at,
        actor="engine",
        detail={"attempt": 99},
    )
    found.events.append(said)


def record_a_point_twice(found: Evidence) -> None:
    series = found.points[_done(found), found.jobs[_done(found)].attempt]["loss"]
    series.append(series[-1])


def record_a_point_not_at_all(found: Evidence) -> None:
    found.points[_done(found), found.jobs[_done(found)].attempt]["loss"].pop(0)


def bend_the_curve(found: Evidence) -> None:
    job_id = _asked(found)
    series = [points["loss"] for (owner, _), points in sorted(found.points.items()) if owner == job_id][-1]
    series[-1] = (series[-1][0], 17.0)


def end_a_healthy_attempt(found: Evidence) -> None:
    job_id = _done(found)
    last = found.attempts[job_id][-1]
    killed = last.model_copy(update={"outcome": "failed", "signal": 9, "ended_at": last.started_at})
    again = last.model_copy(update={"number": last.number + 1, "started_at": last.started_at})
    found.attempts[job_id] = [*found.attempts[job_id][:-1], killed, again]


def forget_a_digest(found: Evidence) -> None:
    job_id = _done(found)
    found.artifacts[job_id] = [made.model_copy(update={"digest": "0" * 64}) for made in found.artifacts[job_id]]


@pytest.mark.parametrize(
    ("tamper", "invariant"),
    [
        (lose_the_job, "I1"), (double_the_job, "I1"), (leave_it_running, "I1"), (overlap_its_attempts, "I2"), (skip_an_event, "I3"),
        (end_it_twice, "I3"), (write_with_a_stale_number, "I4"), (forget_a_digest, "I5"), (record_a_point_twice, "J"),
        (record_a_point_not_at_all, "J"), (bend_the_curve, "C"), (end_a_healthy_attempt, "H"),
    ],
)  # fmt: skip
def test_the_checker_sees_what_was_tampered_with(told: Told, tamper: Tamper, invariant: str) -> None:
    found = copy.deepcopy(told.evidence)
    tamper(found)
    said = violations(found, told.result.asked, told.result.record, told.result.calm)
    assert invariant in {line.split(":")[0] for line in said}


def test_an_attempt_that_the_agent_did_not_touch_may_not_have_failed(told: Told) -> None:
    innocent = replace(told.result.record, injections=[])
    assert any(line.startswith("H:") for line in violations(told.evidence, told.result.asked, innocent, told.result.calm))
