"""Whether and when a failed attempt is repeated."""

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.core.attempt import Failure, FailureClass
from arc.core.job import RetryPolicy
from arc.jobs.retry import next_try, retryable, wait_s
from tests.unit.jobs.making import MOMENT, job


def failure(kind: FailureClass = FailureClass.EXIT, error: str | None = None) -> Failure:
    return Failure(failure_class=kind, message="it broke", error=error)


@given(retry=st.integers(1, 200), seed=st.integers(0, 2**32))
def test_the_wait_doubles_up_to_the_cap_and_stays_within_the_jitter(retry: int, seed: int) -> None:
    base = min(60.0 * 2 ** (min(retry, 64) - 1), 900.0)
    waited = wait_s(RetryPolicy(), retry, rng=random.Random(seed))
    assert 0.8 * base <= waited <= 1.2 * base


def test_the_first_three_waits_are_one_two_and_four_minutes() -> None:
    policy = RetryPolicy(jitter=0)
    assert [wait_s(policy, n, rng=random.Random(0)) for n in (1, 2, 3)] == [60, 120, 240]


def test_retries_end() -> None:
    rng = random.Random(0)
    assert next_try(job(retry_count=2), failure(), before=0, now=MOMENT, rng=rng) is not None
    assert next_try(job(retry_count=3), failure(), before=0, now=MOMENT, rng=rng) is None


def test_a_job_without_retries_runs_at_most_once() -> None:
    assert next_try(job(retry=RetryPolicy(max_retries=0)), failure(), before=0, now=MOMENT, rng=random.Random(0)) is None


def test_the_delay_of_the_job_is_used() -> None:
    when = next_try(job(retry=RetryPolicy(delay_s=5, jitter=0)), failure(), before=0, now=MOMENT, rng=random.Random(0))
    assert when == MOMENT + timedelta(seconds=5)


@pytest.mark.parametrize("kind", [FailureClass.NAN, FailureClass.BAD_DATA])
def test_what_would_fail_the_same_way_is_not_repeated(kind: FailureClass) -> None:
    assert not retryable(failure(kind))


@pytest.mark.parametrize("error", ["RecipeBroken", "PermanentError", "InvalidSpec", "BadData"])
def test_an_error_that_repeating_cannot_help_is_not_repeated(error: str) -> None:
    assert not retryable(failure(FailureClass.EXCEPTION, error))


@pytest.mark.parametrize("error", [None, "ValueError", "OutOfMemory", "StoreBusy"])
def test_other_errors_are(error: str | None) -> None:
    assert retryable(failure(FailureClass.EXCEPTION, error))


def test_a_class_may_have_fewer_retries_than_the_job() -> None:
    policy = RetryPolicy(by_class={FailureClass.OOM: 1})
    oom = failure(FailureClass.OOM)
    rng = random.Random(0)
    assert next_try(job(retry=policy), oom, before=0, now=MOMENT, rng=rng) is not None
    assert next_try(job(retry=policy, retry_count=1), oom, before=1, now=MOMENT, rng=rng) is None
    assert next_try(job(retry=policy, retry_count=1), failure(), before=0, now=MOMENT, rng=rng) is not None
