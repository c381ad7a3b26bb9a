"""Figures: what the engine counts about itself, for whoever turns it into metrics.

Plain numbers behind a lock, because they are read from the thread of a scrape. They begin at zero with each control plane;
what must outlive it is in the store. A latency is observed for the first attempt of a job that needed no other: only of that one
is the moment known from which it could have run, and a job that was held counts with the time it was held.
"""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from arc.core.attempt import AttemptOutcome, FailureClass
from arc.core.job import Job

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)


@dataclass(frozen=True)
class Observed:
    """How often a duration was how long: for each bound the observations up to it, then all of them; and their sum."""

    bounds_s: Sequence[float]
    up_to: Sequence[int]
    sum_s: float


class Durations:
    """A histogram; not safe to share without a lock."""

    def __init__(self, bounds_s: Sequence[float] = BOUNDS_S) -> None:
        self._bounds_s = bounds_s
        self._counts = [0] * (len(bounds_s) + 1)
        self._sum_s = 0.0

    def add(self, seconds: float) -> None:
        """One more; what a clock that was set back makes negative counts as nothing."""
        seconds = max(0.0, seconds)
        self._counts[bisect_left(self._bounds_s, seconds)] += 1
        self._sum_s += seconds

    def read(self) -> Observed:
        """What was observed so far."""
        up_to, total = [], 0
        for count in self._counts:
            total += count
            up_to.append(total)
        return Observed(self._bounds_s, up_to, self._sum_s)


class Figures:
    """The figures of one engine."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claim, self._start = Durations(), Durations()
        self._ended: Counter[tuple[str, str]] = Counter()
        self._adopted = 0

    def claimed(self, job: Job, *, now: datetime) -> float | None:
        """A job was claimed; the seconds it had waited, where they are known."""
        return self._observe(self._claim, job, now)

    def started(self, job: Job, *, now: datetime) -> float | None:
        """The process of its attempt exists; the seconds since the job was submitted, where it waited for nothing else."""
        return self._observe(self._start, job, now)

    def ended(self, outcome: AttemptOutcome, failure_class: FailureClass | None) -> None:
        """An attempt ended."""
        with self._lock:
            self._ended[outcome, failure_class.value if failure_class else ""] += 1

    def adopted(self) -> None:
        """An attempt of an earlier control plane was taken up."""
        with self._lock:
            self._adopted += 1

    def latencies(self) -> dict[str, Observed]:
        """`claim`: submitted to claimed; `start`: submitted to the first process."""
        with self._lock:
            return {"claim": self._claim.read(), "start": self._start.read()}

    def attempts(self) -> dict[tuple[str, str], int]:
        """Attempts that ended, by outcome and class of failure (empty when there was none)."""
        with self._lock:
            return dict(self._ended)

    def adoptions(self) -> int:
        """Attempts that were taken up from an earlier control plane."""
        with self._lock:
            return self._adopted

    def _observe(self, durations: Durations, job: Job, now: datetime) -> float | None:
        if job.attempt != 1 or job.needs:
            return None
        waited_s = (now - job.created_at).total_seconds()
        with self._lock:
            durations.add(waited_s)
        return round(max(0.0, waited_s), 4)
