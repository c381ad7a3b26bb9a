"""What the end of an attempt means."""

import pytest

from arc.core.attempt import Failure, FailureClass
from arc.core.journal import NO_ROOM
from arc.core.ports import Exit
from arc.core.recipe import Done
from arc.jobs.verdict import Requeue, Stopped, judge

CLEAN = Exit(0, None)
KILLED = Exit(None, 9)


def test_a_written_result_counts_even_if_the_process_was_killed_right_after() -> None:
    outcome = {"status": "done", "metrics": {"auc": 0.8}, "result": {"x": 1}}
    assert judge(outcome, "timeout", KILLED, log_tail="") == Done({"auc": 0.8}, {"x": 1})


def test_exit_zero_without_a_result_is_a_failure() -> None:
    found = judge(None, None, CLEAN, log_tail="last words")
    assert isinstance(found, Failure)
    assert found.failure_class is FailureClass.EXIT
    assert found.log_tail == "last words"


def test_a_signal_without_a_name_has_its_number() -> None:
    found = judge(None, None, Exit(None, 36), log_tail="")  # a real-time signal
    assert isinstance(found, Failure)
    assert "signal 36" in found.message


def test_a_signal_is_named() -> None:
    found = judge(None, None, KILLED, log_tail="")
    assert isinstance(found, Failure)
    assert "SIGKILL" in found.message


def test_an_end_nobody_saw_is_lost() -> None:
    found = judge(None, None, Exit(None, None), log_tail="")
    assert isinstance(found, Failure)
    assert found.failure_class is FailureClass.LOST


@pytest.mark.parametrize(("ending", "kind"), [("timeout", FailureClass.TIMEOUT), ("memory", FailureClass.OOM)])
def test_what_the_engine_did_is_the_cause(ending: str, kind: FailureClass) -> None:
    found = judge({"status": "cancelled", "why": "stop requested"}, ending, CLEAN, log_tail="")  # type: ignore[arg-type]
    assert isinstance(found, Failure)
    assert found.failure_class is kind


def test_a_cancelled_attempt_stops_and_a_held_or_shut_down_one_goes_back_to_the_queue() -> None:
    stopped = {"status": "cancelled", "why": "stop requested"}
    assert isinstance(judge(stopped, "cancel", CLEAN, log_tail=""), Stopped)
    assert isinstance(judge(stopped, "hold", CLEAN, log_tail=""), Requeue)
    assert judge(None, "shutdown", KILLED, log_tail="") == Requeue("the control plane was stopped")


def test_a_recipe_may_ask_to_be_run_later_within_a_day() -> None:
    assert judge({"status": "retry", "after_s": 30, "why": "busy"}, None, CLEAN, log_tail="") == Requeue("busy", 30.0, counts=True)
    assert judge({"status": "retry", "after_s": 1e12, "why": ""}, None, CLEAN, log_tail="") == Requeue("", 86_400.0, counts=True)
    assert judge({"status": "retry", "after_s": None, "why": ""}, None, CLEAN, log_tail="") == Requeue("", 0.0, counts=True)


def test_an_attempt_that_found_no_room_even_for_its_outcome_runs_again_later() -> None:
    found = judge(None, None, Exit(NO_ROOM, None), log_tail="")
    assert isinstance(found, Requeue)
    assert (found.delay_s, found.counts) == (60.0, True)


def test_who_gave_way_to_a_sigterm_of_somebody_else_is_not_cancelled() -> None:
    gave_way = {"status": "cancelled", "why": "stop requested", "asked": True}
    found = judge(gave_way, None, CLEAN, log_tail="")
    assert isinstance(found, Failure)
    assert found.failure_class is FailureClass.EXIT
    assert isinstance(judge(gave_way, "cancel", CLEAN, log_tail=""), Stopped)
    assert judge(gave_way, "shutdown", CLEAN, log_tail="") == Requeue("the control plane was stopped")
    assert isinstance(judge({"status": "cancelled", "why": "nothing to do"}, None, CLEAN, log_tail=""), Stopped)


def test_a_reported_failure_keeps_its_class_and_field_and_gains_the_log() -> None:
    reported = {"failure_class": "bad_data", "message": "no images", "field": "dataset", "status": 422}
    found = judge({"status": "failed", "failure": reported}, None, Exit(1, None), log_tail="tail")
    assert found == Failure(failure_class=FailureClass.BAD_DATA, message="no images", field="dataset", status=422, log_tail="tail")


def test_a_failure_that_cannot_be_read_is_still_one() -> None:
    found = judge({"status": "failed", "failure": {"failure_class": "nonsense"}}, None, Exit(1, None), log_tail="")
    assert isinstance(found, Failure)
    assert found.failure_class is FailureClass.EXCEPTION


@pytest.mark.parametrize("outcome", [None, {"status": "failed", "failure": {"failure_class": "exception", "message": "a helper died"}}])
@pytest.mark.parametrize("ending", [None, "stalled"])
def test_the_kernels_count_says_that_memory_ran_out_whatever_came_of_it(outcome: dict[str, object] | None, ending: str | None) -> None:
    found = judge(outcome, ending, Exit(None, 9, oom_kills=1), log_tail="")  # type: ignore[arg-type]
    assert isinstance(found, Failure)
    assert found.failure_class is FailureClass.OOM


def test_a_result_counts_although_a_helper_was_killed_for_memory_and_so_does_a_request_to_cancel() -> None:
    assert isinstance(judge({"status": "done"}, None, Exit(0, None, oom_kills=1), log_tail=""), Done)
    assert isinstance(judge(None, "cancel", Exit(None, 9, oom_kills=1), log_tail=""), Stopped)
