"""Adopting: an attempt that runs, or ran, and is attended by nobody, because its control plane died or lost an answer.

Which process it is stands in its row, or, when it was launched a moment before, only in its staging folder. Asking there
settles it: who has not published by then never will. Called by `jobs.engine`.
"""

from pathlib import Path

from arc.core.attempt import Attempt, ProcessIdentity
from arc.core.ports import Liveness
from arc.core.process import identity_or_revoke
from arc.store import attempts, events
from arc.store.engine import Tx


def published(staging: Path) -> ProcessIdentity | None:
    """Which process was started there, or None and none will be; the folder may not have been made yet."""
    staging.mkdir(parents=True, exist_ok=True)
    return identity_or_revoke(staging)


def note_adoption(tx: Tx, attempt: Attempt, identity: ProcessIdentity, liveness: Liveness) -> bool:
    """Record that the attempt is taken up, and which process it is; False when it has ended since it was looked up."""
    if attempts.get(tx, attempt.job_id, attempt.number).outcome != "running":
        return False
    if attempt.identity is None:
        attempts.set_identity(tx, attempt.job_id, attempt.number, identity)
    detail = {"attempt": attempt.number, "pid": identity.pid, "found": liveness.value}
    events.append(tx, subject=attempt.job_id, kind="attempt.adopted", actor="engine", detail=detail)
    return True
