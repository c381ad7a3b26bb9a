"""Stalls are judged by progress, aware of phases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.jobs.stall import Pace, StallRules

RULES = StallRules()


def training(steps: list[float]) -> Pace:
    """An attempt whose signs of progress came after these many seconds each, its last one at engine time 0."""
    pace = Pace(RULES, now=0.0)
    at = 0.0
    pace.sign(at, now=0.0)
    for step in steps:
        at += step
        pace.sign(at, now=0.0)
    return pace


@pytest.mark.parametrize(("steps", "budget"), [([0.1] * 9, 90), ([60.0, 20.0], 360), ([400.0], 900)])
def test_the_budget_is_six_of_the_slowest_recent_steps_between_floor_and_cap(steps: list[float], budget: float) -> None:
    assert training(steps).budget_s == budget


def test_before_the_first_sign_it_has_an_hour_and_the_first_step_has_the_cap() -> None:
    pace = Pace(RULES, now=0.0)
    assert pace.budget_s == 3600
    pace.sign(0.0, now=100.0)
    assert pace.budget_s == 900
    assert pace.overdue_s(now=999.0) < 0 < pace.overdue_s(now=1001.0)


def test_a_declared_phase_is_no_stall_and_starts_a_new_count() -> None:
    pace = training([1.0] * 5)
    pace.phase("evaluate", None, now=80.0)
    assert pace.overdue_s(now=80.0 + 899) < 0
    pace.phase("train", None, now=500.0)
    assert pace.overdue_s(now=500.0 + 89) < 0
    assert pace.overdue_s(now=500.0 + 91) > 0


def test_a_phase_may_say_how_long_it_takes() -> None:
    pace = training([1.0])
    pace.phase("compile", 7200.0, now=0.0)
    assert pace.overdue_s(now=7100.0) < 0


def test_repeating_the_phase_is_no_progress() -> None:
    pace = Pace(RULES, now=0.0)
    for now in range(0, 4000, 10):
        pace.phase("train", None, now=float(now))
    assert pace.overdue_s(now=4000.0) > 0


def test_the_job_s_own_budget_wins() -> None:
    pace = Pace(RULES, now=0.0, fixed_s=5.0)
    pace.phase("evaluate", 100.0, now=0.0)
    assert pace.overdue_s(now=6.0) > 0


def test_old_slow_steps_are_forgotten() -> None:
    assert training([150.0] + [1.0] * 50).budget_s == 90


@given(st.lists(st.floats(-1e6, 1e6), max_size=60))
def test_a_clock_of_the_attempt_that_jumps_never_leaves_the_bounds(times: list[float]) -> None:
    pace = Pace(RULES, now=0.0)
    for at in times:
        pace.sign(at, now=0.0)
    assert RULES.floor_s <= pace.budget_s <= RULES.first_s
