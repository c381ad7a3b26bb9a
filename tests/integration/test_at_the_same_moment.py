"""Two who want something of the same job at the same moment, on both databases: one of two orders, and nothing in between."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from arc.app import App, build
from arc.core.errors import Conflict
from arc.core.job import Job, JobRequest
from arc.core.ports import Exit
from arc.core.recipe import Done
from arc.core.states import JobStatus
from arc.jobs import lifecycle
from arc.settings import Settings
from tests.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

ROUNDS = 12


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    """An app without an engine, on one database and then on the other."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    built = build(Settings(workspace=tmp_path / "ws", allow_fault_jobs=True, database_url=url))
    yield built
    built.close()


def submit(app: App, *, key: str | None = None, **fields: Any) -> Job:
    return app.jobs.submit(JobRequest(recipe="probe.faults", **fields), actor="test", key=key)


def claimed(app: App, job: Job) -> Job | None:
    with app.store.write() as tx:
        return lifecycle.begin(
            tx, job, backend="local", staging=f"jobs/{job.id}", gpu_ids=(), secret=job.id, lease_until=app.clock.now(), clock=app.clock
        )


def begun(app: App, job: Job) -> Job:
    running = claimed(app, job)
    assert running is not None
    return running


def completed(app: App, job: Job) -> Job:
    with app.store.write() as tx:
        return lifecycle.end(
            tx, job, Done(), Exit(0, None), made=[], retry_at=None, verb=None, staging=Path(), clock=app.clock
        )  # fmt: skip


def at_once(*verbs: Callable[[], Any]) -> list[Any]:
    """What each verb gave, or the Conflict it was refused with; all begin together."""
    barrier = Barrier(len(verbs))

    def run(verb: Callable[[], Any]) -> Any:
        barrier.wait(timeout=60)
        try:
            return verb()
        except Conflict as refused:
            return refused

    with ThreadPoolExecutor(len(verbs)) as pool:
        return list(pool.map(run, verbs))


def test_a_job_submitted_while_the_one_it_needs_completes_is_never_forgotten(app: App) -> None:
    for _ in range(ROUNDS):
        first = begun(app, submit(app))
        _, second = at_once(partial(completed, app, first), partial(submit, app, needs=[first.id]))
        assert app.jobs.get(second.id).status is JobStatus.QUEUED


def test_a_job_whose_needs_complete_at_the_same_moment_is_released_once(app: App) -> None:
    for _ in range(ROUNDS):
        first, second = begun(app, submit(app)), begun(app, submit(app))
        third = submit(app, needs=[first.id, second.id])
        at_once(partial(completed, app, first), partial(completed, app, second))
        assert app.jobs.get(third.id).status is JobStatus.QUEUED


def test_a_cancel_beside_a_completion_leaves_one_end_and_no_request_on_it(app: App) -> None:
    for _ in range(ROUNDS):
        job = begun(app, submit(app))
        _, answer = at_once(partial(completed, app, job), partial(app.jobs.cancel, job.id, actor="test"))
        ended = app.jobs.get(job.id)
        assert ended.status is JobStatus.COMPLETED
        assert (ended.cancel_requested is None) == isinstance(answer, Conflict)
        kinds = [event.kind for event in app.jobs.events(subject=job.id)]
        assert kinds[-1] == "job.completed"


def test_a_cancel_beside_a_claim_is_never_refused(app: App) -> None:
    for _ in range(ROUNDS):
        job = submit(app)
        _, answer = at_once(partial(claimed, app, job), partial(app.jobs.cancel, job.id, actor="test"))
        assert answer.status is JobStatus.CANCELLED or answer.cancel_requested == "keep"


def test_the_same_key_from_eight_callers_makes_one_job(app: App) -> None:
    for number in range(4):
        answers = at_once(*[partial(submit, app, key=f"k{number}") for _ in range(8)])
        assert len({answer.id for answer in answers}) == 1
    assert len(app.jobs.page().items) == 4
