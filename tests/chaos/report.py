"""The report of a run, for the lab log: what was done, what came of it, and what did not hold."""

import os
import platform
import sqlite3
import sys
from statistics import median

from tests.chaos.agent import KINDS
from tests.chaos.run import Result

_CHECKED = (
    "0 jobs lost: every acknowledged id is there, ended, and once; a request that was cut off made at most one job",
    "0 run twice at the same time: by the rows, by the ledger that attempts write themselves, and by looking at processes meanwhile",
    "0 healthy attempts ended: each attempt that did not end by itself was ended by the agent or by a person's request",
    "every line of every journal recorded exactly once: points, checkpoints and offsets, compared with the files",
    "every completed job's curve and metrics are those of the same job run in peace",
    "one terminal event a job, its history a path of the state table; event numbers without a gap; nothing written by an attempt that had ended",
    "every published file and every newest checkpoint has its recorded digest and can be read",
    "no process left; no file left that the daily sweep does not take",
)


def markdown(results: list[Result], skipped: dict[str, str], *, seed: int, command: str) -> str:
    """The whole report."""
    held = not any(result.broken for result in results)
    lines = [
        f"Seed {seed}. {'Everything held.' if held else 'NOT EVERYTHING HELD.'}",
        "",
        f"    {command}",
        "",
        f"Machine: {os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}.",
        "",
    ]
    for result in results:
        lines += _story(result)
    lines += [f"Not told: {name}: {why}." for name, why in skipped.items()]
    lines += ["", "## What was checked", "", *(f"- {line}" for line in _CHECKED)]
    return "\n".join(lines) + "\n"


def _story(result: Result) -> list[str]:
    record, story = result.record, result.story
    rows = [f"| {what} | {record.count(kind)} of {story.counts[kind]} |" for kind, what in KINDS.items() if kind in story.counts]
    submitted = [call for call in result.asked.calls if call.op == "submit"]
    cut = sum(call.answer == "cut" for call in submitted)
    answers = f"{len(submitted) - cut} submits acknowledged, {cut} cut off"
    starts = (
        f"; a control plane answered {median(record.starts_s):.1f} s after its start (median of {len(record.starts_s)})"
        if record.starts_s
        else ""
    )
    became = (
        f"{answers}{starts}. Jobs: {_counted(result.statuses)}. Attempts: {_counted(result.outcomes)}; the most of one job: {result.retried}. "
        f"{result.lines} metric points and {result.events} events recorded; the sweep took {result.swept} files and folders of killed writers."
        + (f" {result.refused} starts of a control plane met the trouble, said so and were repeated." if result.refused else "")
    )
    return [
        f"## {story.name} ({result.took_s:.0f} s)",
        "",
        "| what was done | how often |",
        "|---|---|",
        *rows,
        "",
        became,
        "",
        *([f"- {said}" for said in result.broken] or ["Nothing was broken."]),
        "",
    ]


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
