"""Why: the explanation of a job, for people."""

from arc.cli.output import facts, printable, say
from arc.core.explanation import Evidence, Explanation

_SHOWN_LINES = 12


def explained(found: Explanation) -> None:
    """Print why the job is where it is, what happens next and what one can do."""
    say(f"{found.status.value}: {printable(found.why)}")
    failure = found.failure
    facts(
        [
            ("failure", f"{failure.failure_class.value}: {printable(failure.message)}" if failure else None),
            ("of attempt", f"{failure.attempt}{_end(failure)}" if failure and failure.attempt else None),
            ("known from", failure.known_from if failure else None),
            ("rule", failure.rule if failure else None),
            ("next", found.next),
            ("you can", "\n".join(found.advice) or None),
        ]
    )
    if failure is not None and failure.log_tail.strip():
        say("")
        say(printable("\n".join(failure.log_tail.rstrip().splitlines()[-_SHOWN_LINES:])))


def _end(failure: Evidence) -> str:
    if failure.signal is not None:
        return f", ended by signal {failure.signal}"
    return "" if failure.exit_code is None else f", exit code {failure.exit_code}"
