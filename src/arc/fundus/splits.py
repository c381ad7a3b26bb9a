"""Splits: the photographs that train a classifier and those that judge its epochs, checked before time is spent.

By default they are the splits of the dataset. With folds its patients of train and val are cut anew, for cross-validation:
those with glaucoma first, then the others, are dealt out one by one in an order that their names alone decide. So a
patient is in one fold, the folds hold the classes in like shares, and every seed sees the same folds. Sealed patients take no part.
"""

import hashlib
from pathlib import Path

import torch

from arc.core.errors import BadData, InvalidSpec
from arc.core.ports import RunContext
from arc.data.manifest import Row
from arc.data.names import CLASSES
from arc.fundus import pictures
from arc.fundus.classify_spec import ClassifyParams
from arc.fundus.pictures import Pictures


def load(ctx: RunContext, params: ClassifyParams) -> tuple[Pictures, Pictures]:
    """Train and val in memory; BadData for a split without both classes, InvalidSpec for a batch larger than train."""
    ctx.phase("load")
    found = ctx.input("dataset").splits
    train, val = (
        pictures.load(Path(found[name]), params.input_size, tell=lambda done, of: ctx.progress(done, of, unit="photograph"))
        for name in ("train", "val")
    )
    if params.folds:
        train, val = cut(train, val, folds=params.folds, fold=params.fold)
    for name, split in (("train", train), ("val", val)):
        present = sorted(set(split.labels_N.tolist()))
        if present != list(range(len(CLASSES))):
            only = ", ".join(CLASSES[index] if index in range(len(CLASSES)) else "no class" for index in present)
            raise BadData(f"the split {name} holds {only} alone; a classifier needs {' and '.join(CLASSES)} there", field="dataset")
    if params.batch_size is not None and params.batch_size > len(train) and not ctx.simulated:
        raise InvalidSpec(
            f"batch_size {params.batch_size} is more than the {len(train)} photographs to train on",
            field="params.batch_size",
            value=params.batch_size,
        )
    return train, val


def cut(train: Pictures, val: Pictures, *, folds: int, fold: int) -> tuple[Pictures, Pictures]:
    """All photographs but those of a fold, and those of the fold; InvalidSpec when there are fewer patients than folds."""
    rows = (*train.rows, *val.rows)
    place = folds_of(rows, folds)
    images, labels = torch.cat([train.images_NCHW, val.images_NCHW]), torch.cat([train.labels_N, val.labels_N])

    def taken(inside: bool) -> Pictures:
        chosen = [at for at, row in enumerate(rows) if (place[row.patient] == fold) is inside]
        return Pictures(images[chosen], labels[chosen], tuple(rows[at] for at in chosen))

    return taken(False), taken(True)


def folds_of(rows: tuple[Row, ...], folds: int) -> dict[str, int]:
    """The fold of each patient."""
    worst: dict[str, int] = {}
    for row in rows:
        worst[row.patient] = max(worst.get(row.patient, row.index), row.index)
    if len(worst) < folds:
        raise InvalidSpec(f"{len(worst)} patients cannot be cut into {folds} folds", field="params.folds", value=folds)
    order = sorted(worst, key=lambda patient: (-worst[patient], hashlib.sha256(patient.encode()).digest()))
    return {patient: number % folds for number, patient in enumerate(order)}
