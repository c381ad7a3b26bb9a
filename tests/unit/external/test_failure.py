"""From the end of stderr to the class of failure, by the worker's own rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.core.attempt import FailureClass
from arc.external.failure import error_of
from arc.worker import outcomes

TRACE = 'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n    loss.backward()\n'


@pytest.mark.parametrize(
    ("code", "said", "wanted"),
    [
        (1, TRACE + "ValueError: no such column", FailureClass.EXCEPTION),
        (1, TRACE + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", FailureClass.OOM),
        (1, TRACE + "RuntimeError: CUDA out of memory.", FailureClass.OOM),
        (1, TRACE + "RuntimeError: CUDA error: an illegal memory access", FailureClass.CUDA),
        (1, TRACE + "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried", FailureClass.OOM),
        (1, TRACE + "FloatingPointError: loss", FailureClass.NAN),
        (1, TRACE + "arc.core.errors.BadData: a.png is no picture", FailureClass.BAD_DATA),
        (1, TRACE + "KeyError: 1\n\nDuring handling of it\n\n" + TRACE + "MemoryError", FailureClass.OOM),
        (1, TRACE + "omegaconf.errors.ConfigKeyError: x\n\nSet the environment variable HYDRA_FULL_ERROR=1", FailureClass.EXCEPTION),
        (134, "terminate called after throwing an instance of 'std::bad_alloc'", FailureClass.OOM),
        (2, "usage: train.py", FailureClass.EXIT),
        (-11, TRACE + "ValueError: printed long before", FailureClass.EXIT),
    ],
)
def test_the_class_of_a_failure(code: int, said: str, wanted: FailureClass) -> None:
    assert outcomes.classify(error_of(code, said)) is wanted


def test_a_full_disk_is_tried_again_later() -> None:
    assert outcomes.of_error(error_of(1, TRACE + "OSError: [Errno 28] No space left on device"))["status"] == "retry"


@given(st.integers(-70, 255).filter(bool), st.text(max_size=200))
def test_whatever_was_written_there_is_an_error(code: int, said: str) -> None:
    assert outcomes.of_error(error_of(code, "Traceback (most recent call last):\n" + said))["status"] in {"failed", "retry"}
