"""Script: three lines by which a training script that may be touched tells ARC how it gets on.

    from arc.script import job
    job.metric(step, loss=0.31)
    job.checkpoint(step, "checkpoints/last.pt")
    job.progress(epoch, of=epochs)

Standard library alone, so that importing it costs nothing. Outside a job every call does nothing. In a job each call
appends one line of JSON to the file that ARC_SCRIPT_LINES names, which the recipe `external.script` follows; a line is
one write, so ranks of a distributed training may all speak. Where ARC is not installed beside the script, this file can
be copied there.

Not covered: a disk that is full. The line is lost then, because a training should not die of a word about itself.
"""

import json
import os
from pathlib import Path

_LINES = os.environ.get("ARC_SCRIPT_LINES")  # noqa: TID251 - this file runs in the script's process, where no settings are
_RESUME = os.environ.get("ARC_RESUME")  # noqa: TID251 - as above


class Job:
    """The job that this script is, or nothing at all when it runs by itself."""

    def __init__(self, lines: str | None = _LINES, resume: str | None = _RESUME) -> None:
        self._lines = lines
        self._resume = resume

    @property
    def resume(self) -> Path | None:
        """The checkpoint to go on from; None when the training begins."""
        return Path(self._resume) if self._resume else None

    def metric(self, step: int, **values: float) -> None:
        """Values at a step: `job.metric(10, loss=0.3, auc=0.8)`. Scalars of numpy and torch are taken, too."""
        self._say({"k": "metric", "step": int(step), "values": {name: float(value) for name, value in values.items()}})

    def checkpoint(self, step: int, path: str | os.PathLike[str], *, best: bool = False) -> None:
        """Keep this file, which is whole now, as the checkpoint of a step; write the next one under another name or by renaming."""
        self._say({"k": "checkpoint", "step": int(step), "path": str(Path(path).absolute()), "best": best})

    def progress(self, done: float, of: float | None = None, *, unit: str = "epoch") -> None:
        """How far the training is, for people."""
        self._say({"k": "progress", "done": float(done), "of": None if of is None else float(of), "unit": unit})

    def _say(self, line: dict[str, object]) -> None:
        if self._lines is None:
            return
        try:
            with open(self._lines, "ab", buffering=0) as file:  # noqa: PTH123 - one write appends one whole line
                file.write(json.dumps(line).encode() + b"\n")
        except OSError:
            pass  # a training does not die of a word about itself


job = Job()
