"""Verdict: what an evaluation found, with its intervals, in a few lines."""

from arc.cli.output import number, table
from arc.core.job import Job


def verdict(judged: Job) -> None:
    """The measured numbers of an evaluation job."""
    table(("measure", "value"), ([name, number(value)] for name, value in (judged.metrics or {}).items()))
