"""fundus.segment: train a segmenter of optic disc and cup on fundus photographs with masks.

Sees the splits train and val of a dataset, never the sealed one. One network learns two views of each photograph: its
whole field, and the surroundings of its disc, which is how it is used afterwards (`arc.fundus.segmenter_file`). While it
trains it is judged on both views of the validation split, around the true discs; the best epoch by their Dice is
kept, and judged in the end as it will be used: on whole photographs, around the discs that it finds itself.

Leaves model.safetensors, history.json and config.json. It may begin with the weights of another segmenter
of ours. Not covered: published weights (there are none of these networks), and masks that show the disc alone.
"""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from arc.core.errors import BadData, InvalidSpec
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.fundus import masked, training
from arc.fundus.augment import PolicyBatches
from arc.fundus.mask_measures import compare
from arc.fundus.networks import standardised
from arc.fundus.segment_losses import Loss, nested, segmentation_loss, targets
from arc.fundus.segment_spec import SEGMENT, SegmentParams
from arc.fundus.segmenter_file import RECIPE, Segmenter, SegmenterCard, load, mask_of, network_of
from arc.fundus.training import MODEL, config_of, history_of, leave
from arc.kit import checkpoint, device, loop, optim
from arc.kit.loader import TensorBatches
from arc.kit.sampler import Order
from arc.kit.seeding import derive, seed_all

MONITOR = "val_dice"
_EVAL_BATCH = 32
_USUAL_BATCH = 8
_CLASSES = ("background", "rim", "cup")
_FINAL = ("disc_dice", "cup_dice", "vcdr_error")


def run(ctx: RunContext, params: SegmentParams) -> Done:
    """Train, judge on validation, leave the model; errors as `arc.kit.loop.fit` and `arc.fundus.masked.load` raise them."""
    if ctx.simulated:
        params = params.model_copy(update={"epochs": min(params.epochs, 1), "input_size": min(params.input_size, 32)})
    _batch_fits(ctx, params)
    cv2.setNumThreads(1)  # the pictures are small: more threads would wait for one another
    where = device.pick(ctx.device)
    seed_all(ctx.seed)
    card = _card(ctx, params)
    network, begun = _begun(ctx, params, card, where)
    train, val = _splits(ctx, params)
    params = params.model_copy(update={"batch_size": params.batch_size or min(_USUAL_BATCH, len(train))})
    result = _fit(ctx, params, network, train, val, where)
    ctx.phase("evaluate")
    final = _judged_as_used(ctx, Segmenter(network, card, where))
    leave(
        ctx,
        network,
        card.model_dump() | {"params": params.model_dump(), "recipe_version": SEGMENT.version},
        history=history_of(result, monitor=MONITOR) | {"validation": final},
        config=config_of(ctx, SEGMENT, params, network, where, sizes=(len(train.rows), len(val.rows)), classes=_CLASSES)
        | {"began_with": begun},
    )
    best = result.history[(result.best_epoch or result.epochs) - 1]
    metrics = {name: best[name] for name in ("train_loss", "val_loss", MONITOR)} | {f"val_{name}": value for name, value in final.items()}
    metrics |= {"epochs": result.epochs, "best_epoch": result.best_epoch}
    answer = {"model": MODEL, "stopped_early": result.stopped_early, "train_s": round(result.train_s, 3)}
    return Done(metrics=metrics, result=metrics | answer)


def _card(ctx: RunContext, params: SegmentParams) -> SegmenterCard:
    return SegmenterCard(
        recipe=RECIPE,
        model=params.model,
        heads=params.heads,
        width=params.width,
        input_size=params.input_size,
        focus=params.focus,
        flips=params.flips,
        places=params.places,
        tiny=ctx.simulated,
        seed=ctx.seed,
        dataset_digest=ctx.input("dataset").digest,
    )


def _batch_fits(ctx: RunContext, params: SegmentParams) -> None:
    """InvalidSpec for a batch larger than the squares to train on, which the manifest tells: one or two a photograph."""
    rows = masked.rows_of(Path(ctx.input("dataset").splits["train"]))
    squares = len(rows) * (2 if params.focus else 1)
    if params.batch_size is not None and params.batch_size > squares and not ctx.simulated:
        raise InvalidSpec(
            f"batch_size {params.batch_size} is more than the {squares} squares of {len(rows)} photographs to train on",
            field="params.batch_size",
            value=params.batch_size,
        )


