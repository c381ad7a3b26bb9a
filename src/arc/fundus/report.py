"""fundus.report: what was trained and what it is worth, as one HTML file that needs no network.

Everything shown was measured by `fundus.evaluate` or printed by the training; nothing is computed anew but the
choice of words. The verdict looks at the lower bound of the interval, not at the estimate. The last section
says what the report does not show. No photograph of the dataset is read: the pictures come with the evaluation.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from arc.core.errors import BadData
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.fundus import explain_page, findings, report_masks
from arc.fundus.evaluate import summary
from arc.fundus.spec import ReportParams
from arc.kit import figures, report
from arc.kit.report import Code, Facts, Figure, ImageGrid, Number, Report, Section, Table, Text, Tile

_KINDS = {
    "right": ("Right, and sure of it", "good"),
    "wrong": ("Wrong, and sure of it", "bad"),
    "uncertain": ("Nearest to the threshold", "plain"),
}
_NUMBERS = (
    ("auc", "AUC"),
    ("accuracy", "accuracy"),
    ("sensitivity", "sensitivity"),
    ("specificity", "specificity"),
    ("precision", "precision"),
    ("f1", "F1"),
)
_DATASET = (
    ("dataset", "name"),
    ("source", "source"),
    ("licence", "licence"),
    ("layout", "layout found"),
    ("split_rule", "split"),
    ("digest", "digest"),
)


def run(ctx: RunContext, params: ReportParams) -> Done:
    """Write report.html; BadData when an input is not what its recipe leaves."""
    ctx.phase("report")
    history, config, evaluation = (_object(ctx, name) for name in ("history", "config", "evaluation"))
    samples = _object(ctx, "samples") if ctx.optional("samples") is not None else {}
    explanation = _object(ctx, "explanation") if ctx.optional("explanation") is not None else {}
    dataset = summary(Path(ctx.input("dataset").path))
    common = {"history": history, "evaluation": evaluation, "samples": samples, "dataset": dataset}
    try:
        if evaluation.get("task") == "segmentation":
            if explanation:
                raise BadData("an explanation is of a classifier, and a segmenter was judged", field="explanation")
            made = _of_masks(ctx, params, config, common)
        else:
            made = compose(params, config=config, explanation=explanation, **common)
    except (KeyError, TypeError, ValueError) as error:
        raise BadData(f"the inputs do not fit together: {type(error).__name__} {error}", field="evaluation") from error
    ctx.save("report.html", "report", lambda path: report.write(path, made))
    return Done(result={"report": "report.html", "verdict": made.verdict})


def compose(
    params: ReportParams,
    *,
    history: Mapping[str, Any],
    config: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    samples: Mapping[str, Any],
    dataset: Mapping[str, Any],
    explanation: Mapping[str, Any],
) -> Report:
    """The report as a value, from what the other recipes left; BadData for the explanation of another model."""
    verdict, tone = findings.verdict(evaluation)
    metrics = evaluation["metrics"]
    numbers = [
        Number(label, metrics[name]["value"], metrics[name]["low"], metrics[name]["high"], metrics[name]["note"])
        for name, label in _NUMBERS
    ]
    sections = [_judgement(evaluation), _pictures(samples), *_explanation(explanation, evaluation)]
    sections += [_training(history), *_how(params, config, dataset, evaluation)]
    return Report(
        title=params.title,
        verdict=verdict,
        tone=tone,
        subtitle=findings.subtitle(evaluation),
        numbers=numbers,
        sections=[section for section in sections if section.blocks],
        not_shown=[*(explain_page.not_shown(explanation) if explanation else []), *findings.not_shown(evaluation, dataset)],
        footer=_footer(config, dataset, evaluation),
    )


def _of_masks(ctx: RunContext, params: ReportParams, config: Mapping[str, Any], common: Mapping[str, Any]) -> Report:
    """The report of a segmenter (`arc.fundus.report_masks`)."""
    dataset, evaluation = common["dataset"], common["evaluation"]
    return report_masks.compose(
        report_masks.TITLE if params.title == ReportParams().title else params.title,
        predictions=Path(ctx.input("predictions").path).read_text(encoding="utf-8"),
        how=_how(params, config, dataset, evaluation),
        footer=_footer(config, dataset, evaluation),
        **common,
    )


def _how(params: ReportParams, config: Mapping[str, Any], dataset: Mapping[str, Any], evaluation: Mapping[str, Any]) -> list[Section]:
    """The dataset, the configuration, and the command that repeats it."""
    repeat = [Section("Repeat it", [Code(params.command)])] if params.command else []
    return [_dataset(dataset, evaluation), _configuration(config), *repeat]


def _footer(config: Mapping[str, Any], dataset: Mapping[str, Any], evaluation: Mapping[str, Any]) -> list[str]:
    return [f"model {str(evaluation['model']['digest'])[:12]}", f"dataset {str(dataset.get('digest'))[:12]}", f"seed {config['seed']}"]


def _judgement(evaluation: Mapping[str, Any]) -> Section:
    """ROC, confusion, calibration and the table of every number."""
    roc, metrics = evaluation["roc"], evaluation["metrics"]
    (tn, fp), (fn, tp) = evaluation["confusion"]
    area = metrics["auc"]
    known = None not in (area["value"], area["low"], area["high"])
    at = (fp / (fp + tn), tp / (tp + fn), "threshold") if fp + tn and tp + fn else None
    drawn = figures.roc(roc["fpr"], roc["tpr"], name="roc", auc=(area["value"], area["low"], area["high"]) if known else None, point=at)
    bins = [found for found in evaluation["calibration"] if found["observed"]["n"]]
    calibration = figures.calibration(
        [found["predicted"] for found in bins],
        [found["observed"]["value"] for found in bins],
        low=[found["observed"]["low"] for found in bins],
        high=[found["observed"]["high"] for found in bins],
        counts=[found["observed"]["n"] for found in bins],
        name="calibration",
    )
    rows = [
        (name, found["value"], found["low"], found["high"], found["n"], found["method"] + (f"; {found['note']}" if found["note"] else ""))
        for name, found in metrics.items()
    ]
    per_site = [(site, found["value"], found["low"], found["high"], found["n"]) for site, found in evaluation["per_site"].items()]
    share = f"{100 * evaluation['confidence']:g} %"
    blocks: list[report.Block] = [
        Figure(drawn, "ROC", f"{evaluation['n']} photographs; interval {share}"),
        Figure(
            figures.confusion([[tn, fp], [fn, tp]], ["normal", "glaucoma"], name="confusion"),
            "Confusion",
            f"at the threshold {evaluation['threshold']:.3f} ({evaluation['threshold_from']})",
        ),
        Figure(calibration, "Calibration", "does what is called 80 % likely come true in 80 of 100?"),
        Table(["measure", "value", "low", "high", "n", "interval by"], rows, f"Every number with its {share} interval"),
    ]
    if per_site:
        blocks.append(Table(["site", "AUC", "low", "high", "photographs"], per_site, "AUC within each site"))
    return Section("How good it is", blocks, "Measured again from the weights, on patients that the training never saw.")


def _pictures(samples: Mapping[str, Any]) -> Section:
    grids = [ImageGrid([_tile(sample) for sample in samples[kind]], title) for kind, (title, _) in _KINDS.items() if samples.get(kind)]
    return Section("What it looked at", grids, "p is the probability of glaucoma that the model gave.")


def _tile(sample: Mapping[str, Any]) -> Tile:
    right = sample["called"] == sample["label"]
    caption = f"{sample['label']}, p = {sample['probability']:.2f}"
    return Tile(
        base64.b64decode(sample["jpeg"]),
        caption,
        alt=f"fundus photograph, {caption}, called {sample['called']}",
        tone="good" if right else "bad",
    )


def _explanation(explanation: Mapping[str, Any], evaluation: Mapping[str, Any]) -> list[Section]:
    """Maps and DRI, where an explanation was given."""
    if not explanation:
        return []
    if explanation["model"]["digest"] != evaluation["model"]["digest"]:
        raise BadData("the explanation is of another model than the evaluation", field="explanation")
    found = explain_page.section(explanation)
    said, _ = explain_page.verdict(explanation)
    return [Section(found.title, [Text(said), *found.blocks], found.intro)]


def _training(history: Mapping[str, Any]) -> Section:
    if "members" in history:
        return _joined(history["members"])
    epochs: Sequence[Mapping[str, Any]] = history["epochs"]
    at = [row["epoch"] for row in epochs]
    best = (history["best_epoch"], "kept") if history["best_epoch"] else None

    def line(name: str, label: str) -> figures.Curve:
        return figures.Curve(label, at, [row.get(name) for row in epochs])

    losses = figures.curves(
        [line("train_loss", "training"), line("val_loss", "validation")], x_label="epoch", y_label="loss", name="loss", mark=best
    )
    areas = figures.curves([line("val_auc", "validation")], x_label="epoch", y_label="AUC", name="auc", mark=best)
    early = " It stopped early." if history["stopped_early"] else ""
    return Section(
        "How it was trained",
        [Figure(losses, "Loss"), Figure(areas, "AUC on validation")],
        f"{len(epochs)} epochs, {history['steps']} steps; the weights of epoch {history['best_epoch']} were kept.{early}",
    )


def _joined(members: Sequence[Mapping[str, Any]]) -> Section:
    """What stands for the curves where several trained models were joined."""
    rows = [(one["seed"], one["val_auc"], one["val_loss"], one["temperature"], one["threshold"], one["digest"][:12]) for one in members]
    return Section(
        "How it was trained",
        [Table(["seed", "AUC on validation", "loss there", "temperature", "threshold", "model"], rows, "Each member alone")],
        f"{len(rows)} trained models answer as one, with the mean of their probabilities.",
    )


def _dataset(dataset: Mapping[str, Any], evaluation: Mapping[str, Any]) -> Section:
    if not dataset:
        return Section("The dataset", [Facts(list(evaluation["dataset"].items()))])
    rows = [
        (name, dataset["patients"][name], *dataset["counts"][name].values())
        for name in ("train", "val", "sealed")
        if name in dataset["counts"]
    ]
    facts = [(label, str(dataset.get(name) or "not stated")) for name, label in _DATASET]
    blocks: list[report.Block] = [
        Table(["split", "patients", *dataset["classes"]], rows, "Photographs by class"),
        Table(["about", ""], facts, "Where it comes from"),
    ]
    if dataset["warnings"]:
        blocks.append(Text("Found while unpacking: " + "; ".join(dataset["warnings"]) + "."))
    return Section("The dataset", blocks)


def _configuration(config: Mapping[str, Any]) -> Section:
    facts = [*_plain(config["params"]), ("seed", config["seed"]), ("threads", config["threads"]), ("weights", config["weights"])]
    device = " ".join(str(value) for value in config["device"].values())
    return Section("Configuration", [Facts([*facts, ("device", device), ("recipe", f"{config['recipe']} {config['recipe_version']}")])])


def _plain(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Parameters a line each; of a policy each effect that ever happens has a line of its own."""
    lines: list[tuple[str, Any]] = []
    for name, value in params.items():
        effects = {key: inner for key, inner in value.items() if isinstance(inner, dict)} if isinstance(value, dict) else {}
        if not effects:
            lines.append((name, value))
        for key, effect in effects.items():
            if effect.get("probability"):
                lines.append((f"{name}: {key}", ", ".join(f"{word} {number:g}" for word, number in effect.items())))
    return lines


def _object(ctx: RunContext, name: str) -> dict[str, Any]:
    """A JSON object that another recipe left."""
    try:
        content = json.loads(Path(ctx.input(name).path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadData(f"the input {name} is not JSON: {error}", field=name) from None
    if not isinstance(content, dict):
        raise BadData(f"the input {name} is not a JSON object", field=name)
    return content
