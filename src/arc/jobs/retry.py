"""Retrying: whether a failed attempt is repeated, and when.

The class of the failure decides whether; the policy of the job decides when: delay · 2^(n−1) up to a cap,
with jitter, never below what the jitter allows. Waits are of the wall clock because they outlive this
process; a clock set back makes a retry late, never doubled.
"""

import random
from datetime import datetime, timedelta

from arc.core.attempt import Failure
from arc.core.errors import CallerError, PermanentError, all_errors
from arc.core.job import Job, RetryPolicy
from arc.jobs.failures import RULES, Action

_FINAL_ERRORS = frozenset(error.__name__ for error in all_errors() if issubclass(error, PermanentError | CallerError))


def retryable(failure: Failure) -> bool:
    """Whether trying again can help at all."""
    return RULES[failure.failure_class].action is not Action.NOT and failure.error not in _FINAL_ERRORS


def wait_s(policy: RetryPolicy, retry: int, *, rng: random.Random) -> float:
    """Seconds before the `retry`-th retry (1, 2, …), jitter included."""
    base: float = min(policy.delay_s * 2 ** (min(retry, 64) - 1), policy.cap_s)
    return base * rng.uniform(1 - policy.jitter, 1 + policy.jitter)


def next_try(job: Job, failure: Failure, *, before: int, now: datetime, rng: random.Random) -> datetime | None:
    """When the job runs again after this failure; None when it does not. `before`: its earlier failures of the class."""
    spent = job.retry_count >= job.retry.max_retries or before >= job.retry.by_class.get(failure.failure_class, job.retry.max_retries)
    if spent or not retryable(failure):
        return None
    return now + timedelta(seconds=wait_s(job.retry, job.retry_count + 1, rng=rng))
