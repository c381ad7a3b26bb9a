"""fundus.evaluate: what a classifier or a segmenter is worth on patients it has never seen.

Loads the weights from the model's file and looks at every photograph again; nothing that the training printed
is taken over. The file says what it holds, and so which of the two is judged; a segmenter is for
`arc.fundus.evaluate_masks`. The threshold of a classifier is the model's own, chosen on validation, unless another is
given. The predictions are written down first and every number is computed from what was written (`arc.fundus.stored`).
The only recipe that reads a sealed split: each such run is a line in the ledger of the dataset.

Leaves evaluation.json, predictions.csv, samples.json, and of a segmenter masks.zip. Not covered: whether the dataset is right.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arc.core.errors import BadData, InvalidSpec
from arc.core.inputs import ResolvedInput
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.data.manifest import read as rows_of
from arc.data.names import CLASSES
from arc.fundus import card, evaluate_masks, findings, measures, pictures, samples, segmenter_file, stored
from arc.fundus.predict import CLASSIFIERS, ModelCard, load, logits, of_logits
from arc.fundus.segmenter_file import SegmenterCard
from arc.fundus.spec import EVALUATE, EvaluateParams
from arc.kit import device
from arc.kit.documents import save_json, save_text

_TASKS = {**dict.fromkeys(CLASSIFIERS, "classification"), segmenter_file.RECIPE: "segmentation"}


def run(ctx: RunContext, params: EvaluateParams) -> Done:
    """Judge the model; BadData when model, dataset and split do not fit together."""
    ctx.phase("load")
    made_by = segmenter_file.recipe_of(Path(ctx.input("model").path))
    if params.task and made_by in _TASKS and _TASKS[made_by] != params.task:
        raise BadData(f"the model was made by {made_by}, which is for {_TASKS[made_by]}, not for {params.task}", field="model")
    return _of_masks(ctx, params) if made_by == segmenter_file.RECIPE else _of_classes(ctx, params)


def _of_masks(ctx: RunContext, params: EvaluateParams) -> Done:
    if params.threshold is not None:
        raise InvalidSpec("a segmenter has no threshold to be judged at", field="threshold", value=params.threshold)
    model, dataset = ctx.input("model"), ctx.input("dataset")
    segmenter = segmenter_file.load(Path(model.path), device.pick(ctx.device), simulated=ctx.simulated)
    known = bool(summary(Path(dataset.path)).get("patients_known", True))
    manifest = _manifest(dataset, params.split)
    found = evaluate_masks.judge(ctx, segmenter, manifest, patients_known=known, confidence=params.confidence, samples=params.samples)
    evaluation = _head(ctx, params, segmenter.card, model, dataset, known) | found
    save_json(ctx, "evaluation.json", "result", evaluation)
    return Done(metrics=measures.flat(found["metrics"]) | {"n": found["n"]}, result=evaluation)


def _of_classes(ctx: RunContext, params: EvaluateParams) -> Done:
    model, dataset = ctx.input("model"), ctx.input("dataset")
    classifier = load(Path(model.path), device.pick(ctx.device), simulated=ctx.simulated)
    if classifier.card.classes != list(CLASSES):
        raise BadData(f"the model tells {classifier.card.classes} apart, the dataset {list(CLASSES)}", field="model")
    manifest = _manifest(dataset, params.split)

    def tell(done: int, of: int) -> None:
        ctx.progress(done, of, unit="photograph")

    split = pictures.load(manifest, classifier.card.input_size, focus=classifier.focus, tell=tell)
    ctx.phase("evaluate")
    own = classifier.card
    found = logits(classifier.network, split.images_NCHW, device=classifier.device, batch_size=params.batch_size)
    scores, unscaled = of_logits(found, own.temperature).tolist(), of_logits(found, 1.0).tolist()
    about = summary(Path(dataset.path))
    known = bool(about.get("patients_known", True))
    threshold = own.threshold if params.threshold is None else params.threshold
    told = _head(ctx, params, own, model, dataset, known) | _points(ctx, params, own, threshold)
    predictions = stored.table(split.rows, scores, unscaled, threshold=threshold)
    judged = stored.read(predictions, patients_known=known)
    evaluation = told | stored.measured(judged, told)
    facts = card.facts(judged, evaluation, sites_elsewhere=_sites(dataset))
    facts["not_shown"] = findings.not_shown(evaluation | {"card": facts}, about)
    evaluation["card"] = facts
    shown = samples.collect(manifest.parent, split.rows, judged, threshold=threshold, each=params.samples)
    save_json(ctx, "evaluation.json", "result", evaluation)
    save_text(ctx, "predictions.csv", "predictions", predictions)
    save_text(ctx, "samples.json", "figure", json.dumps(shown, allow_nan=False) + "\n")
    return Done(metrics=measures.flat(evaluation["metrics"]) | {"n": evaluation["n"]}, result=evaluation)


def _points(ctx: RunContext, params: EvaluateParams, own: ModelCard, threshold: float) -> dict[str, Any]:
    """What the numbers depend on beside the predictions."""
    return {
        "threshold": threshold,
        "threshold_from": "the model: chosen on validation" if params.threshold is None else "the request",
        "operating_points": own.points,
        "temperature": {
            "value": own.temperature,
            "from": "none was fitted" if own.temperature == 1 else "the model: fitted on validation",
        },
        "confidence": params.confidence,
        "seed": ctx.seed,
    }


def _sites(dataset: ResolvedInput) -> set[str]:
    """The sites of the split val, by which the training chose; nothing where it was not given."""
    return {row.site or "unknown" for row in rows_of(Path(dataset.splits["val"]))} if "val" in dataset.splits else set()


def _manifest(dataset: ResolvedInput, split: str) -> Path:
    try:
        return Path(dataset.splits[split])
    except KeyError:
        given = ", ".join(sorted(dataset.splits)) or "none"
        raise BadData(f"the dataset was given without its split {split} (given: {given})", field="dataset") from None


def _head(
    ctx: RunContext,
    params: EvaluateParams,
    card: ModelCard | SegmenterCard,
    model: ResolvedInput,
    dataset: ResolvedInput,
    known: bool,
) -> dict[str, Any]:
    """What was judged on what."""
    return {
        "recipe": EVALUATE.name,
        "recipe_version": EVALUATE.version,
        "split": params.split,
        "model": {"digest": model.digest, "name": card.model, "input_size": card.input_size, "seed": card.seed},
        "dataset": {"ref": dataset.ref, "digest": dataset.digest, **dataset.info},
        "trained_on_this_dataset": None if None in (card.dataset_digest, dataset.digest) else card.dataset_digest == dataset.digest,
        "patients_known": known,
        "simulated": ctx.simulated or card.tiny,
    }


def summary(folder: Path) -> Mapping[str, Any]:
    """dataset.json of a dataset; empty when there is none."""
    try:
        content = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
