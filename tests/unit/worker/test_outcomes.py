"""Outcomes: what a recipe returned or raised decides what the engine does next."""

import errno
import json

import numpy as np
import pytest

from arc.core.errors import BadData, Cancelled, Conflict, InvalidSpec, NoSpace, OutOfMemory, PermanentError, RecipeBroken
from arc.core.recipe import Cancel, Done, Retry
from arc.worker.outcomes import classify, of_error, of_result


class NotFinite(PermanentError):
    """A number is not finite."""

    failure_class = "nan"


class Diverged(NotFinite):
    """It diverged."""


TorchOutOfMemory = type("OutOfMemoryError", (RuntimeError,), {})
Accelerator = type("AcceleratorError", (RuntimeError,), {})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (BadData("x"), "bad_data"),
        (InvalidSpec("x"), "bad_data"),
        (Conflict("x"), "bad_data"),
        (MemoryError(), "oom"),
        (OutOfMemory(), "oom"),
        (TorchOutOfMemory("CUDA out of memory"), "oom"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), "oom"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "cuda"),
        (Accelerator("CUDA error: device-side assert"), "cuda"),
        (FloatingPointError(), "nan"),
        (NotFinite(), "nan"),
        (Diverged(), "nan"),
        (SystemExit(3), "exit"),
        (RuntimeError("anything"), "exception"),
        (RecipeBroken("x"), "exception"),
        (KeyboardInterrupt(), "exception"),
    ],
)
def test_each_error_has_its_class(error: BaseException, expected: str) -> None:
    assert classify(error).value == expected
    assert of_error(error)["failure"]["failure_class"] == expected


def test_an_error_of_ours_keeps_its_name_field_and_status() -> None:
    failure = of_error(InvalidSpec("lr is too large", field="params.lr"))["failure"]
    assert (failure["error"], failure["field"], failure["status"], failure["message"]) == (
        "InvalidSpec",
        "params.lr",
        422,
        "lr is too large",
    )


def test_temporary_trouble_is_tried_again() -> None:
    assert of_error(NoSpace("full", delay_s=60)) == {"status": "retry", "after_s": 60.0, "why": "full"}


def test_a_full_disk_is_temporary_trouble_however_it_was_met() -> None:
    said = of_error(OSError(errno.ENOSPC, "No space left on device"))
    assert (said["status"], said["after_s"]) == ("retry", 60.0)
    assert of_error(OSError(errno.EIO, "Input/output error"))["status"] == "failed"


def test_stopping_is_no_failure() -> None:
    assert of_error(Cancelled()) == {"status": "cancelled", "why": "stop requested"}
    assert of_error(Cancelled("budget spent")) == {"status": "cancelled", "why": "budget spent"}


def test_a_message_is_cut_and_can_be_stored() -> None:
    message = of_error(ValueError("\ud800" + "x" * 10_000))["failure"]["message"]
    assert len(message) == 2000
    message.encode()


def test_what_a_recipe_returns_is_said_in_plain_numbers() -> None:
    said = of_result(Done(metrics={"auc": np.float32(0.5), "roc": np.zeros(2)}, result={"classes": ("a", "b"), "n": np.int64(3)}))
    assert json.loads(json.dumps(said)) == {
        "status": "done",
        "metrics": {"auc": 0.5, "roc": [0.0, 0.0]},
        "result": {"classes": ["a", "b"], "n": 3},
    }
    assert of_result(Retry(5, "later")) == {"status": "retry", "after_s": 5.0, "why": "later"}
    assert of_result(Cancel("no")) == {"status": "cancelled", "why": "no"}


@pytest.mark.parametrize("returned", [None, {"auc": 1.0}, Done(result={"model": object()})])
def test_what_is_no_outcome_is_the_recipes_fault(returned: object) -> None:
    with pytest.raises(RecipeBroken):
        of_result(returned)
