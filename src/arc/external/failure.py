"""Failure: from how a script ended to the error that the worker's own rules judge.

The last traceback on stderr names an error and its message. An error of that name is raised here, so that
`arc.worker.outcomes` finds the class of failure as it does for a recipe: by name, by ancestor, by text. No second set
of rules. A script that left no traceback is judged by its exit code or signal.
"""

import errno
import re
from typing import Final

from arc.core.process import signal_name

_MARK: Final = "Traceback (most recent call last):"
_RAISED: Final = re.compile(r"(?P<name>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?")
_MEMORY: Final = re.compile(r"out of memory|bad_alloc|Cannot allocate memory", re.IGNORECASE)
_MESSAGE: Final = 1500


class ScriptEnded(Exception):
    """The script ended by a signal or an exit code, and said nothing of an error."""

    failure_class = "exit"


def error_of(code: int, said: str) -> Exception:
    """The error for an exit code (negative: a signal) and the end of what was written to stderr."""
    raised = _raised(said)
    if code < 0:
        return ScriptEnded(f"the script was killed by {signal_name(-code)}")
    if raised is not None:
        return raised
    if _MEMORY.search(said[-_MESSAGE:]):
        return MemoryError(f"the script ended with exit code {code}, for want of memory")
    return ScriptEnded(f"the script ended with exit code {code}")


def _raised(said: str) -> Exception | None:
    """The error that the last traceback names; None when there is no traceback."""
    _, mark, after = said.rpartition(_MARK)
    if not mark:
        return None
    lines = (line for line in after.splitlines()[1:] if line[:1].strip())
    found = next((match for line in lines if (match := _RAISED.fullmatch(line))), None)
    if found is None:
        return None
    name, message = found["name"].rpartition(".")[2], (found["message"] or "")[:_MESSAGE]
    if "[Errno 28]" in message:
        return OSError(errno.ENOSPC, message)
    if _MEMORY.search(message):
        name = "OutOfMemoryError"
    named: type[Exception] = type(name, (RuntimeError if name == "RuntimeError" else Exception,), {})
    return named(message)
