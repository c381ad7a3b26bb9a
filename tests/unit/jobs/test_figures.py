"""What the engine counts about itself."""

from datetime import timedelta

from arc.core.attempt import FailureClass
from arc.jobs.figures import Durations, Figures
from tests.unit.jobs.making import MOMENT, job


def test_durations_are_counted_up_to_each_bound() -> None:
    durations = Durations((1.0, 10.0))
    for seconds in (-1.0, 1.0, 1.5, 99.0):
        durations.add(seconds)
    observed = durations.read()
    assert list(observed.up_to) == [2, 3, 4]
    assert observed.sum_s == 101.5


def test_a_wait_is_observed_where_its_beginning_is_known() -> None:
    figures, later = Figures(), MOMENT + timedelta(seconds=2)
    assert figures.claimed(job(attempt=1), now=later) == 2.0
    assert figures.claimed(job(attempt=2), now=later) is None
    assert figures.claimed(job(attempt=1, needs=("job_0",)), now=later) is None
    assert figures.started(job(attempt=1), now=MOMENT - timedelta(hours=1)) == 0.0  # the clock was set back
    assert figures.latencies()["claim"].up_to[-1] == 1
    assert figures.latencies()["start"].sum_s == 0.0


def test_ends_are_counted_by_outcome_and_class() -> None:
    figures = Figures()
    figures.ended("failed", FailureClass.OOM)
    figures.ended("failed", FailureClass.OOM)
    figures.ended("done", None)
    figures.adopted()
    assert figures.attempts() == {("failed", "oom"): 2, ("done", ""): 1}
    assert figures.adoptions() == 1
