import pytest

from arc.research.model.fidelity import ladder, rungs
from arc.research.model.trial import Trial


def test_a_ladder_ends_with_a_full_training():
    assert ladder(lowest=1 / 9) == pytest.approx((1 / 9, 1 / 3, 1))
    assert ladder(lowest=0.2) == pytest.approx((0.2, 1 / 3, 1))
    assert ladder(lowest=1.0) == (1.0,)


def trial(name, value, fidelity, failed=False):
    return Trial({"lr": name}, value, failed=failed, fidelity=fidelity)


def test_the_best_third_goes_on_and_nobody_waits_for_a_full_rung():
    low = [trial(number, value, 1 / 9) for number, value in enumerate([0.5, 0.9, 0.7, 0.8, 0.6, 0.4])]
    assert rungs(low[:2], lowest=1 / 9) == []
    assert [config["lr"] for config, _ in rungs(low[:3], lowest=1 / 9)] == [1]
    assert [(config["lr"], pytest.approx(1 / 3)) for config, _ in rungs(low, lowest=1 / 9)] == [
        (1, pytest.approx(1 / 3)),
        (3, pytest.approx(1 / 3)),
    ]


def test_what_went_on_does_not_go_on_twice_and_the_highest_rung_comes_first():
    low = [trial(number, number / 10, 1 / 9) for number in range(9)]
    middle = [trial(8, 0.9, 1 / 3), trial(7, 0.95, 1 / 3), trial(6, None, 1 / 3)]
    assert rungs([*low, *middle], lowest=1 / 9) == []
    done = [*middle[:2], trial(6, 0.1, 1 / 3)]
    assert rungs([*low, *done], lowest=1 / 9) == [({"lr": 7}, 1.0)]


def test_failures_reach_a_rung_and_never_leave_it():
    low = [trial(0, None, 1 / 9, failed=True), trial(1, None, 1 / 9, failed=True), trial(2, 0.1, 1 / 9)]
    assert [config["lr"] for config, _ in rungs(low, lowest=1 / 9)] == [2]
    assert rungs([trial(number, None, 1 / 9, failed=True) for number in range(6)], lowest=1 / 9) == []
