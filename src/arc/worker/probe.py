"""probe.faults, the run side: every fault that a training can meet, at the epoch it is told.

Its loss is a formula, so that a run that was killed and resumed can be compared with one that was not. A
checkpoint is JSON, padded to the size wanted.
"""

import builtins
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import NoReturn

from arc.core import errors
from arc.core.clock import SystemClock, unix
from arc.core.errors import BrokenCheckpoint, Cancelled, InvalidSpec
from arc.core.ports import RunContext
from arc.core.recipe import Cancel, Done, Outcome, Retry
from arc.worker.probe_spec import FaultParams, Faults

_MB = 1 << 20
_SLICE_S = 0.02  # how long it does not notice that it should stop


def run(ctx: RunContext, params: FaultParams) -> Outcome:
    """Run the epochs that are left; Done with the last loss."""
    told = params.faults
    acts = told.attempts is None or ctx.attempt <= told.attempts
    faults = told if acts else Faults(epochs=told.epochs, epoch_s=told.epoch_s, ckpt_mb=told.ckpt_mb)
    first = _resumed(ctx)
    ballast = b"\1" * (faults.alloc_mb * _MB >> ctx.shrink)
    _prepare(ctx, faults)
    ctx.phase("train")
    late = 0  # epochs since it was asked to stop
    for epoch in range(first + 1, faults.epochs + 1):
        _pass_time(ctx, faults)
        _break(ctx, faults, epoch)
        _record(ctx, params, faults, epoch)
        late += ctx.should_stop()
        if ctx.should_stop() and not faults.ignore_sigterm and late > faults.write_after_lease:
            raise Cancelled
    return _answer(ctx, faults, first, len(ballast))


def loss(epoch: int) -> float:
    """The loss after an epoch."""
    return 1.0 / (1.0 + epoch)


def _resumed(ctx: RunContext) -> int:
    path = ctx.resume()
    try:
        return int(json.loads(path.read_text())["epoch"]) if path else 0
    except (ValueError, KeyError) as error:
        raise BrokenCheckpoint(f"the checkpoint cannot be loaded: {error}", field="checkpoint") from error


def _prepare(ctx: RunContext, faults: Faults) -> None:
    print("probe: stdout")  # noqa: T201 - what a recipe prints is part of what is probed
    ctx.log("probe begins", attempt=ctx.attempt)
    if faults.ignore_sigterm and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if faults.grandchild_setsid:
        command = "sleep 100000 >/dev/null 2>&1 & echo $!"
        made = subprocess.run(["sh", "-c", command], start_new_session=True, stdout=subprocess.PIPE, check=True, text=True)
        ctx.report(0, {"grandchild_pid": int(made.stdout)})


def _pass_time(ctx: RunContext, faults: Faults) -> None:
    end = time.perf_counter() + faults.epoch_s
    while (left := end - time.perf_counter()) > 0:
        if ctx.should_stop() and not faults.ignore_sigterm:
            return
        time.sleep(min(left, _SLICE_S))


def _break(ctx: RunContext, faults: Faults, epoch: int) -> None:
    if epoch == faults.signal_at:
        os.kill(os.getpid(), faults.signal)
    if epoch == faults.crash_at:
        _crash(faults)
    if epoch == faults.nan_at:
        ctx.report(epoch, {"loss": float("nan")})
        raise FloatingPointError(f"the loss is not a number at epoch {epoch}")
    if epoch == faults.hang_at:
        _hang(ctx)


def _hang(ctx: RunContext) -> NoReturn:
    asked = False
    while True:
        time.sleep(_SLICE_S)
        if ctx.should_stop() and not asked:
            asked = True
            ctx.log("asked to stop, and hanging")


def _crash(faults: Faults) -> NoReturn:
    if faults.exit_code is not None:
        os._exit(faults.exit_code)
    found = getattr(errors, faults.error, None) or getattr(builtins, faults.error, None)
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        raise InvalidSpec(f"there is no error {faults.error!r}", field="params.faults.error")
    raise found(faults.message)


def _record(ctx: RunContext, params: FaultParams, faults: Faults, epoch: int) -> None:
    if params.ledger:
        _note(ctx, epoch)
    ctx.report(epoch, {"loss": loss(epoch)})
    ctx.progress(epoch, faults.epochs, unit="epoch", values={"loss": loss(epoch)})
    state = b"torn" if epoch == faults.ckpt_broken_at else json.dumps({"epoch": epoch}).encode()
    ctx.checkpoint(epoch, lambda path: _write(path, state.ljust(int(faults.ckpt_mb * _MB))), best=True)


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _note(ctx: RunContext, epoch: int) -> None:
    home = ctx.folder("probe").parent.parent.parent
    line = f"{unix(SystemClock().now()):.6f} {ctx.job_id} {ctx.attempt} {ctx.attempt} {epoch} {os.getpid()}\n"
    descriptor = os.open(home / "ledger.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def _answer(ctx: RunContext, faults: Faults, first: int, allocated: int) -> Outcome:
    if faults.answer == "retry":
        return Retry(0.0, "told to ask for a retry")
    if faults.answer == "cancel":
        return Cancel("told to cancel")
    result = {"resumed_from": first, "attempt": ctx.attempt, "allocated": allocated}
    ctx.save("probe.json", "result", lambda path: _write(path, json.dumps(result).encode()))
    return Done(metrics={"loss": loss(faults.epochs), "epochs": faults.epochs}, result=result)
