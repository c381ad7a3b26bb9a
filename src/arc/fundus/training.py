"""Training: how every training of this tenant goes, and what it leaves: the model, its history, and all that it takes to repeat it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import BaseModel
from torch import nn

from arc.core.ports import RunContext
from arc.core.recipe import RecipeSpec
from arc.fundus.classify_spec import ClassifyParams
from arc.fundus.segment_spec import SegmentParams
from arc.kit import checkpoint, device, loop
from arc.kit.documents import save_json
from arc.kit.schedule import Schedule
from arc.kit.spec import LoopSettings

MODEL = "model.safetensors"

Params = ClassifyParams | SegmentParams


def settings(params: Params, *, monitor: str, restore_best: bool = True) -> LoopSettings:
    """How the loop goes; `monitor` is the validation measure of which more is better."""
    return LoopSettings(
        epochs=params.epochs,
        monitor=monitor,
        direction="max",
        patience=params.patience,
        clip_norm=params.clip_norm,
        accumulate=params.accumulate,
        ema_decay=params.ema_decay,
        precision=params.precision,
        restore_best=restore_best,
    )


def schedule(params: Params, steps_per_epoch: int) -> Schedule:
    """How the learning rate goes over all steps; a plateau is one of the monitored measure."""
    steps = params.epochs * steps_per_epoch
    return Schedule(
        params.schedule,
        total_steps=steps,
        warmup_steps=math.ceil(params.warmup_share * steps),
        factor=params.schedule_factor,
        patience=params.schedule_epochs,
        every_steps=params.schedule_epochs * steps_per_epoch,
        direction="max",
    )


def leave(
    ctx: RunContext, network: nn.Module, meta: Mapping[str, Any], *, history: Mapping[str, Any], config: Mapping[str, Any]
) -> None:  # fmt: skip
    """The three artifacts: model.safetensors with `meta` in its header, history.json and config.json."""
    ctx.save(MODEL, "model", lambda path: checkpoint.save_model(path, network, dict(meta)))
    save_json(ctx, "history.json", "result", history)
    save_json(ctx, "config.json", "config", config)


def history_of(result: loop.FitResult, *, monitor: str) -> dict[str, Any]:
    """How the training went, epoch by epoch."""
    return {
        "epochs": result.history,
        "best_epoch": result.best_epoch,
        "best_value": result.best_value,
        "monitor": monitor,
        "stopped_early": result.stopped_early,
        "steps": result.steps,
    }


def config_of(
    ctx: RunContext, spec: RecipeSpec, params: BaseModel, network: nn.Module, where: torch.device, *, sizes: tuple[int, int], classes: Sequence[str]
) -> dict[str, Any]:  # fmt: skip
    """All that it takes to repeat the training; `sizes` are the photographs of train and val."""
    dataset = ctx.input("dataset")
    return {
        "recipe": spec.name,
        "recipe_version": spec.version,
        "params": params.model_dump(),
        "seed": ctx.seed,
        "threads": ctx.threads,
        "device": device.describe(where),
        "dataset": {"ref": dataset.ref, "digest": dataset.digest, "train": sizes[0], "val": sizes[1], **dataset.info},
        "classes": list(classes),
        "weights": sum(parameter.numel() for parameter in network.parameters()),
        "simulated": ctx.simulated,
    }
