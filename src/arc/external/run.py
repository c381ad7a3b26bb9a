"""external.script, the run side: starts the script, listens to it, and says how it ended.

One loop waits for three things at once and polls nothing: a change below the working folder (inotify), the end of the
script (a process descriptor), and the request to stop (SIGTERM, through a wake-up socket). The request is passed on to
the script, which then has the job's grace; a script that was asked to stop is taken for stopped, whatever its exit code,
and goes on from its last checkpoint. Runs in the main thread of an attempt, where signals arrive.

Not covered: a script that was resumed and cannot read its own checkpoint; that is an error of the script.
"""

import hashlib
import json
import math
import os
import selectors
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, Final

from arc.core.errors import Cancelled
from arc.core.journal import STDERR
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.external.failure import error_of
from arc.external.keep import Checkpoints, matches, save_results
from arc.external.launch import Launch, prepare, start
from arc.external.scalars import Table
from arc.external.spec import ScriptParams
from arc.external.watch import Seen, Tree

_TAIL: Final = 64 << 10


def run(ctx: RunContext, params: ScriptParams) -> Done:
    """Run the script to its end; Cancelled when it was asked to stop, else the error that it ended with."""
    work, said = ctx.folder("work"), ctx.folder("said")
    lines = said / "lines.jsonl"
    lines.touch()
    begun = ctx.resume()
    given = _lay_out(begun, work / params.resume_as) if begun else None
    launch = prepare(ctx, params, work=work, lines=lines, checkpoint=given)
    stderr = said.parent / STDERR
    before = stderr.stat().st_size if stderr.is_file() else 0
    tree = Tree(work, said)
    listener = Listener(ctx, params, work, lines)
    if given:
        listener.checkpoints.known(given)
    ctx.phase("train", budget_s=params.quiet_s)
    try:
        code = _attend(ctx, start(launch), tree, listener)
    finally:
        tree.close()
    listener.last_look()
    if ctx.should_stop():
        raise Cancelled
    if code != 0:
        raise error_of(code, _written(stderr, before)) from None
    return _answer(ctx, params, launch, listener, resumed=given is not None)


class Listener:
    """What is known of a script while it runs."""

    def __init__(self, ctx: RunContext, params: ScriptParams, work: Path, lines: Path) -> None:
        self.checkpoints = Checkpoints(ctx, work)
        self.values: dict[str, float] = {}  # the last of each metric
        self._ctx, self._params, self._work, self._lines = ctx, params, work, lines
        self._offset = 0
        self._step = 0
        self._tables: dict[Path, Table] = {}

    def hear(self, seen: Seen) -> None:
        """Take what has happened; FloatingPointError when a loss is no number."""
        for path in sorted(seen.grown):
            if path == self._lines:
                self._read_lines()
            elif path in self._tables or matches(path, self._work, self._params.metrics):
                table = self._tables.setdefault(path, Table(path, self._params.step))
                for step, values in table.new():
                    self._report(step, values)
        for path in seen.whole:
            if matches(path, self._work, self._params.checkpoints):
                self.checkpoints.take(path, told=self._step)

    def last_look(self) -> None:
        """The script is gone: take what no event told of."""
        found = [path for path in self._work.rglob("*") if path.is_file()]
        kept = [path for path in found if matches(path, self._work, self._params.checkpoints)]
        newest = dict.fromkeys(sorted(kept, key=lambda path: path.stat().st_mtime_ns)[-1:])
        self.hear(Seen(grown={*found, self._lines}, whole=newest))

    def _read_lines(self) -> None:
        with self._lines.open("rb") as file:
            file.seek(self._offset)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        for line in whole.splitlines():
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                self._ctx.log("a line of the script cannot be read", line=line[:200].decode("utf-8", "replace"))

    def _take(self, line: dict[str, Any]) -> None:
        if line["k"] == "metric":
            self._report(int(line["step"]), {str(name): float(value) for name, value in line["values"].items()})
        elif line["k"] == "progress":
            self._ctx.progress(float(line["done"]), line["of"], unit=str(line["unit"])[:40])
        elif line["k"] == "checkpoint":
            path = Path(line["path"])
            if matches(path, self._work, ("**/*",)):
                self.checkpoints.take(path, step=max(0, int(line["step"])), best=bool(line["best"]))

    def _report(self, step: int, values: dict[str, float]) -> None:
        self._ctx.report(step, values)
        self._step = max(self._step, step)
        self.values |= values
        for name, value in values.items():
            if self._params.stop_on_nan and "loss" in name.lower() and not math.isfinite(value):
                raise FloatingPointError(f"{name[:80]} is not a finite number at step {step}")


def _attend(ctx: RunContext, script: subprocess.Popen[bytes], tree: Tree, listener: Listener) -> int:
    """Listen until the script is gone, and pass on the request to stop; its exit code. It is gone when this returns or raises."""
    ended = os.pidfd_open(script.pid)
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    try:
        with selectors.DefaultSelector() as selector:
            for source in (ended, ours, tree):
                selector.register(source, selectors.EVENT_READ)
            asked = False
            while True:
                if ctx.should_stop() and not asked:
                    asked = True
                    script.terminate()
                ready = {key.fileobj for key, _ in selector.select()}
                if ours in ready:
                    ours.recv(4096)
                if tree in ready:
                    listener.hear(tree.look())
                if ended in ready:
                    return script.wait()
    finally:
        script.kill()
        script.wait()
        signal.set_wakeup_fd(before)
        os.close(ended)
        ours.close()
        theirs.close()


def _lay_out(checkpoint: Path, target: Path) -> Path:
    """Put a checkpoint where the script looks for it; where it is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(checkpoint, target)
    return target


def _written(stderr: Path, before: int) -> str:
    """The end of what the script wrote to stderr."""
    try:
        with stderr.open("rb") as file:
            file.seek(max(before, file.seek(0, os.SEEK_END) - _TAIL))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _answer(ctx: RunContext, params: ScriptParams, launch: Launch, listener: Listener, *, resumed: bool) -> Done:
    kept = save_results(ctx, launch.folder, params.results)
    script = next((Path(word) for word in launch.argv if word.endswith(".py")), None)
    about = {
        "argv": list(launch.argv),
        "environment": dict(params.environment),
        "script_sha256": hashlib.sha256(script.read_bytes()).hexdigest() if script and script.is_file() else None,
    }
    ctx.save("script.json", "config", lambda part: _write(part, json.dumps(about, indent=2)))
    metrics = {name: value for name, value in listener.values.items() if math.isfinite(value)}
    return Done(metrics=metrics, result={**about, "results": kept, "resumed": resumed})


def _write(path: Path, text: str) -> None:
    path.write_text(text)
