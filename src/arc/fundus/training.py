"""Training: what every training of this tenant leaves: the model, how it went, and all that it takes to repeat it."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import BaseModel
from torch import nn

from arc.core.ports import RunContext
from arc.core.recipe import RecipeSpec
from arc.kit import checkpoint, device, loop
from arc.kit.documents import save_json

MODEL = "model.safetensors"


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
