"""fundus.ensemble: several classifiers joined into one model file, whose probability is the mean of its members'.

Trainings that differ by their seed alone are wrong in different places; their mean is wrong less often and less surely
(Lakshminarayanan et al., NeurIPS 2017). The members are model files of fundus.classify of one kind: the same network, the same size of
picture. Each keeps its own temperature. Temperature and thresholds of the whole are chosen again, on the split val of the dataset
given, and a temperature other than 1 makes the whole more or less sure than the plain mean.

The file holds all that it needs, and whatever reads a classifier reads it: evaluation, explanation, reports.
Not covered: members of different kinds, and photographs of val that a member trained on when the dataset is not the members' own.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from arc.core.errors import BadData
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.data.names import CLASSES
from arc.fundus import pictures, splits
from arc.fundus.calibrated import calibrate
from arc.fundus.classify import MONITOR, judged
from arc.fundus.ensemble_network import RECIPE, Ensemble
from arc.fundus.ensemble_spec import ENSEMBLE, MEMBERS, EnsembleParams
from arc.fundus.pictures import Pictures
from arc.fundus.predict import RECIPE as ALONE
from arc.fundus.predict import Classifier, Member, ModelCard, load, logits, of_logits, with_finder
from arc.fundus.training import MODEL, config_of, leave
from arc.kit import device


@dataclass(frozen=True)
class Given:
    """One of the models to join."""

    name: str  # of the input
    digest: str  # SHA-256 of the file
    classifier: Classifier

    @property
    def fold(self) -> tuple[int, int]:
        """The folds of its training and the one it was judged on; (0, 0) for the dataset's own splits."""
        params = (self.classifier.card.model_extra or {}).get("params", {})
        return int(params.get("folds", 0)), int(params.get("fold", 0))


def run(ctx: RunContext, params: EnsembleParams) -> Done:
    """Join the models, choose temperature and thresholds, leave the model; BadData naming the input that does not fit the first."""
    ctx.phase("load")
    where = device.pick(ctx.device)
    given = _given(ctx, where)
    val = _val(ctx, given)
    network = Ensemble(
        [one.classifier.network for one in given], temperatures=[one.classifier.card.temperature for one in given]
    ).eval()  # fmt: skip
    ctx.phase("evaluate")
    rows = []
    for at, one in enumerate(given):
        found = logits(one.classifier.network, val.images_NCHW, device=where, batch_size=params.batch_size)
        rows.append(_told(one) | judged(val.labels_N, of_logits(found, one.classifier.card.temperature)))
        ctx.progress(at + 1, len(given), unit="model")
    found = logits(network, val.images_NCHW, device=where, batch_size=params.batch_size)
    chosen = calibrate(val.labels_N, found)
    whole = judged(val.labels_N, of_logits(found, chosen.temperature.value))
    card = _card(ctx, given, chosen.on_card())
    focus = given[0].classifier.focus
    leave(
        ctx,
        with_finder(network, focus.segmenter.network if focus else None),
        card.model_dump() | {"params": params.model_dump(), "recipe_version": ENSEMBLE.version},
        history={"epochs": [], "best_epoch": None, "stopped_early": False, "steps": 0, "monitor": MONITOR, "members": rows}
        | chosen.as_dict(),
        config=config_of(ctx, ENSEMBLE, params, network, where, sizes=(0, len(val)), classes=CLASSES) | {"members": rows},
    )
    metrics: dict[str, Any] = whole | {"members": len(given)}
    return Done(metrics=metrics, result=metrics | {"model": MODEL, "threshold": chosen.point.threshold, "alone": rows})


def _given(ctx: RunContext, where: torch.device) -> list[Given]:
    """The models of the inputs, in their order."""
    found: list[Given] = []
    for name in MEMBERS:
        resolved = ctx.optional(name)
        if resolved is None:
            continue
        path, field = Path(resolved.path), f"inputs.{name}"
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        one = Given(name, digest, load(path, where, simulated=ctx.simulated, field=field))
        if one.classifier.card.recipe != ALONE:
            raise BadData(f"{name} is an ensemble already: give its members", field=field, value=one.classifier.card.recipe)
        if ctx.simulated and not one.classifier.card.tiny:
            raise BadData(f"{name} is a real model: dummy mode would leave a model that looks measured", field=field, value="measured")
        for other in found:
            _check(one, other, field)
        found.append(one)
    return found


def _check(one: Given, other: Given, field: str) -> None:
    """BadData unless one model can answer together with another."""
    if one.digest == other.digest:
        raise BadData(f"{one.name} and {other.name} are the same file: it would count twice", field=field, value=one.digest)
    for word, of in (("network", "model"), ("side of its pictures", "input_size"), ("classes", "classes")):
        mine, theirs = getattr(one.classifier.card, of), getattr(other.classifier.card, of)
        if mine != theirs:
            raise BadData(
                f"{one.name} and {other.name} are of different kinds: {word} {mine} and {theirs}", field=field, value=str(mine)[:80]
            )
    if one.classifier.card.focus != other.classifier.card.focus:
        raise BadData(
            f"{one.name} and {other.name} look at different squares, or find the disc by different segmenters", field=field, value="focus"
        )
    if one.fold != other.fold:
        raise BadData(
            f"{one.name} and {other.name} were judged on different folds, {one.fold[1]} of {one.fold[0]} and {other.fold[1]} of "
            f"{other.fold[0]}: each trained on what the other must not have seen",
            field=field,
            value=one.fold[1],
        )


def _val(ctx: RunContext, given: list[Given]) -> Pictures:
    """The photographs that no member trained on: the split val, or the members' fold when the dataset is theirs."""
    card, (folds, fold) = given[0].classifier.card, given[0].fold
    dataset = ctx.input("dataset")

    def tell(done: int, of: int) -> None:
        ctx.progress(done, of, unit="photograph")

    focus = given[0].classifier.focus
    val = pictures.load(Path(dataset.splits["val"]), card.input_size, focus=focus, tell=tell)
    if folds and card.dataset_digest == dataset.digest:
        train = pictures.load(Path(dataset.splits["train"]), card.input_size, focus=focus, tell=tell)
        _, val = splits.cut(train, val, folds=folds, fold=fold)
    if len(set(val.labels_N.tolist())) < len(CLASSES):
        raise BadData("the split val holds one class alone: no threshold can be chosen on it", field="dataset", value="val")
    return val


def _told(one: Given) -> dict[str, Any]:
    return _member(one).model_dump() | {"input": one.name}


def _member(one: Given) -> Member:
    card = one.classifier.card
    return Member(seed=card.seed, temperature=card.temperature, threshold=card.threshold, digest=one.digest)


def _card(ctx: RunContext, given: list[Given], chosen: dict[str, Any]) -> ModelCard:
    first = given[0].classifier.card
    trained_on = {one.classifier.card.dataset_digest for one in given}
    return ModelCard(
        recipe=RECIPE,
        model=first.model,
        input_size=first.input_size,
        classes=first.classes,
        **chosen,
        focus=first.focus,
        members=tuple(_member(one) for one in given),
        tiny=first.tiny,
        seed=ctx.seed,
        dataset_digest=trained_on.pop() if len(trained_on) == 1 else None,
    )
