"""The historian: best, trend, standstill, patterns, frontier, and the ballot of one who remembers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.core.attempt import FailureClass
from arc.core.proposal import Observation
from arc.research.agents import historian
from tests.unit.research.studies import observed, proposal, view

UP = {"auc": "max"}


def series(*values: float | None) -> list[Observation]:
    return [observed(value, failure=None if value is not None else FailureClass.NAN) for value in values]


def test_the_best_knows_which_way_is_better() -> None:
    seen = [observed(0.7), observed(0.9), observed(0.8)]
    assert historian.best_metrics(seen, UP) == {"auc": 0.9}
    assert historian.best_metrics(seen, {"auc": "min"}) == {"auc": 0.7}
    assert historian.best_metrics([observed(failure=FailureClass.OOM)], UP) == {}


def test_bounds_of_an_interval_are_no_metrics_of_their_own() -> None:
    seen = observed(0.7).model_copy(update={"metrics": {"auc": 0.7, "auc_low": 0.6, "auc_high": 0.8}})
    assert historian.best_metrics([seen], UP) == {"auc": 0.7}


def test_the_trend_leaves_failures_out() -> None:
    assert historian.trend(series(0.1, 0.2, None, 0.3), "auc", 2) == [0.2, 0.3]


def test_standing_still_wants_a_past_to_compare_with() -> None:
    assert not historian.stagnated(series(0.8, 0.8), "auc", threshold=0.01, window=2)
    assert historian.stagnated(series(0.8, 0.8, 0.805), "auc", threshold=0.01, window=2)
    assert not historian.stagnated(series(0.8, 0.8, 0.82), "auc", threshold=0.01, window=2)
    assert not historian.stagnated(series(0.5, 0.5, 0.4), "auc", threshold=0.01, window=2, sign=-1.0)


def test_a_pattern_is_a_lift_with_an_interval_beside_how_often_it_was_tried() -> None:
    seen = [observed(0.9 + 0.001 * n, loss="focal") for n in range(8)] + [observed(0.7 + 0.001 * n, loss="dice") for n in range(8)]
    found = {row["value"]: row for row in historian.patterns(view(observations=tuple(seen))) if row["parameter"] == "loss"}
    assert found["focal"]["tried"] == 8
    assert found["focal"]["lift_low"] > 1
    assert found["dice"]["lift_high"] < 1
    assert found["focal"]["frequency"] == 0.5


def test_few_results_make_no_pattern_and_one_value_none_either() -> None:
    assert historian.patterns(view(observations=tuple(series(0.1, 0.2, 0.3)))) == []
    assert historian.patterns(view(observations=tuple(series(0.1, 0.2, 0.3, 0.4)))) == []


def test_the_frontier_keeps_what_nothing_beats_in_everything() -> None:
    def of(auc: float, ece: float) -> Observation:
        return observed(auc).model_copy(update={"metrics": {"auc": auc, "ece": ece}})

    seen = [of(0.9, 0.2), of(0.8, 0.1), of(0.8, 0.3), observed(0.99)]
    kept = historian.frontier(seen, {"auc": 1.0, "ece": -1.0})
    assert [row["experiment_id"] for row in kept] == [seen[0].experiment_id, seen[1].experiment_id]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=12))
def test_hypervolume_is_the_area_of_the_union(points: list[tuple[float, float]]) -> None:
    steps = 40
    counted = sum(
        any(x > (i + 0.5) / steps and y > (j + 0.5) / steps for x, y in points) for i in range(steps) for j in range(steps)
    ) / steps**2  # fmt: skip
    assert historian.hypervolume(points, (0.0, 0.0)) == pytest.approx(counted, abs=2.5 / steps)


def test_hypervolume_by_hand() -> None:
    assert historian.hypervolume([(2.0, 1.0), (1.0, 2.0), (0.5, 0.5)], (0.0, 0.0)) == 3.0
    assert historian.hypervolume([(-1.0, 5.0)], (0.0, 0.0)) == 0.0


def test_a_cycle_is_summed_up_and_a_part_of_it_is_called_partial() -> None:
    seen = [observed(0.8, cycle=1), observed(0.9, cycle=2), observed(failure=FailureClass.OOM, cycle=2)]
    told = historian.integrate(seen, 2, {"auc": 0.8}, UP)
    assert (told["status"], told["total_experiments"], told["successful"], told["failed"]) == ("integrated", 2, 1, 1)
    assert told["best_metrics_updated"]
    running = seen[1].model_copy(update={"status": "running"})
    assert historian.integrate([running], 2, {}, UP)["status"] == "partial"
    assert historian.integrate([], 2, {}, UP)["training_history_updated"] is False


def test_what_failed_for_itself_is_rejected_and_a_lost_machine_is_not_held_against_it() -> None:
    failed = view(observations=(observed(failure=FailureClass.NAN, lr=0.5),))
    assert historian.review(failed, proposal(failed, lr=0.5)).vote == "reject"
    lost = view(observations=(observed(failure=FailureClass.LOST, blamed=False, lr=0.5),))
    assert historian.review(lost, proposal(lost, lr=0.5)).vote == "abstain"


def test_values_that_mostly_failed_are_rejected_and_those_that_went_through_approved() -> None:
    bad = view(observations=tuple(observed(failure=FailureClass.NAN, lr=lr) for lr in (0.5, 0.6, 0.7)))
    assert historian.review(bad, proposal(bad, lr=0.8)).vote == "reject"
    good = view(observations=tuple(observed(0.8, lr=lr) for lr in (0.5, 0.6, 0.7)))
    assert historian.review(good, proposal(good, lr=0.8)).vote == "approve"
