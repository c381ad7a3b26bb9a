"""The training loop: one function that trains, reports, stops, checkpoints and resumes exactly.

A *step* is one move of the optimiser, made from `accumulate` batches; steps count from 1 in reports. A
checkpoint is taken between steps only, so that no gradient has to be kept. After each epoch the model is
evaluated (with the running mean of its weights, when one is kept), the best weights are kept, and early stopping
and the schedule are told.

Exact resume: on a CPU with the same thread count the curve of an interrupted run equals that of an
uninterrupted one to the last digit, wherever it was interrupted (`tests/numerics/test_exact_resume.py`).
What it needs of the caller: `seed_all` before the model is built, batches that can start anywhere
(`arc.kit.loader`), and hooks that do the same when they are called again for the same epoch.

Called by recipes; talks to the rest of the house through `RunContext` alone.
Not covered: several processes training one model, and the order of additions on a GPU.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from arc.core.errors import BadData, BrokenCheckpoint, Cancelled, InvalidSpec, OutOfMemory
from arc.core.ports import RunContext
from arc.kit import checkpoint, seeding
from arc.kit.device import to_device
from arc.kit.early_stopping import EarlyStopping
from arc.kit.ema import Ema
from arc.kit.loader import Batches
from arc.kit.losses import LossWatch, check_weights, constants
from arc.kit.pieces import grouped, shares
from arc.kit.precision import Precision, choose
from arc.kit.progress import ProgressReporter
from arc.kit.schedule import Schedule
from arc.kit.spec import LoopSettings
from arc.kit.state import TrainState

LossFunction = Callable[[nn.Module, Any], torch.Tensor]  # (model, batch on its device) -> scalar, a mean over the batch
Evaluate = Callable[[nn.Module], Mapping[str, float | None]]
_GPU_WATCH_STEPS = 20


@dataclass(frozen=True)
class FitResult:
    """What a training came to; the model itself holds the weights."""

    epochs: int  # finished
    steps: int
    history: list[dict[str, float | int | None]]  # one row an epoch: epoch, step, lr, train_loss and what evaluate said
    best_epoch: int | None  # from 1; None when the monitored metric was never a number
    best_value: float | None
    stopped_early: bool
    resumed_from: int | None  # the step it went on from
    train_s: float  # in this attempt


@dataclass
class _Run:
    """The parts of one call of `fit`."""

    ctx: RunContext
    settings: LoopSettings
    state: TrainState
    batches: Batches
    loss_fn: LossFunction
    evaluate: Evaluate | None
    before_epoch: Callable[[int], None] | None
    on_step: Callable[[int], None] | None
    device: torch.device
    precision: Precision
    progress: ProgressReporter
    constants: frozenset[str]  # buffers that may hold infinity
    saved_at: float  # of time.perf_counter
    saved_step: int | None = None  # in this attempt


def fit(
    ctx: RunContext,
    *,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_fn: LossFunction,
    batches: Batches,
    settings: LoopSettings,
    schedule: Schedule | None = None,
    evaluate: Evaluate | None = None,
    before_epoch: Callable[[int], None] | None = None,
    on_step: Callable[[int], None] | None = None,
) -> FitResult:
    """Train the model where it lies, from the newest checkpoint of the context when there is one.

    `evaluate(model)` runs after each epoch in evaluation mode without gradients, in the precision of the training;
    `before_epoch(epoch)` (from 0) may freeze or free layers; `on_step(step)` is called after each step.
    Raises NotFinite (a loss or weight is no number), Cancelled (asked to stop; a checkpoint was written first),
    OutOfMemory, InvalidSpec (no such metric), BrokenCheckpoint (it cannot be loaded), BadData (it is of other data).
    """
    device = next(model.parameters()).device
    precision = choose(settings.precision, device)
    every = settings.watch_every_steps or (1 if device.type == "cpu" else _GPU_WATCH_STEPS)
    state = TrainState(
        model=model,
        optimizer=optimizer,
        schedule=schedule or Schedule(),
        scaler=precision.scaler(),
        stopping=EarlyStopping(direction=settings.direction, patience=settings.patience, min_delta=settings.min_delta),
        losses=LossWatch(ctx.report, every=every, report_every=settings.report_every_steps),
        data=batches.fingerprint,
        ema=Ema(model, decay=settings.ema_decay) if settings.ema_decay else None,
    )
    unlearned = constants(model)
    rng = _resume(ctx, state)
    first = state.position.step
    steps_per_epoch = -(-len(batches) // settings.accumulate)
    progress = ProgressReporter(ctx, epochs=settings.epochs, steps_per_epoch=steps_per_epoch, step=first)
    run = _Run(
        ctx, settings, state, batches, loss_fn, evaluate, before_epoch, on_step, device, precision, progress,
        constants=unlearned, saved_at=progress.began,
    )  # fmt: skip
    try:
        _train(run, rng)
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(f"the GPU had not enough memory: {error}", field="batch_size") from None
    return _finish(run, resumed_from=first if rng else None)


def _resume(ctx: RunContext, state: TrainState) -> dict[str, Any] | None:
    """Restore the newest checkpoint; returns the state of the random generators, to be set at the right moment."""
    path = ctx.resume()
    if path is None:
        return None
    try:
        saved = checkpoint.load(path)
        state.restore(saved)
    except BadData as error:
        if error.field == "data":  # it is sound, and no older one would fit better
            raise
        raise BrokenCheckpoint(f"the checkpoint {path.name} cannot be loaded: {error.message}", field="checkpoint") from error
    ctx.log("training goes on", step=state.position.step, epoch=state.position.epoch, batch=state.position.batch)
    rng: dict[str, Any] = saved["rng"]
    return rng


def _train(run: _Run, rng: dict[str, Any] | None) -> None:
    run.ctx.phase("train")
    position = run.state.position
    while position.epoch < run.settings.epochs and not run.state.stopping.stopped:
        _train_epoch(run, rng)
        rng = None
        _end_epoch(run)


def _train_epoch(run: _Run, rng: dict[str, Any] | None) -> None:
    """The steps of an epoch that are still to do."""
    state, position, settings = run.state, run.state.position, run.settings
    fresh = position.batch == 0
    # The generators are put back at the very moment the checkpoint was taken: before the hook at the start of an
    # epoch, after it in the middle of one, where the hook has had its turn already.
    if rng and fresh:
        seeding.restore_rng(rng)
    if fresh:
        state.losses.begin_epoch()
    state.model.train()
    if run.before_epoch:
        run.before_epoch(position.epoch)
    if rng and not fresh:
        seeding.restore_rng(rng)
    for group in grouped(run.batches.run(position.epoch, start=position.batch), settings.accumulate):
        loss, lr = _step(run, group)
        position.batch += len(group)
        position.step += 1
        if state.ema:
            state.ema.update(state.model, position.step)
        state.losses.add(position.step, loss, lr)
        if run.on_step:
            run.on_step(position.step)
        now = time.perf_counter()
        run.progress.tick(position.step, state.losses.last, now=now)
        if run.ctx.should_stop():
            _checkpoint(run)
            raise Cancelled("stop requested")
        due = settings.checkpoint_every_s and now - run.saved_at >= settings.checkpoint_every_s
        if due and position.batch < len(run.batches):  # after the last batch the end of the epoch is near
            _checkpoint(run)


def _backward(run: _Run, piece: Any, weight: float) -> torch.Tensor:
    """Add the gradients of a piece; returns its share of the loss."""
    state = run.state
    placed = piece if run.device.type == "cpu" else to_device(piece, run.device)
    with run.precision.autocast():
        loss = run.loss_fn(state.model, placed)
    share = loss if weight == 1 else loss * weight
    (state.scaler.scale(share) if state.scaler else share).backward()
    return share


def _step(run: _Run, group: list[Any]) -> tuple[torch.Tensor, float]:
    """One move of the optimiser; returns the mean loss of the group and the learning rate."""
    state, optimizer = run.state, run.state.optimizer
    if len(group) == 1 and not run.ctx.shrink:  # nearly always: nothing to add up
        loss = _backward(run, group[0], 1)
    else:
        loss = torch.stack([_backward(run, piece, weight).detach() for piece, weight in shares(group, shrink=run.ctx.shrink)]).sum()
    lr = state.schedule.apply(optimizer, state.position.step)
    if run.settings.clip_norm:
        if state.scaler:
            state.scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(state.model.parameters(), run.settings.clip_norm)
    if state.scaler:
        state.scaler.step(optimizer)
        state.scaler.update()
    else:
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss, lr


def _end_epoch(run: _Run) -> None:
    """Judge the epoch, tell those who wait for it, and keep what it gave."""
    state, position, settings = run.state, run.state.position, run.settings
    state.losses.flush()
    check_weights(state.model, but=run.constants)
    values: dict[str, float | None] = {"train_loss": state.losses.mean} | _evaluated(run)
    if settings.monitor not in values:
        known = ", ".join(sorted(values))
        raise InvalidSpec(f"there is no metric {settings.monitor!r} to monitor; there are {known}", field="monitor", value=settings.monitor)
    position.epoch += 1
    position.batch = 0
    watched = values[settings.monitor]
    improved = state.stopping.observe(watched, epoch=position.epoch)
    if improved and watched is not None:
        state.keep_best(watched, weights=settings.restore_best)
    state.schedule.observe(watched)
    _record(run, values)
    every = settings.checkpoint_every_epochs
    last = position.epoch >= settings.epochs or state.stopping.stopped
    if last or (every and position.epoch % every == 0):
        _checkpoint(run, best=improved)
    if not last and run.ctx.should_stop():
        _checkpoint(run, best=improved)
        raise Cancelled("stop requested")


def _record(run: _Run, values: Mapping[str, float | None]) -> None:
    """The epoch's row in the history, its points in the curves, and a word for people."""
    position = run.state.position
    lr = float(run.state.optimizer.param_groups[0]["lr"])
    run.state.history.append({"epoch": position.epoch, "step": position.step, "lr": lr, **values})
    numbers = {"epoch": float(position.epoch)} | {name: value for name, value in values.items() if value is not None}
    run.ctx.report(position.step, numbers)
    run.progress.say(position.step, numbers, now=time.perf_counter())


