"""Board: live lines about jobs, one a job: state, bar, epoch k of n, loss, time left.

On a terminal the lines are redrawn in place, on a pipe a line is printed for each change worth one. Both
write to stderr: stdout belongs to the result. `quiet` is for `--json`, whose reader wants the end alone.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from arc.cli.output import number, printable, seconds, stderr, styled_state
from arc.core.job import Job, Progress
from arc.core.states import JobStatus

_BAR_WIDTH = 18
_STATE_WIDTH = len("completed")
_VALUES_SHOWN = 2
_FIRST = ("loss", "val_auc", "auc", "val_loss")  # shown before other values
_COUNTS = ("step", "steps")  # counted elsewhere


class Board(Protocol):
    """Where a follower tells what it sees."""

    def job(self, job: Job, *, waiting_for: str | None = None) -> None:
        """The job is now as given."""
        ...

    def progress(self, job_id: str, progress: Progress) -> None:
        """The running attempt has come this far."""
        ...


@dataclass
class _Line:
    title: str
    job: Job | None = None
    waiting_for: str | None = None
    progress: Progress | None = None
    values: dict[str, float] = field(default_factory=dict)  # the newest of each name: not every report has all
    told_at: float = field(default_factory=time.perf_counter)  # when the progress came, to count its ETA down

    @property
    def state(self) -> str:
        if self.job is None:
            return "pending"
        if self.job.hold and self.job.status is JobStatus.QUEUED:
            return "held"
        return self.job.status.value

    def hear(self, progress: Progress) -> None:
        """Keep what a progress says."""
        self.progress, self.told_at = progress, time.perf_counter()
        self.values |= progress.values

    def eta_s(self) -> float | None:
        if self.progress is None or self.progress.eta_s is None:
            return None
        return max(0.0, self.progress.eta_s - (time.perf_counter() - self.told_at))


@contextmanager
def board(jobs: Sequence[tuple[str, str]], *, quiet: bool = False) -> Iterator[Board]:
    """A board with one line for each (title, job id), for as long as the block runs."""
    lines = {job_id: _Line(title) for title, job_id in jobs}
    if stderr().is_terminal:
        shown = _Drawn(lines)
        with Live(get_renderable=shown.draw, console=stderr(), refresh_per_second=4):
            yield shown
    elif quiet:
        yield _Silent()
    else:
        yield _Printed(lines)


class _Silent:
    def job(self, job: Job, *, waiting_for: str | None = None) -> None:
        """Nothing is shown."""

    def progress(self, job_id: str, progress: Progress) -> None:
        """Nothing is shown."""


class _Drawn:
    def __init__(self, lines: dict[str, _Line]) -> None:
        self._lines = lines

    def job(self, job: Job, *, waiting_for: str | None = None) -> None:
        """Keep the newest state; the next redraw shows it."""
        line = self._lines[job.id]
        line.job, line.waiting_for = job, waiting_for
        if job.progress is not None:
            self.progress(job.id, job.progress)

    def progress(self, job_id: str, progress: Progress) -> None:
        """Keep the newest progress; the next redraw shows it."""
        self._lines[job_id].hear(progress)

    def draw(self) -> Table:
        """All lines, aligned."""
        rows = [
            (line, Text(_count(line)), Text(_remark(line, alone=len(self._lines) == 1)), Text(_clock(line)))
            for line in self._lines.values()
        ]
        shown = Table.grid(padding=(0, 2, 0, 0), expand=True)
        shown.add_column(width=max(len(line.title) for line in self._lines.values()))
        shown.add_column(width=_STATE_WIDTH)
        shown.add_column(width=_BAR_WIDTH)
        shown.add_column(width=max(len(count) for _, count, _, _ in rows) or None)
        shown.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        shown.add_column(width=max(len(clock) for *_, clock in rows) or None, justify="right")
        for line, count, remark, clock in rows:
            shown.add_row(Text(line.title), styled_state(line.state), _bar(line), count, remark, clock)
        return shown


class _Printed:
    def __init__(self, lines: dict[str, _Line]) -> None:
        self._lines = lines
        self._marks: dict[str, tuple[str, float]] = {}

    def job(self, job: Job, *, waiting_for: str | None = None) -> None:
        """Print a line when the state is another than before."""
        line = self._lines[job.id]
        before = line.state if line.job is not None else ""
        line.job, line.waiting_for = job, waiting_for
        if line.state != before:
            self._print(line, line.state, _clock(line), _remark(line, alone=len(self._lines) == 1))
        if job.progress is not None and not job.terminal:
            self.progress(job.id, job.progress)

    def progress(self, job_id: str, progress: Progress) -> None:
        """Print a line for each epoch, or each tenth of what has no epochs."""
        line = self._lines[job_id]
        line.hear(progress)
        mark = (progress.unit, _milestone(progress))
        if mark[1] > 0 and self._marks.get(job_id) != mark:
            self._marks[job_id] = mark
            self._print(line, _count(line), _values(line).replace("  ", ", "), _clock(line))

    def _print(self, line: _Line, *parts: str) -> None:
        text = ", ".join(part for part in parts if part)
        stderr().print(Text(f"{line.title}: {text}"), soft_wrap=True)


def _milestone(progress: Progress) -> float:
    if progress.unit == "epoch":
        return float(int(progress.done))
    return float(int(10 * progress.done / progress.of)) if progress.of else 0.0


def _bar(line: _Line) -> ProgressBar | Text:
    if line.state == "completed":
        return ProgressBar(total=1, completed=1, width=_BAR_WIDTH)
    if line.progress is None or not line.progress.of:
        return ProgressBar(total=None, pulse=True, width=_BAR_WIDTH) if line.state == "running" else Text(" " * _BAR_WIDTH)
    return ProgressBar(total=line.progress.of, completed=min(line.progress.done, line.progress.of), width=_BAR_WIDTH)


def _count(line: _Line) -> str:
    progress = line.progress
    if progress is None or line.state not in ("running", "completed"):
        return ""
    if line.state == "completed" and progress.unit != "epoch":
        return f"{progress.of:g} {progress.unit}s" if progress.of and progress.of > 1 else ""
    if not (progress.done or progress.of):
        return progress.phase
    if progress.of == 1 and progress.unit != "epoch":
        return f"{100 * progress.done:.0f} %"
    of = f"/{progress.of:g}" if progress.of else ""
    return f"{progress.unit} {int(progress.done)}{of}"


def _values(line: _Line) -> str:
    """The newest values that matter most; of a job that told none, what it measured."""
    rank = {name: place for place, name in enumerate(_FIRST)}
    told = {name: value for name, value in line.values.items() if name not in _COUNTS}
    if not told and line.job is not None:
        told = {name: value for name, value in (line.job.metrics or {}).items() if name in rank and isinstance(value, int | float)}
    names = sorted(told, key=lambda name: rank.get(name, len(rank)))
    return "  ".join(f"{name} {number(told[name])}" for name in names[:_VALUES_SHOWN])


def _remark(line: _Line, *, alone: bool = True) -> str:
    """What a reader wants to know about this state: the values, why it waits, why it failed."""
    job = line.job
    if job is None:
        return ""
    if job.status is JobStatus.FAILED and job.failure is not None:
        return printable(job.failure.message.splitlines()[0] if job.failure.message else job.failure.failure_class.value)
    if job.status is JobStatus.PENDING and not alone:
        return ""  # it waits for the line above
    if job.status in (JobStatus.QUEUED, JobStatus.PENDING, JobStatus.CANCELLED):
        again = f"try {job.retry_count + 1} after {job.failure.failure_class.value}: " if job.failure is not None else ""
        return printable(again + (line.waiting_for or job.reason or ""))
    return _values(line)


def _clock(line: _Line) -> str:
    job = line.job
    if job is None:
        return ""
    if job.terminal:
        return seconds((job.completed_at - job.started_at).total_seconds()) if job.started_at and job.completed_at else ""
    eta = line.eta_s() if line.state == "running" else None
    return f"ETA {seconds(eta)}" if eta is not None else ""
