"""The routes of cleaning: what went and why, who may ask, and pins."""

import httpx

from arc.core.artifact import Artifact
from arc.core.attempt import Failure, FailureClass
from arc.core.clock import SystemClock
from arc.core.experiment import Experiment
from arc.core.states import JobStatus
from arc.store import artifacts, experiments
from arc.store import jobs as rows
from tests.api.serving import House, is_problem

CAUSE = Failure(failure_class=FailureClass.EXCEPTION, message="no luck", log_tail="the last words")


def broken(house: House, name: str) -> str:
    """An experiment whose job failed before it began; the job's id."""
    job = house.job()
    with house.app.store.write() as tx:
        rows.update(tx, job.id, experiment_id=name)
        experiments.insert(
            tx,
            Experiment(
                id=name, recipe=job.recipe, study=None, cycle=None, config={}, dataset=None, seed=0, status="failed", metrics={},
                training_metrics={}, simulated=False, archived=False, created_at=job.created_at, completed_at=None,
            ),
        )  # fmt: skip
    house.move(house.app.jobs.get(job.id), JobStatus.FAILED, failure=CAUSE, completed_at=SystemClock().now())
    return job.id


def test_a_dry_run_says_what_would_go_and_the_real_one_does_it(house: House, admin: httpx.Client) -> None:
    broken(house, "exp_broken")
    dry = admin.post("/jobs/auto-clean?dry_run=true").json()
    assert (dry["status"], dry["dry_run"], dry["experiments_cleaned"]) == ("completed", True, 1)
    assert dry["message"] == "Would clean 1 broken experiment(s)"
    assert admin.get("/experiments/exp_broken").status_code == 200
    done = admin.post("/jobs/auto-clean").json()
    assert (done["experiments_cleaned"], done["message"]) == (1, "Cleaned 1 broken experiment(s)")
    assert done["removed"] == dry["removed"]
    assert set(done["removed"][0]) == {"kind", "id", "path", "goes", "why", "size_bytes"}
    is_problem(admin.get("/experiments/exp_broken"), 404)
    (event,) = admin.get("/audit?subject=exp_broken").json()["items"]
    assert (event["kind"], event["actor"]) == ("experiment.cleaned", "admin")
    assert (event["detail"]["cause"], event["detail"]["log_tail"]) == ("exception: no luck", "the last words")
    assert admin.post("/jobs/auto-clean").json()["experiments_cleaned"] == 0


def test_what_stays_is_named_with_its_reason(house: House, admin: httpx.Client) -> None:
    broken(house, "exp_archived")
    admin.post("/experiments/exp_archived/archive")
    kept = {one["id"]: one["why"] for one in admin.post("/jobs/auto-clean?dry_run=true").json()["kept"]}
    assert kept["exp_archived"] == "it is archived, and archiving deletes nothing"


def test_a_viewer_may_not_clean_nor_pin(house: House) -> None:
    with house.client("viewer") as viewer:
        for path in ("/jobs/auto-clean", "/jobs/auto-clean?dry_run=true", "/experiments/exp_x/pin", "/experiments/exp_x/unpin"):
            is_problem(viewer.post(path), 403)


def test_pins_by_experiment_and_by_step(house: House, admin: httpx.Client) -> None:
    job_id = broken(house, "exp_pins")
    is_problem(admin.post("/experiments/exp_pins/pin"), 409)
    folder = house.app.layout.experiment("exp_pins")
    folder.mkdir(parents=True)
    for step in (1, 2):
        path = folder / f"{step}.safetensors"
        path.write_bytes(bytes([step]) * 10)
        digest, size = house.app.artifacts.put(path)
        row = Artifact(
            id=f"art_{step}", job_id=job_id, attempt=1, name=path.name, kind="checkpoint", digest=digest, size_bytes=size,
            path=house.app.layout.relative(path), step=step, published=False, created_at=SystemClock().now(),
        )  # fmt: skip
        with house.app.store.write() as tx:
            artifacts.insert(tx, row)
    assert [(row["step"], row["pinned"]) for row in admin.post("/experiments/exp_pins/pin?step=2").json()] == [(2, True)]
    assert len(admin.post("/experiments/exp_pins/pin").json()) == 2
    assert [row["pinned"] for row in admin.get("/experiments/exp_pins").json()["artifacts"]] == [True, True]
    assert len(admin.post("/experiments/exp_pins/unpin").json()) == 2
    assert admin.post("/experiments/exp_pins/unpin").json() == []
    is_problem(admin.post("/experiments/exp_pins/pin?step=3"), 409)
    is_problem(admin.post("/experiments/absent/pin"), 404)
    is_problem(admin.post("/experiments/exp_pins/pin?step=-1"), 422)