def _evaluated(run: _Run) -> dict[str, float | None]:
    if run.evaluate is None:
        return {}
    run.ctx.phase("evaluate")
    run.state.model.eval()
    averaged = run.state.ema.inside(run.state.model) if run.state.ema else nullcontext()
    with torch.no_grad(), run.precision.autocast(), averaged:
        values = run.evaluate(run.state.model)
    run.ctx.phase("train")
    return {name: None if value is None else float(value) for name, value in values.items()}


def _checkpoint(run: _Run, *, best: bool = False) -> None:
    """Write a checkpoint, unless this attempt has one of this step already."""
    state = run.state
    if state.position.step != run.saved_step:
        state.losses.flush()
        if state.position.batch:  # at the end of an epoch they have just been looked at
            check_weights(state.model, but=run.constants)
        run.ctx.checkpoint(state.position.step, lambda path: checkpoint.save(path, state.capture()), best=best)
        run.saved_step = state.position.step
    run.saved_at = time.perf_counter()


def _finish(run: _Run, *, resumed_from: int | None) -> FitResult:
    state = run.state
    if run.settings.restore_best and state.best is not None and state.best.weights:
        checkpoint.put_weights(state.model, state.best.weights)
    elif state.ema:
        checkpoint.put_weights(state.model, state.ema.weights)
    state.model.eval()
    return FitResult(
        epochs=state.position.epoch,
        steps=state.position.step,
        history=state.history,
        best_epoch=state.best.epoch if state.best else None,
        best_value=state.best.value if state.best else None,
        stopped_early=state.stopping.stopped and state.position.epoch < run.settings.epochs,
        resumed_from=resumed_from,
        train_s=time.perf_counter() - run.progress.began,
    )
