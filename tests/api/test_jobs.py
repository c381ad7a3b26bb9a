"""The job routes: submit, wait, look, cancel, hold, resume, and what a job says."""

import threading
from datetime import timedelta
from typing import Any

import httpx
import pytest

from arc.access import digest
from arc.core.attempt import Attempt, Failure, FailureClass
from arc.core.job import Progress
from arc.core.states import JobStatus
from arc.store import attempts, metrics
from arc.store import jobs as rows
from tests.api.serving import RECIPE, House, is_problem

ANSWER = {
    "job_id", "experiment_id", "recipe", "status", "priority", "attempt", "retry_count", "max_retries", "retry_delay_seconds",
    "timeout_seconds", "auto_resume", "last_checkpoint_path", "waiting_for", "failure", "progress", "result", "created_at",
    "started_at", "completed_at", "simulated",
}  # fmt: skip


def submit(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = client.post("/jobs", json={"recipe": RECIPE, **fields})
    assert answer.status_code == 202, answer.text
    said: dict[str, Any] = answer.json()
    assert answer.headers["location"] == said["location"]
    return said


def test_a_job_is_accepted_and_found_where_the_answer_says(admin: httpx.Client) -> None:
    made = submit(admin, params={"patients": 8}, priority="HIGH", max_retries=1)
    said = admin.get(made["location"]).json()
    assert set(said) >= ANSWER
    assert said["params"]["patients"] == 8
    assert (said["status"], said["priority"], said["max_retries"], said["attempt"]) == ("queued", "HIGH", 1, 0)
    assert said["waiting_for"]
    assert said["created_at"].endswith("Z")


def test_who_asked_is_on_record(house: House) -> None:
    with house.client("operator") as operator:
        made = submit(operator)
        assert operator.get(made["location"]).json()["submitted_by"] == "operator"


def test_a_key_makes_a_repeat_harmless_and_refuses_another_body(admin: httpx.Client) -> None:
    headers = {"Idempotency-Key": "once"}
    ids = {admin.post("/jobs", json={"recipe": RECIPE, "seed": 1}, headers=headers).json()["job_id"] for _ in range(3)}
    assert len(ids) == 1
    is_problem(admin.post("/jobs", json={"recipe": RECIPE, "seed": 2}, headers=headers), 409, "Conflict")


def test_a_key_cannot_reach_the_keys_of_the_house(house: House, admin: httpx.Client) -> None:
    old = house.ended(JobStatus.CANCELLED)
    first = admin.post(f"/jobs/resume/{old.id}").json()["job_id"]
    other = admin.post("/jobs", json={"recipe": RECIPE}, headers={"Idempotency-Key": f"resume:{old.id}"}).json()["job_id"]
    assert other != first


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"recipe": "no.such"}, 404, "recipe"),
        ({"recipe": RECIPE, "params": {"patients": "8"}}, 422, "params.patients"),
        ({"recipe": RECIPE, "params": {"nonsense": 1}}, 422, "params.nonsense"),
        ({"recipe": RECIPE, "inputs": {"archive": "path:/etc/passwd"}}, 422, "inputs.archive"),
        ({"recipe": "data.unpack"}, 422, "inputs.archive"),
        ({"recipe": "data.unpack", "inputs": {"archive": "path:/etc/passwd"}}, 403, "inputs.archive"),
        ({"recipe": "data.unpack", "inputs": {"archive": "path:/etc/absent"}}, 403, "inputs.archive"),
        ({"recipe": "data.unpack", "inputs": {"archive": "path:../../etc/passwd"}}, 422, "inputs.archive"),
        ({"recipe": RECIPE, "needs": ["job_absent"]}, 404, None),
        ({"recipe": RECIPE, "gpu_id": 1000}, 422, "gpu_id"),
        ({"recipe": "probe.faults"}, 403, "recipe"),
    ],
)
def test_what_the_house_refuses_names_the_field(admin: httpx.Client, body: dict[str, Any], status: int, field: str | None) -> None:
    said = is_problem(admin.post("/jobs", json=body), status)
    if field is not None:
        assert said["field"] == field


def test_waiting_answers_with_the_result_merged_with_the_id(house: House, admin: httpx.Client) -> None:
    def finish() -> None:
        job = house.app.jobs.get(waiting_for_one(house))
        house.move(house.move(job, JobStatus.RUNNING), JobStatus.COMPLETED, result={"path": "x", "status": "mine"}, metrics={"auc": None})

    said = while_waiting(admin, finish)
    assert said.status_code == 200
    assert said.json()["path"] == "x"
    assert (said.json()["status"], said.json()["metrics"]) == ("completed", {"auc": None})


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (
            Failure(failure_class=FailureClass.BAD_DATA, message="no images", error="BadData", field="inputs.archive", status=422),
            422,
            "BadData",
        ),
        (Failure(failure_class=FailureClass.EXCEPTION, message="too big", error="TooLarge", status=413), 413, "TooLarge"),
        (Failure(failure_class=FailureClass.TIMEOUT, message="took too long"), 500, "timeout"),
        (Failure(failure_class=FailureClass.BAD_DATA, message="not an archive"), 422, "bad_data"),
    ],
)
def test_waiting_answers_with_the_jobs_own_error(house: House, admin: httpx.Client, failure: Failure, status: int, code: str) -> None:
    def fail() -> None:
        job = house.app.jobs.get(waiting_for_one(house))
        house.move(house.move(job, JobStatus.RUNNING), JobStatus.FAILED, failure=failure)

    said = is_problem(while_waiting(admin, fail), status, code)
    assert said["detail"] == failure.message
    assert said.get("field") == failure.field
    assert said["job_id"].startswith("job_")


