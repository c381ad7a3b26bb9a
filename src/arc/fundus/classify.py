"""fundus.classify: train a classifier of glaucoma on fundus photographs.

Sees the splits train and val of a dataset, never the sealed one. The best epoch by validation AUC is kept,
and on validation too the operating threshold is chosen. What it prints about itself is for watching; the
result is what `fundus.evaluate` measures on sealed patients.

Leaves model.safetensors, history.json and config.json. Not covered: pretrained weights.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.data.names import CLASSES
from arc.fundus import pictures
from arc.fundus.augment import AugmentedBatches
from arc.fundus.losses import loss_of
from arc.fundus.networks import build, standardised
from arc.fundus.predict import RECIPE, ModelCard, probabilities
from arc.fundus.spec import CLASSIFY, ClassifyParams
from arc.kit import checkpoint, device, loop, optim
from arc.kit.loader import TensorBatches
from arc.kit.metrics import OperatingPoint, choose_threshold
from arc.kit.sampler import Order, balanced_weights
from arc.kit.schedule import Schedule
from arc.kit.seeding import derive, seed_all
from arc.kit.spec import LoopSettings
from arc.stats import auc

MODEL = "model.safetensors"
MONITOR = "val_auc"
_EVAL_BATCH = 64


def run(ctx: RunContext, params: ClassifyParams) -> Done:
    """Train, choose the threshold, leave the model; errors as `arc.kit.loop.fit` and `arc.fundus.pictures.load` raise them."""
    if ctx.simulated:
        params = params.model_copy(update={"epochs": min(params.epochs, 1), "input_size": min(params.input_size, 32)})
    where = device.pick(ctx.device)
    seed_all(ctx.seed)
    network = build(params.model, dropout=params.dropout, size=params.input_size, tiny=ctx.simulated).to(where)
    train, val = _splits(ctx, params)
    result = _fit(ctx, params, network, train, val, where)
    scores = probabilities(network, val.images_NCHW, device=where, batch_size=_EVAL_BATCH).tolist()
    point = choose_threshold(val.labels_N.tolist(), scores)
    _leave(ctx, params, network, point, _history(result, point), _config(ctx, params, network, where, train, val))
    best = result.history[(result.best_epoch or result.epochs) - 1]
    metrics = {name: best[name] for name in ("train_loss", "val_loss", MONITOR)}
    metrics |= {"epochs": result.epochs, "best_epoch": result.best_epoch}
    answer = {"model": MODEL, "threshold": point.threshold, "stopped_early": result.stopped_early, "train_s": round(result.train_s, 3)}
    return Done(metrics=metrics, result=metrics | answer)


def _splits(ctx: RunContext, params: ClassifyParams) -> tuple[pictures.Pictures, pictures.Pictures]:
    """Train and val in memory."""
    ctx.phase("load")
    splits = ctx.input("dataset").splits
    loaded = {}
    for name in ("train", "val"):
        loaded[name] = pictures.load(Path(splits[name]), params.input_size, tell=lambda done, of: ctx.progress(done, of, unit="photograph"))
    return loaded["train"], loaded["val"]


def _fit(
    ctx: RunContext, params: ClassifyParams, network: nn.Module, train: pictures.Pictures, val: pictures.Pictures, where: torch.device
) -> loop.FitResult:
    labels = train.labels_N.tolist()
    weights = balanced_weights(labels) if params.weighted_sampling else None
    order = Order(len(train), seed=ctx.seed, weights=weights)
    plain = TensorBatches(
        (train.images_NCHW, train.labels_N), order=order, batch_size=params.batch_size, drop_last=len(train) >= params.batch_size
    )
    batches = AugmentedBatches(plain, seed=derive(ctx.seed, "augment"), augment=params.augment)
    steps = params.epochs * len(batches)

    def loss(network: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        images, classes = batch
        return loss_of(params.loss, network(standardised(images, where)), classes, gamma=params.focal_gamma)

    def judge(network: nn.Module) -> Mapping[str, float | None]:
        return _judged(network, val, where)

    return loop.fit(
        ctx,
        model=network,
        optimizer=optim.build(network, name=params.optimizer, lr=params.lr, weight_decay=params.weight_decay),
        loss_fn=loss,
        batches=batches,
        settings=LoopSettings(epochs=params.epochs, monitor=MONITOR, direction="max", patience=params.patience, clip_norm=params.clip_norm),
        schedule=Schedule("cosine", total_steps=steps, warmup_steps=math.ceil(params.warmup_share * steps)),
        evaluate=judge,
    )


def _judged(network: nn.Module, val: pictures.Pictures, where: torch.device) -> dict[str, float | None]:
    """Cross-entropy and AUC on validation."""
    scores = probabilities(network, val.images_NCHW, device=where, batch_size=_EVAL_BATCH).double()
    truth = val.labels_N.double()
    likely = torch.where(truth > 0, scores, 1 - scores).clamp_min(1e-7)
    area = auc(val.labels_N.tolist(), scores.tolist())
    return {"val_loss": float(-likely.log().mean()), MONITOR: area if math.isfinite(area) else None}


def _leave(
    ctx: RunContext,
    params: ClassifyParams,
    network: nn.Module,
    point: OperatingPoint,
    history: Mapping[str, Any],
    config: Mapping[str, Any],
) -> None:
    """The three artifacts."""
    card = ModelCard(
        recipe=RECIPE,
        model=params.model,
        input_size=params.input_size,
        classes=list(CLASSES),
        threshold=point.threshold,
        tiny=ctx.simulated,
        seed=ctx.seed,
        dataset_digest=ctx.input("dataset").digest,
    )
    meta = card.model_dump() | {"params": params.model_dump(), "recipe_version": CLASSIFY.version}
    ctx.save(MODEL, "model", lambda path: checkpoint.save_model(path, network, meta))
    for name, kind, content in (("history.json", "result", history), ("config.json", "config", config)):
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        ctx.save(name, kind, lambda path, text=text: _write(path, text))  # type: ignore[misc]


def _history(result: loop.FitResult, point: OperatingPoint) -> dict[str, Any]:
    return {
        "epochs": result.history,
        "best_epoch": result.best_epoch,
        "best_value": result.best_value,
        "monitor": MONITOR,
        "stopped_early": result.stopped_early,
        "steps": result.steps,
        "operating_point": point.as_dict(),
    }


def _config(
    ctx: RunContext, params: ClassifyParams, network: nn.Module, where: torch.device, train: pictures.Pictures, val: pictures.Pictures
) -> dict[str, Any]:
    """All that it takes to repeat the training."""
    dataset = ctx.input("dataset")
    return {
        "recipe": RECIPE,
        "recipe_version": CLASSIFY.version,
        "params": params.model_dump(),
        "seed": ctx.seed,
        "threads": ctx.threads,
        "device": device.describe(where),
        "dataset": {"ref": dataset.ref, "digest": dataset.digest, "train": len(train), "val": len(val), **dataset.info},
        "classes": list(CLASSES),
        "weights": sum(parameter.numel() for parameter in network.parameters()),
        "simulated": ctx.simulated,
    }


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