def _begun(ctx: RunContext, params: SegmentParams, card: SegmenterCard, where: torch.device) -> tuple[nn.Module, str | None]:
    """The network as it begins, and what it begins with when that is not chance; BadData when that is no such network."""
    network = network_of(card, dropout=params.dropout)
    given = ctx.optional("weights")
    if given is None or ctx.simulated:  # no weights are of the tiny network
        return network.to(where), None
    other = load(Path(given.path), where, field="weights")
    for name in ("model", "heads", "width"):
        theirs, ours = getattr(other.card, name), getattr(card, name)
        if theirs != ours:
            raise BadData(f"the weights in {given.ref} are of a segmenter with {name} {theirs}, not {ours}", field="weights", value=theirs)
    checkpoint.put_weights(network, other.network.state_dict())
    return network.to(where), given.ref


def _splits(ctx: RunContext, params: SegmentParams) -> tuple[masked.Squares, masked.Squares]:
    """Train and val in memory; both manifests are looked at before the first photograph is."""
    ctx.phase("load")
    manifests = [Path(ctx.input("dataset").splits[name]) for name in ("train", "val")]
    for manifest in manifests:
        masked.rows_of(manifest)

    def tell(done: int, of: int) -> None:
        ctx.progress(done, of, unit="photograph")

    train, val = (masked.load(manifest, params.input_size, focus=params.focus, tell=tell) for manifest in manifests)
    return train, val


def _fit(
    ctx: RunContext, params: SegmentParams, network: nn.Module, train: masked.Squares, val: masked.Squares, where: torch.device
) -> loop.FitResult:
    assert params.batch_size is not None
    plain = TensorBatches(
        (train.images_NCHW, train.classes_NHW),
        order=Order(len(train), seed=ctx.seed),
        batch_size=params.batch_size,
        drop_last=len(train) >= params.batch_size,
    )
    batches = PolicyBatches(plain, policy=params.augmentation, seed=derive(ctx.seed, "augment"), masks=True)
    measure = segmentation_loss(params, params.heads)

    def loss(network: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        images, classes = batch
        return measure(network(standardised(images, where)), classes.to(where))

    def judge(network: nn.Module) -> Mapping[str, float | None]:
        return _judged(network, params, measure, val, where)

    return loop.fit(
        ctx,
        model=network,
        optimizer=optim.build(network, name=params.optimizer, lr=params.lr, weight_decay=params.weight_decay, muon_kernels=True),
        loss_fn=loss,
        batches=batches,
        settings=training.settings(params, monitor=MONITOR),
        schedule=training.schedule(params, -(-len(batches) // params.accumulate)),
        evaluate=judge,
    )


def _judged(network: nn.Module, params: SegmentParams, measure: Loss, val: masked.Squares, where: torch.device) -> dict[str, float | None]:
    """The loss, and the Dice of disc and cup over all pixels of the validation squares.

    Not the mean over squares: in the whole field a cup is a handful of pixels, whose Dice is luck, and no mask is drawn from it.
    """
    loss, counts = torch.zeros((), device=where), torch.zeros(3, 2, device=where)
    for images, classes in zip(val.images_NCHW.split(_EVAL_BATCH), val.classes_NHW.split(_EVAL_BATCH), strict=True):
        logits = network(standardised(images, where)).float()
        loss += measure(logits, classes.to(where)) * len(images)
        said, truth = nested(logits, params.heads) >= 0.5, targets(classes.to(where), "binary") > 0
        counts += torch.stack([pixels.sum(dim=(0, 2, 3)) for pixels in (said & truth, said, truth)])
    hit, said_all, truth_all = counts.double()
    disc, cup = (2 * hit / (said_all + truth_all)).tolist()
    return {"val_loss": float(loss) / len(val), MONITOR: (disc + cup) / 2, "val_dice_disc": disc, "val_dice_cup": cup}


def _judged_as_used(ctx: RunContext, segmenter: Segmenter) -> dict[str, float | None]:
    """Mean Dice of disc and cup and mean error of the vertical ratio, on whole photographs of the validation split."""
    manifest = Path(ctx.input("dataset").splits["val"])
    found = [
        compare(mask_of(segmenter, photograph), truth) for photograph, truth in masked.pairs(manifest.parent, masked.rows_of(manifest))
    ]
    means = {}
    for name in _FINAL:
        values = np.array([each[name] for each in found])
        known = values[np.isfinite(values)]
        means[name] = float(known.mean()) if len(known) else None
    return means