def test_waiting_for_a_job_that_is_cancelled_is_409(house: House, admin: httpx.Client) -> None:
    def cancel() -> None:
        house.app.jobs.cancel(waiting_for_one(house), actor="test")

    is_problem(while_waiting(admin, cancel), 409, "Cancelled")


def test_when_the_wait_is_over_the_job_goes_on(admin: httpx.Client) -> None:
    answer = admin.post("/jobs?wait=0.05", json={"recipe": RECIPE})
    assert answer.status_code == 202
    assert answer.json()["status"] == "queued"


def while_waiting(client: httpx.Client, act: Any) -> httpx.Response:
    """The answer of a request that waits, while `act` runs in another thread."""
    thread = threading.Thread(target=act)
    thread.start()
    try:
        return client.post("/jobs?wait=20", json={"recipe": RECIPE, "priority": "CRITICAL"})
    finally:
        thread.join()


def waiting_for_one(house: House) -> str:
    """The id of the next job that is submitted as CRITICAL and still queued."""
    seen = threading.Event()
    while True:
        for job in house.app.jobs.page(statuses=(JobStatus.QUEUED,), limit=50).items:
            if job.priority == "CRITICAL":
                return job.id
        seen.wait(0.01)


def test_pages_hold_every_job_once(house: House, admin: httpx.Client) -> None:
    made = {submit(admin)["job_id"] for _ in range(7)}
    found: list[str] = []
    cursor = None
    while True:
        page = admin.get("/jobs/list", params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        found += [job["job_id"] for job in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(found) == len(set(found))
    assert made <= set(found)
    assert found == sorted(found, reverse=True)


def test_lists_are_filtered(house: House, admin: httpx.Client) -> None:
    done = house.ended()
    found = admin.get("/jobs/list?status=completed&limit=200").json()["items"]
    assert done.id in {job["job_id"] for job in found}
    assert {job["status"] for job in found} == {"completed"}
    assert admin.get("/jobs/list?recipe=fundus.classify").json()["items"] == []


def test_cancelling_ends_a_waiting_job_and_asks_a_running_one(house: House, admin: httpx.Client) -> None:
    waiting, running = house.job(), house.move(house.job(), JobStatus.RUNNING)
    assert admin.post(f"/jobs/cancel/{waiting.id}").json()["status"] == "cancelled"
    said = admin.post(f"/jobs/cancel/{running.id}?rollback=true").json()
    assert (said["status"], said["cancel_requested"]) == ("running", "rollback")
    is_problem(admin.post(f"/jobs/cancel/{waiting.id}"), 409, "Conflict")
    is_problem(admin.post("/jobs/cancel/job_absent"), 404, "NotFound")


def test_holding_and_releasing(house: House, admin: httpx.Client) -> None:
    job = house.job()
    assert admin.post(f"/jobs/hold/{job.id}").json()["hold"] is True
    assert "held" in admin.get(f"/jobs/status/{job.id}").json()["waiting_for"]
    assert admin.post(f"/jobs/release/{job.id}").json()["hold"] is False


def test_resuming_makes_a_new_job_once(house: House, admin: httpx.Client) -> None:
    failure = Failure(failure_class=FailureClass.OOM, message="out of memory", log_tail="…")
    old = house.ended(JobStatus.FAILED, failure=failure)
    shown = admin.get(f"/jobs/status/{old.id}").json()["failure"]
    assert (shown["class"], shown["message"], shown["log_tail"]) == ("oom", "out of memory", "…")
    new = admin.post(f"/jobs/resume/{old.id}")
    assert new.status_code == 202
    assert new.json()["resumed_from"] == old.id
    assert new.json()["location"] == f"/jobs/status/{new.json()['job_id']}"
    is_problem(admin.post(f"/jobs/resume/{old.id}"), 409)
    is_problem(admin.post(f"/jobs/resume/{house.ended().id}"), 409)


def test_progress_curves_and_names(house: House, admin: httpx.Client) -> None:
    job = house.move(house.job(), JobStatus.RUNNING)
    with house.app.store.write() as tx:
        rows.update(tx, job.id, progress=Progress(done=3, of=10, unit="epoch", phase="train", eta_s=7.5, values={"loss": 0.5}))
        metrics.append(tx, job_id=job.id, attempt=1, points={"loss": [(0, 1.0, 0.0), (1, None, 0.0), (2, 0.25, 0.0)]})
    progress = admin.get(f"/jobs/status/{job.id}").json()["progress"]
    assert (progress["epoch"], progress["of"], progress["eta"], progress["step"]) == (3, 10, 7.5, None)
    assert admin.get(f"/jobs/{job.id}/metrics").json()["names"] == ["loss"]
    curve = admin.get(f"/jobs/{job.id}/curve?name=loss").json()
    assert (curve["steps"], curve["values"]) == ([0, 1, 2], [1.0, None, 0.25])
    assert (curve["n_total"], curve["downsampled"]) == (3, False)


def test_logs_are_read_from_the_end(house: House, admin: httpx.Client) -> None:
    job = house.move(house.job(), JobStatus.RUNNING)
    staging = house.app.layout.staging(job, job.attempt)
    staging.mkdir(parents=True)
    (staging / "stderr.log").write_text("one\ntwo <b>\nthree\n")
    said = admin.get(f"/jobs/{job.id}/logs?lines=2").json()
    assert said["text"].splitlines() == ["two <b>", "three"]
    is_problem(admin.get(f"/jobs/{house.job().id}/logs"), 404)


def test_a_capability_reads_its_own_job_and_nothing_else(house: House) -> None:
    job, secret = with_capability(house)
    other = house.job()
    with house.client(None, Authorization=f"Bearer {secret}") as attempt:
        assert attempt.get(f"/jobs/status/{job.id}").json()["status"] == "running"
        assert attempt.get(f"/jobs/{job.id}/metrics").status_code == 200
        for path in (f"/jobs/status/{other.id}", "/jobs/list", "/events", "/experiments", "/recipes", "/metrics", "/settings"):
            is_problem(attempt.get(path), 403)
        for path in (f"/jobs/cancel/{job.id}", f"/jobs/hold/{job.id}", "/tokens"):
            is_problem(attempt.post(path), 403)


def test_an_attempt_that_orchestrates_submits_jobs_and_reads_those_alone(house: House) -> None:
    job, secret = with_capability(house, role="orchestrator")
    other = house.job()
    with house.client(None, Authorization=f"Bearer {secret}") as attempt:
        child = submit(attempt)["job_id"]
        assert attempt.get(f"/jobs/status/{child}").json()["submitted_by"] == f"job:{job.id}"
        assert attempt.get(f"/jobs/{child}/why").status_code == 200
        for path in (f"/jobs/status/{other.id}", "/jobs/status/job_none", "/jobs/list", "/events", "/tokens"):
            is_problem(attempt.get(path), 403)
        for path in (f"/jobs/cancel/{child}", f"/jobs/hold/{other.id}", f"/jobs/resume/{other.id}", "/tokens"):
            is_problem(attempt.post(path), 403)
    house.move(job, JobStatus.COMPLETED)
    with house.app.store.write() as tx:
        attempts.finish(tx, job.id, job.attempt, outcome="done", ended_at=tx.clock.now())
    with house.client(None, Authorization=f"Bearer {secret}") as attempt:
        is_problem(attempt.post("/jobs", json={"recipe": RECIPE}), 401)


def with_capability(house: House, *, role: str = "task") -> tuple[Any, str]:
    """A running job and the secret of its attempt."""
    waiting = house.job()
    with house.app.store.write() as tx:
        rows.update(tx, waiting.id, requires=waiting.requires.model_copy(update={"role": role}))
    job = house.move(waiting, JobStatus.RUNNING)
    with house.app.store.write() as tx:
        now = tx.clock.now()
        attempts.insert(
            tx,
            Attempt(
                job_id=job.id, number=job.attempt, backend="test", staging="x", identity=None, lease_expires_at=now + timedelta(hours=1),
                journal_offset=0, outcome="running", failure=None, exit_code=None, signal=None, resumed_step=None, recovery_source=None,
                gpu_ids=(), started_at=now, ended_at=None,
            ),
        )  # fmt: skip
        attempts.set_capability(tx, job.id, job.attempt, secret_hash=digest(f"capability-{job.id}"))
    return job, f"capability-{job.id}"


def test_why_a_job_waits_and_why_one_failed(house: House, admin: httpx.Client) -> None:
    waiting = submit(admin)["job_id"]
    admin.post(f"/jobs/hold/{waiting}")
    said = admin.get(f"/jobs/{waiting}/why").json()
    assert (said["status"], said["waiting"], said["failure"]) == ("queued", "hold", None)
    assert said["advice"] == [f"let it go on: arc jobs release {waiting}"]
    failed = house.ended(JobStatus.FAILED, failure=Failure(failure_class=FailureClass.NAN, message="the loss is not finite"))
    said = admin.get(f"/jobs/{failed.id}/why").json()
    assert said["failure"]["failure_class"] == "nan"
    assert said["next"].startswith("nothing: ")
    is_problem(admin.get("/jobs/job_none/why"), 404, "NotFound")
