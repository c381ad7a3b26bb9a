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
from arc.data import manifest
from arc.data.manifest import Row
from arc.data.names import CLASSES
from arc.fundus import pictures
from arc.fundus.classify_spec import ClassifyParams
from arc.fundus.focus import Focus
from arc.fundus.pictures import Pictures


def load(ctx: RunContext, params: ClassifyParams, *, focus: Focus | None = None) -> tuple[Pictures, Pictures]:
    """Train and val in memory, as a classifier with that focus sees them.

    BadData for a split without both classes, InvalidSpec for a batch larger than train. Both manifests are looked at before the first photograph is.
    """
    ctx.phase("load")
    found = ctx.input("dataset").splits
    csvs = [Path(found[name]) for name in ("train", "val")]
    rows = [tuple(manifest.read(csv)) for csv in csvs]
    _check(params if not ctx.simulated else params.model_copy(update={"batch_size": None}), *rows)

    def tell(done: int, of: int) -> None:
        ctx.progress(done, of, unit="photograph")

    train, val = (pictures.load(csv, params.input_size, focus=focus, tell=tell) for csv in csvs)
    return cut(train, val, folds=params.folds, fold=params.fold) if params.folds else (train, val)


def _check(params: ClassifyParams, train: tuple[Row, ...], val: tuple[Row, ...]) -> None:
    """What `load` refuses, from the rows alone."""
    if params.folds:
        place = folds_of((*train, *val), params.folds)
        both = (*train, *val)
        train = tuple(row for row in both if place[row.patient] != params.fold)
        val = tuple(row for row in both if place[row.patient] == params.fold)
    for name, rows in (("train", train), ("val", val)):
        present = sorted({row.index for row in rows})
        if present != list(range(len(CLASSES))):
            only = ", ".join(CLASSES[index] if index in range(len(CLASSES)) else "no class" for index in present)
            held = f"{only} alone" if only else "no photograph"
            raise BadData(f"the split {name} holds {held}; a classifier needs {' and '.join(CLASSES)} there", field="dataset", value=name)
    if params.batch_size is not None and params.batch_size > len(train):
        raise InvalidSpec(
            f"batch_size {params.batch_size} is more than the {len(train)} photographs to train on",
            field="params.batch_size",
            value=params.batch_size,
        )


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
