"""Two jobs that wait for jobs of their own share a machine with one slot, and everything completes."""

import asyncio
from pathlib import Path

from arc.api.control import ControlPlane
from arc.app import App, build
from arc.core.job import Job
from arc.core.states import JobStatus
from arc.settings import Settings
from tests.flows.living import PATIENCE_S, submit


def finished(plane: ControlPlane, job: Job) -> Job:
    assert plane.loop is not None
    return asyncio.run_coroutine_threadsafe(plane.app.engine.finished(job.id, PATIENCE_S), plane.loop).result(PATIENCE_S + 10)


def served(workspace: Path) -> ControlPlane:
    app = build(Settings(workspace=workspace, allow_fault_jobs=True, task_slots=1, memory_reserve_gb=0.0))
    plane = ControlPlane(app, port=0)
    plane.start_background()
    return plane


def most_tasks_at_once(app: App) -> int:
    """How many attempts of the role task were running at the same time, by the stream of events."""
    running: set[str] = set()
    most = 0
    for event in app.jobs.events(limit=10_000):
        if event.kind == "job.started" and app.jobs.get(event.subject).requires.role == "task":
            running.add(event.subject)
        elif event.kind in ("job.completed", "job.failed", "job.cancelled", "job.requeued"):
            running.discard(event.subject)
        most = max(most, len(running))
    return most


def test_two_orchestrators_on_one_slot_complete_with_their_children(tmp_path: Path) -> None:
    plane = served(tmp_path / "ws")
    try:
        parents = [submit(plane.app, "probe.orchestrate", {"children": 2, "faults": {"epochs": 2}}) for _ in range(2)]
        ended = [finished(plane, parent) for parent in parents]
        for parent in ended:
            assert parent.status is JobStatus.COMPLETED, parent.failure
            assert parent.result is not None
            children = [plane.app.jobs.get(child) for child in parent.result["children"]]
            assert [(child.status, child.submitted_by) for child in children] == [(JobStatus.COMPLETED, f"job:{parent.id}")] * 2
        assert len(plane.app.jobs.page().items) == 6
        assert most_tasks_at_once(plane.app) == 1
    finally:
        plane.stop()
