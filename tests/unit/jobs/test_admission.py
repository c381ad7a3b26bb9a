"""Which jobs may start, and what the others are told."""

import pytest

from arc.core.errors import InvalidSpec
from arc.core.job import Limits
from arc.core.recipe import Needs
from arc.jobs.admission import Admission, Gpu, Limitation, Measured
from tests.unit.jobs.making import job

CPU = Measured(memory_total_gb=16, memory_free_gb=12, cores=4)
TWO_GPUS = Measured(memory_total_gb=64, memory_free_gb=60, cores=16, gpus=(Gpu(0, 10.0), Gpu(1, 40.0)))


def admission(measured: Measured = CPU, **limits: float) -> Admission:
    return Admission(lambda: measured, Limitation(**limits))  # type: ignore[arg-type]


def test_two_tasks_run_on_a_machine_without_gpu_and_the_third_is_told_who_holds_the_slots() -> None:
    running = [(job(id="job_a"), ()), (job(id="job_b"), ())]
    assert admission().obstacle(job(), running[:1]) is None
    told = admission().obstacle(job(), running)
    assert told is not None
    assert "2 of 2" in told
    assert "job_a" in told


def test_a_light_job_does_not_wait_behind_trainings() -> None:
    running = [(job(id="job_a"), ()), (job(id="job_b"), ())]
    assert admission().obstacle(job(requires=Needs(role="light")), running) is None


def test_an_orchestrator_never_takes_the_slot_its_own_jobs_need() -> None:
    running = [(job(id=f"study_{n}", requires=Needs(role="orchestrator")), ()) for n in range(5)]
    assert admission(task_slots=1).obstacle(job(), running) is None


def test_memory_is_the_smaller_of_measured_and_undeclared_less_the_reserve() -> None:
    large = job(requires=Needs(memory_gb=10))
    assert admission().obstacle(large, []) is None
    told = admission().obstacle(large, [(job(requires=Needs(memory_gb=6)), ())])
    assert told is not None
    assert told.startswith("memory: needs 10.0 GB, 9.0 GB")


def test_threads_of_tasks_do_not_exceed_the_cores_unless_the_job_is_alone() -> None:
    wide = job(threads=4)
    assert admission().obstacle(wide, []) is None
    assert "threads" in str(admission().obstacle(wide, [(job(threads=1), ())]))


def test_the_freest_gpu_is_given_and_a_taken_one_is_not() -> None:
    wants = job(requires=Needs(gpus=1))
    assert admission(TWO_GPUS).gpus_for(wants, []) == (1,)
    assert admission(TWO_GPUS).gpus_for(wants, [(job(id="a"), (1,))]) == (0,)
    assert "GPU" in str(admission(TWO_GPUS, task_slots=4).obstacle(wants, [(job(id="a"), (0, 1))]))


def test_a_job_that_wants_a_gpu_runs_on_the_cpu_of_a_machine_without_one() -> None:
    wants = job(requires=Needs(gpus=1))
    assert admission().obstacle(wants, []) is None
    assert admission().gpus_for(wants, []) == ()


def test_a_pinned_gpu_waits_for_that_one() -> None:
    pinned = job(limits=Limits(gpu_id=0))
    assert admission(TWO_GPUS).gpus_for(pinned, []) == (0,)
    assert "taken by job_a" in str(admission(TWO_GPUS).obstacle(pinned, [(job(id="job_a"), (0,))]))


def test_a_gpu_or_thread_count_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(InvalidSpec, match="gpu_id 7"):
        admission(TWO_GPUS).check_gpu(7)
    with pytest.raises(InvalidSpec, match="threads 64"):
        admission().check_threads(64)


def test_slots_and_threads_follow_the_machine() -> None:
    assert (admission().task_slots, admission().threads_per_task) == (2, 2)
    assert admission(TWO_GPUS).task_slots == 2
    assert admission(task_slots=1).threads_per_task == 4
