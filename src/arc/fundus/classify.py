"""fundus.classify: train a classifier of glaucoma on fundus photographs.

Sees the splits train and val of a dataset, never the sealed one. The best epoch by validation AUC is kept,
and on validation too the temperature is fitted and the operating thresholds are chosen. What it prints about itself is for watching; the
result is what `fundus.evaluate` measures on sealed patients.

It may begin with weights from a file or from where they were published; the result says which layers came from there. With
a segmenter it looks at the surroundings of the disc alone, and the model file carries the segmenter (`arc.fundus.focus`).

Leaves model.safetensors, history.json and config.json. Several such models join to one by `fundus.ensemble`.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from arc.core.errors import InvalidSpec
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.data.names import CLASSES
from arc.fundus import pretrained, segmenter_file, splits, training
from arc.fundus.augment import PolicyBatches
from arc.fundus.augment_spec import AugmentPolicy
from arc.fundus.calibrated import Calibrated, calibrate
from arc.fundus.classify_spec import CLASSIFY, ClassifyParams
from arc.fundus.focus import Focus
from arc.fundus.losses import loss_of
from arc.fundus.networks import backbone_of, build, freeze_backbone, standardised
from arc.fundus.pictures import Pictures
from arc.fundus.predict import RECIPE, FocusCard, ModelCard, logits, probabilities, with_finder
from arc.fundus.training import MODEL, config_of, history_of, leave
from arc.kit import device, loop, optim
from arc.kit.loader import TensorBatches
from arc.kit.sampler import Order, balanced_weights
from arc.kit.seeding import derive, seed_all
from arc.stats import auc

MONITOR = "val_auc"
_EVAL_BATCH = 64
_USUAL_BATCH = 16


def run(ctx: RunContext, params: ClassifyParams) -> Done:
    """Train, choose the threshold, leave the model; errors as `arc.kit.loop.fit`, `arc.fundus.splits.load` and `arc.fundus.pretrained` raise them."""
    if ctx.simulated:
        params = params.model_copy(update={"epochs": min(params.epochs, 1), "input_size": min(params.input_size, 32)})
    where = device.pick(ctx.device)
    seed_all(ctx.seed)
    network, loaded = _begun(ctx, params, where)
    focus = _focus(ctx, params, where)
    train, val = splits.load(ctx, params, focus=focus)
    params = params.model_copy(update={"batch_size": params.batch_size or min(_USUAL_BATCH, len(train))})
    result = _fit(ctx, params, network, train, val, where)
    found = logits(network, val.images_NCHW, device=where, batch_size=_EVAL_BATCH)
    chosen = calibrate(val.labels_N, found)
    begun = loaded.as_dict() if loaded else None
    config = config_of(ctx, CLASSIFY, params, network, where, sizes=(len(train), len(val)), classes=CLASSES)
    leave(
        ctx,
        with_finder(network, focus.segmenter.network if focus else None),
        _card(ctx, params, chosen, focus).model_dump() | {"params": params.model_dump(), "recipe_version": CLASSIFY.version},
        history=history_of(result, monitor=MONITOR) | chosen.as_dict(),
        config=config | {"began_with": begun},
    )
    kept = result.history[((params.keep == "best" and result.best_epoch) or result.epochs) - 1]
    metrics = {name: kept[name] for name in ("train_loss", "val_loss", MONITOR)}
    metrics |= {"epochs": result.epochs, "best_epoch": result.best_epoch}
    answer = {
        "model": MODEL,
        "threshold": chosen.point.threshold,
        "stopped_early": result.stopped_early,
        "train_s": round(result.train_s, 3),
    }
    answer |= {"began_with": begun}
    return Done(metrics=metrics, result=metrics | answer)


def _begun(ctx: RunContext, params: ClassifyParams, where: torch.device) -> tuple[nn.Module, pretrained.Loaded | None]:
    """The network as it begins, and what it begins with when that is not chance."""
    network = build(params.model, dropout=params.dropout, size=params.input_size, tiny=ctx.simulated)
    file, source = _weights(ctx, params)
    if file is None and params.freeze_epochs:
        raise InvalidSpec("freeze_epochs without weights would freeze chance", field="params.freeze_epochs", value=params.freeze_epochs)
    if file is None or ctx.simulated:  # no weights are of the tiny network
        return network.to(where), None
    loaded = pretrained.load(network, file, model=params.model, source=source)
    ctx.log("weights loaded", **loaded.as_dict())
    return network.to(where), loaded


def _weights(ctx: RunContext, params: ClassifyParams) -> tuple[Path | None, str]:
    """The file of weights to begin with, and what it is called; none by default."""
    given = ctx.optional("weights")
    if given is None:
        return (pretrained.from_hub(params.model), pretrained.HUB[params.model]) if params.weights == "hub" else (None, "")
    if params.weights == "hub":
        raise InvalidSpec("weights=hub and a file as the input weights: one of them", field="params.weights", value="hub")
    return Path(given.path), given.ref


def _focus(ctx: RunContext, params: ClassifyParams, where: torch.device) -> Focus | None:
    """What finds the disc, if a segmenter was given."""
    given = ctx.optional("segmenter")
    return Focus(segmenter_file.load(Path(given.path), where, simulated=ctx.simulated, field="segmenter"), params.focus) if given else None


def _fit(
    ctx: RunContext, params: ClassifyParams, network: nn.Module, train: Pictures, val: Pictures, where: torch.device
) -> loop.FitResult:
    assert params.batch_size is not None
    plain = TensorBatches(
        (train.images_NCHW, train.labels_N),
        order=Order(len(train), seed=ctx.seed, weights=sampling(params, train)),
        batch_size=params.batch_size,
        drop_last=len(train) >= params.batch_size,
    )
    policy = params.augmentation if params.augment else AugmentPolicy()
    batches = PolicyBatches(plain, policy=policy, seed=derive(ctx.seed, "augment"))

    def loss(network: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        images, classes = batch
        return loss_of(params, network(standardised(images, where)), classes)

    def judge(network: nn.Module) -> Mapping[str, float | None]:
        return judged(val.labels_N, probabilities(network, val.images_NCHW, device=where, batch_size=_EVAL_BATCH))

    def freeze(epoch: int) -> None:
        freeze_backbone(network, epoch < params.freeze_epochs)

    return loop.fit(
        ctx,
        model=network,
        optimizer=optim.build(
            network,
            name=params.optimizer,
            lr=params.lr,
            weight_decay=params.weight_decay,
            backbone=backbone_of(network),
            backbone_lr_factor=params.backbone_lr_factor,
        ),
        loss_fn=loss,
        batches=batches,
        settings=training.settings(params, monitor=MONITOR, restore_best=params.keep == "best"),
        schedule=training.schedule(params, -(-len(batches) // params.accumulate)),
        evaluate=judge,
        before_epoch=freeze if params.freeze_epochs else None,
    )


def sampling(params: ClassifyParams, train: Pictures) -> NDArray[np.float64] | None:
    """How often each photograph is drawn; None for once an epoch."""
    sites = [row.site for row in train.rows] if params.balanced_sites else None
    if params.weighted_sampling:
        return balanced_weights(train.labels_N.tolist(), within=sites)
    return balanced_weights(sites) if sites else None


def judged(labels_N: torch.Tensor, scores_N: torch.Tensor) -> dict[str, float | None]:
    """Cross-entropy and AUC of probabilities of the illness, by their names as metrics; without an AUC where one class is missing."""
    scores, truth = scores_N.double(), labels_N.double()
    likely = torch.where(truth > 0, scores, 1 - scores).clamp_min(1e-7)
    area = auc(labels_N.tolist(), scores.tolist())
    return {"val_loss": float(-likely.log().mean()), MONITOR: area if math.isfinite(area) else None}


def _card(ctx: RunContext, params: ClassifyParams, chosen: Calibrated, focus: Focus | None) -> ModelCard:
    return ModelCard(
        recipe=RECIPE,
        model=params.model,
        input_size=params.input_size,
        classes=list(CLASSES),
        **chosen.on_card(),
        focus=FocusCard(heights=focus.heights, segmenter=focus.segmenter.card) if focus else None,
        tiny=ctx.simulated,
        seed=ctx.seed,
        dataset_digest=ctx.input("dataset").digest,
    )
