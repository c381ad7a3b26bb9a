"""Lines about jobs on a pipe, and what a line on a terminal holds."""

from datetime import timedelta

import pytest
from rich.console import Console

from arc.cli.board import _Drawn, _Line, board
from arc.core.attempt import Failure, FailureClass
from arc.core.job import Progress
from arc.core.states import JobStatus
from tests.unit.jobs.making import MOMENT, job


def _progress(done: float, **values: float) -> Progress:
    return Progress(done=done, of=3, unit="epoch", eta_s=95, values=values)


def test_a_pipe_gets_a_line_for_each_state_and_each_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    with board([("train", "job_1")]) as shown:
        shown.job(job(), waiting_for="a slot")
        shown.job(job(), waiting_for="a slot")
        shown.job(job(status=JobStatus.RUNNING))
        shown.progress("job_1", _progress(0.5, loss=0.7))
        shown.progress("job_1", _progress(1, val_auc=0.81234, loss=0.6))
        shown.progress("job_1", _progress(1.5, loss=0.5))
        shown.progress("job_1", _progress(2, loss=0.4))
        shown.job(job(status=JobStatus.COMPLETED, started_at=MOMENT, completed_at=MOMENT + timedelta(seconds=75)))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "train: queued, a slot",
        "train: running",
        "train: epoch 1/3, loss 0.6, val_auc 0.8123, ETA 1:35",
        "train: epoch 2/3, loss 0.4, val_auc 0.8123, ETA 1:35",
        "train: completed, 1:15, loss 0.4  val_auc 0.8123",
    ]


def test_a_quiet_board_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with board([("train", "job_1")], quiet=True) as shown:
        shown.job(job())
        shown.progress("job_1", _progress(1))
    assert capsys.readouterr() == ("", "")


def _line(**changes: object) -> str:
    line = _Line("train")
    drawn = _Drawn({"job_1": line})
    drawn.job(job(**changes), waiting_for=None)
    console = Console(width=100, color_system=None)
    with console.capture() as captured:
        console.print(drawn.draw())
    return captured.get().rstrip()


def test_a_running_line_holds_bar_epoch_loss_and_time_left() -> None:
    text = _line(status=JobStatus.RUNNING, progress=_progress(2, loss=0.41, val_auc=0.9))
    assert "train  running" in text
    assert "epoch 2/3  loss 0.41  val_auc 0.9" in text
    assert text.endswith("ETA 1:35")


def test_a_failed_line_says_why_and_steers_no_terminal() -> None:
    failure = Failure(failure_class=FailureClass.NAN, message="the loss is \x1b[31mnot a number\nat step 3")
    assert _line(status=JobStatus.FAILED, failure=failure).endswith("the loss is \\x1b[31mnot a number")


def test_a_line_that_waits_for_its_retry_says_after_what() -> None:
    failure = Failure(failure_class=FailureClass.OOM, message="no memory")
    assert "try 2 after oom" in _line(status=JobStatus.QUEUED, retry_count=1, failure=failure)


def test_a_held_line_says_so() -> None:
    assert "held" in _line(hold=True)


@pytest.mark.parametrize("progress", [None, Progress(), Progress(done=5, of=None), Progress(done=0.3, of=1.0, unit="archive")])
def test_every_progress_can_be_drawn(progress: Progress | None) -> None:
    assert _line(status=JobStatus.RUNNING, progress=progress).startswith("train")
