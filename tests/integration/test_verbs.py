"""The verbs of jobs and experiments on a real store: what is refused, what is frozen, what is answered twice."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from arc.app import App, build
from arc.core.errors import ArcError, Conflict, Forbidden, InvalidSpec, NotFound
from arc.core.experiment import Experiment
from arc.core.job import Job, JobRequest
from arc.core.states import JobStatus
from arc.jobs import reading
from arc.settings import Settings
from arc.store import experiments
from arc.store import jobs as rows


def request(recipe: str = "probe.faults", **fields: Any) -> JobRequest:
    return JobRequest(**({"recipe": recipe} | fields))


def submit(app: App, recipe: str = "probe.faults", *, key: str | None = None, **fields: Any) -> Job:
    return app.jobs.submit(request(recipe, **fields), actor="test", key=key)


def test_a_submitted_job_has_everything_frozen_and_waits_in_the_queue(app: App) -> None:
    job = submit(app, params={"faults": {"epochs": 2}})
    assert job == app.jobs.get(job.id)
    assert job.status is JobStatus.QUEUED
    assert job.params["faults"]["epoch_s"] == 0.0
    assert job.recipe_version == "1"
    assert job.threads >= 1
    assert [event.kind for event in app.jobs.events(subject=job.id)] == ["job.submitted"]
    assert app.jobs.waiting_for(job) == "the engine: it fits and starts next"


def test_two_jobs_without_a_seed_get_different_ones(app: App) -> None:
    assert submit(app).seed != submit(app).seed


@pytest.mark.parametrize(
    ("fields", "error", "field"),
    [
        ({"recipe": "no.such"}, NotFound, "recipe"),
        ({"params": {"nonsense": 1}}, InvalidSpec, "params.nonsense"),
        ({"params": {"faults": {"epochs": -1}}}, InvalidSpec, "params.faults.epochs"),
        ({"inputs": {"dataset": "dataset:x"}}, InvalidSpec, "inputs.dataset"),
        ({"needs": ["job_missing"]}, NotFound, "job_id"),
        ({"gpu_id": 999}, InvalidSpec, "gpu_id"),
        ({"threads": 1024}, InvalidSpec, "threads"),
        ({"experiment_id": "../x"}, InvalidSpec, "experiment_id"),
        ({"recipe": "fundus.classify"}, InvalidSpec, "inputs.dataset"),
        ({"recipe": "fundus.classify", "inputs": {"dataset": "dataset:none"}}, NotFound, "dataset"),
        ({"recipe": "fundus.classify", "inputs": {"dataset": "rubbish"}}, InvalidSpec, "inputs.dataset"),
        ({"recipe": "data.unpack", "inputs": {"archive": "path:/etc/passwd"}}, Forbidden, "inputs.archive"),
        ({"recipe": "data.unpack", "inputs": {"archive": "artifact:" + "0" * 64}}, NotFound, "inputs.archive"),
        ({"recipe": "data.unpack", "inputs": {"archive": "job:job_missing/x"}}, NotFound, "job_id"),
    ],
)
def test_a_bad_request_is_refused_by_the_field_and_leaves_nothing(
    app: App, fields: dict[str, Any], error: type[ArcError], field: str
) -> None:
    with pytest.raises(error) as refused:
        submit(app, **({"recipe": "probe.faults"} | fields))
    assert refused.value.field == field
    assert app.jobs.page().items == []
    assert app.jobs.events() == []


def test_fault_jobs_are_refused_unless_allowed(tmp_path: Path) -> None:
    plain = build(Settings(workspace=tmp_path / "ws"))
    with pytest.raises(Forbidden, match="ARC_ALLOW_FAULT_JOBS"):
        submit(plain)
    plain.close()


def test_the_same_key_answers_with_the_first_job_and_another_request_is_refused(app: App) -> None:
    first = submit(app, key="k1")
    assert submit(app, key="k1").id == first.id
    with pytest.raises(Conflict, match="another request"):
        submit(app, key="k1", priority="HIGH")
    assert len(app.jobs.page().items) == 1


def test_a_job_waits_for_the_jobs_it_needs_and_says_so(app: App) -> None:
    first = submit(app)
    second = submit(app, needs=[first.id])
    assert second.status is JobStatus.PENDING
    assert app.jobs.waiting_for(second) == f"jobs: {first.id} (queued)"
    app.jobs.cancel(first.id, actor="test")
    ended = app.jobs.get(second.id)
    assert (ended.status, ended.reason) == (JobStatus.CANCELLED, f"the needed job {first.id} is cancelled")
    with pytest.raises(Conflict, match="is cancelled"):
        submit(app, needs=[first.id])


def test_an_output_of_a_job_is_an_input_and_a_need(app: App, tmp_path: Path) -> None:
    drawn = submit(app, "data.synthetic_fundus")
    unpacked = submit(app, "data.unpack", inputs={"archive": f"job:{drawn.id}/synthetic-fundus.zip"})
    assert unpacked.needs == (drawn.id,)
    with pytest.raises(InvalidSpec, match=r"synthetic-fundus\.zip"):
        submit(app, "data.unpack", inputs={"archive": f"job:{drawn.id}/other.zip"})


def test_cancelling_a_waiting_job_is_immediate_and_final(app: App) -> None:
    job = submit(app)
    assert app.jobs.cancel(job.id, actor="test").status is JobStatus.CANCELLED
    for verb in (app.jobs.cancel, app.jobs.hold, app.jobs.release):
        with pytest.raises(Conflict, match="final"):
            verb(job.id, actor="test")


def test_only_a_failed_or_cancelled_job_is_resumed_once_with_the_same_configuration(app: App) -> None:
    job = submit(app, params={"faults": {"epochs": 9}}, priority="HIGH", max_retries=1, timeout_seconds=60.0)
    with pytest.raises(Conflict, match="queued"):
        app.jobs.resume(job.id, actor="test")
    app.jobs.cancel(job.id, actor="test")
    again = app.jobs.resume(job.id, actor="test")
    same = {"params", "seed", "priority", "limits", "retry", "requires", "threads"}
    assert {name: getattr(again, name) for name in same} == {name: getattr(job, name) for name in same}
    assert again.resumed_from == job.id
    with pytest.raises(Conflict, match="resumed already"):
        app.jobs.resume(job.id, actor="test")


def test_a_held_job_waits_for_a_person(app: App) -> None:
    job = submit(app)
    assert app.jobs.waiting_for(app.jobs.hold(job.id, actor="test")) == "a person: it is held"
    assert app.jobs.waiting_for(app.jobs.release(job.id, actor="test")) == "the engine: it fits and starts next"


def test_an_unknown_job_is_not_found_by_every_verb(app: App) -> None:
    for verb in (app.jobs.get, app.jobs.attempts, app.jobs.artifacts, app.jobs.metric_names, app.jobs.log_tail):
        with pytest.raises(NotFound):
            verb("job_missing")


@pytest.fixture
def experiment(app: App) -> str:
    """An experiment with one queued job."""
    job = submit(app)
    with app.store.write() as tx:
        rows.update(tx, job.id, experiment_id="exp_1")
        experiments.insert(tx, _experiment("exp_1", job))
    return "exp_1"


def _experiment(name: str, job: Job) -> Any:
    return Experiment(
        id=name, recipe="fundus.classify", study=None, cycle=None, config={}, dataset="d@1", seed=0, status="queued", metrics={},
        training_metrics={}, simulated=False, archived=False, created_at=job.created_at, completed_at=None,
    )  # fmt: skip


def test_an_experiment_is_neither_archived_nor_deleted_while_a_job_of_it_is_open(app: App, experiment: str) -> None:
    for verb in (app.experiments.archive, app.experiments.delete):
        with pytest.raises(Conflict, match="queued"):
            verb(experiment, actor="test")


def test_an_archived_experiment_leaves_the_list_and_takes_no_new_job(app: App, experiment: str) -> None:
    app.jobs.cancel(app.experiments.jobs(experiment)[0].id, actor="test")
    assert app.experiments.archive(experiment, actor="test").archived
    assert app.experiments.page().items == []
    assert [found.id for found in app.experiments.page(archived=True).items] == [experiment]
    with pytest.raises(Conflict, match="archived"):
        submit(app, experiment_id=experiment)


def test_a_deleted_experiment_is_gone_with_its_folder_and_jobs(app: App, experiment: str) -> None:
    job = app.experiments.jobs(experiment)[0]
    app.jobs.cancel(job.id, actor="test")
    folder = app.layout.experiment(experiment)
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text("{}")
    app.experiments.delete(experiment, actor="test")
    assert not folder.exists()
    for look in (lambda: app.experiments.get(experiment), lambda: app.jobs.get(job.id)):
        with pytest.raises(NotFound):
            look()


def test_an_experiment_that_another_job_reads_from_is_not_deleted(app: App, experiment: str) -> None:
    drawn = submit(app, "data.synthetic_fundus", experiment_id=experiment)
    outside = submit(app, "data.unpack", inputs={"archive": f"job:{drawn.id}/synthetic-fundus.zip"})
    with app.store.write() as tx:
        rows.update(tx, outside.id, experiment_id=None)
    for job in app.experiments.jobs(experiment):
        app.jobs.cancel(job.id, actor="test")
    with pytest.raises(Conflict, match=outside.id):
        app.experiments.delete(experiment, actor="test")


@pytest.mark.parametrize("name", ["a#b %41", "what?x=1&y", "ünïcode and spaces", "50%"])
def test_a_workspace_may_have_any_name(tmp_path: Path, name: str) -> None:
    built = build(Settings(workspace=tmp_path / name))
    built.close()
    assert (tmp_path / name / "arc.db").is_file()


def test_what_jobs_wait_for_is_counted_by_kind(app: App) -> None:
    first = submit(app)
    submit(app, needs=[first.id])
    app.jobs.hold(submit(app).id, actor="test")
    submit(app, memory_gb=60_000.0)
    later = submit(app)
    with app.store.write() as tx:
        rows.update(tx, later.id, not_before=app.clock.now() + timedelta(hours=1))
    found = reading.waiting(app.store, app.jobs.admission, now=app.clock.now())
    assert found == {"engine": 1, "jobs": 1, "hold": 1, "memory": 1, "backoff": 1}
    assert reading.journal_lag(app.store, app.layout) == 0
