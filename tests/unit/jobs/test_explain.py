"""Why a job waits or failed, what happens next, and what one can do."""

from datetime import timedelta

import pytest

from arc.core.attempt import Attempt, Failure, FailureClass
from arc.core.job import Job, Limits, RetryPolicy
from arc.core.recipe import Needs
from arc.core.states import JobStatus
from arc.jobs.admission import Admission, Gpu, Limitation, Measured
from arc.jobs.explain import explain, kind_of
from tests.unit.jobs.making import MOMENT, job

OOM = Failure(failure_class=FailureClass.OOM, message="CUDA out of memory", error="OutOfMemory", log_tail="Traceback\nOutOfMemory")


def attempt(number: int, failure: Failure | None, **changes: object) -> Attempt:
    values = {
        "job_id": "job_1", "number": number, "backend": "local", "staging": "s", "identity": None, "lease_expires_at": MOMENT, "journal_offset": 0,
        "outcome": "failed", "failure": failure, "exit_code": 1, "signal": None, "resumed_step": None, "recovery_source": None, "gpu_ids": (),
        "started_at": MOMENT, "ended_at": MOMENT,
    }  # fmt: skip
    return Attempt(**(values | changes))


@pytest.mark.parametrize(
    ("waiting", "running", "kind"),
    [
        (job(), [(job(id="job_2"), ())], "slot"),
        (job(requires=Needs(role="light")), [(job(id="job_2", requires=Needs(role="light")), ())] * 2, "slot"),
        (job(requires=Needs(memory_gb=99)), [], "memory"),
        (job(threads=4, requires=Needs(role="task")), [(job(id="job_2", threads=2), ())], "threads"),
        (job(requires=Needs(role="service", gpus=1)), [(job(id="job_2", requires=Needs(role="service")), (0,))], "gpu"),
        (job(requires=Needs(role="service"), limits=Limits(gpu_id=0)), [(job(id="job_2", requires=Needs(role="service")), (0,))], "gpu"),
    ],
)
def test_every_obstacle_that_admission_names_has_its_kind(waiting: Job, running: list[tuple[Job, tuple[int, ...]]], kind: str) -> None:
    slots = 1 if kind == "slot" else 4
    admission = Admission(lambda: Measured(16, 16, 4, (Gpu(0, 80.0),)), Limitation(task_slots=slots))
    obstacle = admission.obstacle(waiting, running)
    assert obstacle is not None
    assert kind_of(obstacle) == kind


def test_a_retry_after_out_of_memory_says_when_from_where_and_how_much_smaller() -> None:
    later = MOMENT + timedelta(seconds=60)
    waiting = job(attempt=2, retry_count=2, not_before=later, failure=OOM)
    found = explain(waiting, [attempt(1, OOM), attempt(2, OOM)], waiting_for="its retry at then", steps=[40, 30], now=MOMENT)
    assert found.waiting == "backoff"
    assert found.next == (
        f"attempt 3 at {later.isoformat(timespec='seconds')} (in 60 s), retry 2 of 3, from the checkpoint of step 40, "
        "each batch in 4 pieces with the gradients accumulated"
    )
    assert found.failure is not None
    assert (found.failure.attempt, found.failure.exit_code, found.failure.rule) == (2, 1, "retry smaller")
    assert "OutOfMemory" in found.failure.log_tail


def test_after_a_broken_checkpoint_the_older_one_is_named() -> None:
    broken = Failure(failure_class=FailureClass.CHECKPOINT, message="cannot be loaded")
    found = explain(job(attempt=1, failure=broken), [attempt(1, broken)], waiting_for="the engine: it fits", steps=[40, 30], now=MOMENT)
    assert found.next == "attempt 2 at once, from the checkpoint of step 30, an older one because the newest could not be loaded"


@pytest.mark.parametrize(
    ("failure", "retries", "why"),
    [
        (Failure(failure_class=FailureClass.NAN, message="not finite"), 3, "trying again cannot help"),
        (Failure(failure_class=FailureClass.EXCEPTION, message="no", error="RecipeBroken"), 3, "RecipeBroken is not tried again"),
        (Failure(failure_class=FailureClass.EXIT, message="exit code 1"), 1, "used up (1 allowed)"),
        (Failure(failure_class=FailureClass.EXIT, message="exit code 1"), 0, "no retries"),
    ],
)
def test_a_failed_job_says_why_it_is_not_tried_again_and_how_to_continue(failure: Failure, retries: int, why: str) -> None:
    failed = job(status=JobStatus.FAILED, attempt=1, failure=failure, retry=RetryPolicy(max_retries=retries), retry_count=retries)
    found = explain(failed, [attempt(1, failure)], waiting_for=None, steps=[], now=MOMENT)
    assert found.next.startswith("nothing: ")
    assert why in found.next
    assert found.advice[-1].endswith("arc jobs resume job_1")


def test_held_needing_running_and_done_jobs() -> None:
    held = explain(job(hold=True), [], waiting_for="a person: it is held", steps=[], now=MOMENT)
    assert (held.waiting, held.next, held.advice) == ("hold", "nothing until it is released", ["let it go on: arc jobs release job_1"])
    needing = explain(job(status=JobStatus.PENDING), [], waiting_for="jobs: job_0 (running)", steps=[], now=MOMENT)
    assert (needing.waiting, needing.failure) == ("jobs", None)
    asked = job(status=JobStatus.RUNNING, attempt=1, cancel_requested="rollback")
    assert "10 s to write a checkpoint" in explain(asked, [], waiting_for=None, steps=[], now=MOMENT).next
    done = explain(job(status=JobStatus.COMPLETED), [], waiting_for=None, steps=[], now=MOMENT)
    assert (done.why, done.next, done.advice) == ("it did all that was asked", "nothing: it is over", [])
