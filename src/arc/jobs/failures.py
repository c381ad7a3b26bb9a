"""Failures: for each class the evidence, what the engine does about it, and what a study is told.

The table is the rule itself: `arc.jobs.retry` reads it, and docs/reference/failures.md is generated from it.
What a study is told decides whether its optimiser avoids the region: a failure of the configuration says
something about the configuration, a failure of the machine does not.
"""

from dataclasses import dataclass
from enum import StrEnum

from arc.core.attempt import FailureClass


class Action(StrEnum):
    """What the engine does after a failure."""

    AS_IS = "retry as it is"
    SMALLER = "retry smaller"  # each batch in twice as many pieces, gradients accumulated: the same effective batch
    OLDER_CHECKPOINT = "resume from an older checkpoint"
    NOT = "do not retry"


class Blame(StrEnum):
    """What the study that asked for the job is told."""

    CONFIGURATION = "the configuration failed: avoid the region"
    MACHINE = "the machine failed: the configuration is not judged"
    DATA = "the data are unusable: stop asking"


@dataclass(frozen=True)
class Rule:
    """One row of the table."""

    failure_class: FailureClass
    evidence: str
    action: Action
    blame: Blame


_ROWS = (
    Rule(
        FailureClass.OOM,
        "MemoryError or torch.OutOfMemoryError; private memory over the job's limit; the control group counted an OOM kill",
        Action.SMALLER,
        Blame.CONFIGURATION,
    ),
    Rule(FailureClass.CUDA, "a CUDA, cuDNN or cuBLAS error by type or text", Action.AS_IS, Blame.MACHINE),
    Rule(FailureClass.TIMEOUT, "the attempt ran longer than the job's timeout and was ended", Action.AS_IS, Blame.CONFIGURATION),
    Rule(FailureClass.STALLED, "no progress within the budget of its phase, whatever its heartbeat said", Action.AS_IS, Blame.MACHINE),
    Rule(
        FailureClass.LOST,
        "the process is gone and nobody saw how it ended (its reaper was killed too, or the machine)",
        Action.AS_IS,
        Blame.MACHINE,
    ),
    Rule(FailureClass.NAN, "a loss or a weight was not a finite number", Action.NOT, Blame.CONFIGURATION),
    Rule(FailureClass.BAD_DATA, "BadData, InvalidSpec or DigestMismatch was raised, or an input could not be had", Action.NOT, Blame.DATA),
    Rule(
        FailureClass.CHECKPOINT,
        "BrokenCheckpoint was raised: the digest holds, and the checkpoint could not be loaded",
        Action.OLDER_CHECKPOINT,
        Blame.MACHINE,
    ),
    Rule(FailureClass.PREEMPTED, "a more urgent job took its place; it counts as no retry", Action.AS_IS, Blame.MACHINE),
    Rule(FailureClass.EXCEPTION, "the recipe raised any other error; a PermanentError is not retried", Action.AS_IS, Blame.CONFIGURATION),
    Rule(FailureClass.EXIT, "a signal, or an exit code without an outcome, 0 included; SystemExit", Action.AS_IS, Blame.MACHINE),
)
RULES = {rule.failure_class: rule for rule in _ROWS}
