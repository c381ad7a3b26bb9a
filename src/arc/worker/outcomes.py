"""Outcomes: from what a recipe returned or raised to the last line of the journal.

done        it returned Done
retry       it returned Retry, or raised a TemporaryError (a service that does not answer) or met a full disk
cancelled   it returned Cancel, or raised Cancelled because it was asked to stop
failed      anything else; the class of the failure decides what the engine does about it

An exception class may say its own class in an attribute `failure_class`. Errors of torch are known by name,
because this file must work where torch is not installed.
"""

import traceback
from typing import Any, TextIO

from arc.core.attempt import Failure, FailureClass
from arc.core.errors import ArcError, CallerError, Cancelled, RecipeBroken, TemporaryError
from arc.core.recipe import Cancel, Done, Retry
from arc.worker.durable import disk_full
from arc.worker.plain import plain, text

_MESSAGE = 2000
_FULL_DISK_S = 60.0
_BY_NAME = {
    "MemoryError": FailureClass.OOM,
    "OutOfMemoryError": FailureClass.OOM,  # torch.OutOfMemoryError, torch.cuda.OutOfMemoryError
    "OutOfMemory": FailureClass.OOM,
    "BrokenCheckpoint": FailureClass.CHECKPOINT,
    "FloatingPointError": FailureClass.NAN,
    "AcceleratorError": FailureClass.CUDA,
    "BadData": FailureClass.BAD_DATA,
    "InvalidSpec": FailureClass.BAD_DATA,
    "DigestMismatch": FailureClass.BAD_DATA,
    "SystemExit": FailureClass.EXIT,
}


def of_result(outcome: object) -> dict[str, Any]:
    """The outcome line for what `run` returned; RecipeBroken when that is no outcome or not JSON."""
    if isinstance(outcome, Done):
        return {"status": "done", "metrics": plain(outcome.metrics, field="metrics"), "result": plain(outcome.result, field="result")}
    if isinstance(outcome, Retry):
        return {"status": "retry", "after_s": float(outcome.after_s), "why": text(outcome.why)}
    if isinstance(outcome, Cancel):
        return {"status": "cancelled", "why": text(outcome.why)}
    raise RecipeBroken(f"the recipe returned {type(outcome).__name__}, not Done, Retry or Cancel", field="recipe")


def of_error(error: BaseException) -> dict[str, Any]:
    """The outcome line for what `run` raised."""
    if isinstance(error, Cancelled):
        said = text(error.message)
        return {"status": "cancelled", "why": "stop requested" if said == (Cancelled.__doc__ or "").strip() else said}
    if isinstance(error, TemporaryError) and classify(error) is FailureClass.EXCEPTION:  # else its class decides what is done
        return {"status": "retry", "after_s": float(error.delay_s), "why": text(error.message)}
    if isinstance(error, OSError) and disk_full(error):
        return {"status": "retry", "after_s": _FULL_DISK_S, "why": text(f"the disk is full: {error}")}
    return {"status": "failed", "failure": _failure(error).model_dump(mode="json")}


def _failure(error: BaseException) -> Failure:
    kind = classify(error)
    if isinstance(error, ArcError):
        return Failure(failure_class=kind, message=_shown(error.message), error=error.kind, field=error.field, status=error.status)
    name = type(error).__name__
    message = f"the recipe called sys.exit({error.code!r})" if isinstance(error, SystemExit) else f"{name}: {error}"
    return Failure(failure_class=kind, message=_shown(message), error=name)


def classify(error: BaseException) -> FailureClass:
    """Which class of failure an exception is; its nearest named ancestor decides."""
    said = getattr(type(error), "failure_class", None)
    if isinstance(said, str) and said in {kind.value for kind in FailureClass}:
        return FailureClass(said)
    for ancestor in type(error).__mro__:
        if ancestor.__name__ in _BY_NAME:
            return _BY_NAME[ancestor.__name__]
    message = str(error)
    if isinstance(error, RuntimeError) and ("CUDA error" in message or "cuDNN error" in message or "CUBLAS_STATUS" in message):
        return FailureClass.CUDA
    if isinstance(error, RuntimeError) and "can't allocate memory" in message:  # torch on the CPU
        return FailureClass.OOM
    return FailureClass.BAD_DATA if isinstance(error, CallerError) else FailureClass.EXCEPTION


def complain(error: BaseException, stream: TextIO) -> None:
    """Write the traceback, for people; on a full disk it is lost, which must not hide the error itself."""
    try:
        traceback.print_exception(error, file=stream)
        stream.flush()
    except OSError:
        pass


def _shown(message: str) -> str:
    return text(message if len(message) <= _MESSAGE else message[: _MESSAGE - 1] + "…")
