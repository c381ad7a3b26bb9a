"""The part of fundus.report that shows a classifier: how good it is, for whom, where it was wrong, and where it looks.

Everything shown was measured by `fundus.evaluate` or printed by the training. Called by `arc.fundus.report`, which adds what both
kinds of model share. An evaluation of an older version has no decision curve, subgroups, temperature or card: those parts are left out.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

from arc.core.errors import BadData
from arc.fundus import explain_page, findings
from arc.kit import figures
from arc.kit.report import Block, Figure, ImageGrid, Number, Report, Section, Table, Text, Tile

_KINDS: Final = {
    "wrong": "Its worst mistakes: wrong, and sure of it",
    "uncertain": "Nearest to the threshold",
    "right": "Right, and sure of it",
}
_NUMBERS: Final = {
    "auc": "AUC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "accuracy": "accuracy",
    "average_precision": "average precision",
    "f1": "F1",
    "brier": "Brier score",
    "calibration_error": "calibration error",
}
_WORDS: Final = {
    "auc": "AUC",
    "auc_delong": "AUC, every photograph on its own",
    "f1": "F1",
    "brier": "Brier score",
    "log_loss": "log loss, nats",
    "sensitivity_at_specificity_85": "sensitivity at specificity .85, off the curve",
    "sensitivity_at_specificity_95": "sensitivity at specificity .95, off the curve",
    "sensitivity_at_val_specificity_85": "sensitivity at the threshold for .85",
    "specificity_at_val_specificity_85": "specificity at the threshold for .85",
    "sensitivity_at_val_specificity_95": "sensitivity at the threshold for .95",
    "specificity_at_val_specificity_95": "specificity at the threshold for .95",
}
_SAME: Final = "recall"  # of sensitivity


def compose(
    title: str,
    *,
    history: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    samples: Mapping[str, Any],
    dataset: Mapping[str, Any],
    explanation: Mapping[str, Any],
    how: Sequence[Section],
    footer: Sequence[str],
) -> Report:
    """The report as a value; `how` are the sections on how it was made, which stand last. BadData for the explanation of another model."""
    verdict, tone = findings.verdict(evaluation)
    metrics = evaluation["metrics"]
    numbers = [
        Number(label, metrics[name]["value"], metrics[name]["low"], metrics[name]["high"], metrics[name]["note"])
        for name, label in _NUMBERS.items()
        if name in metrics
    ]
    sections = [_judgement(evaluation), _all_numbers(evaluation), _for_whom(evaluation), _pictures(samples)]
    sections += [*_explanation(explanation, evaluation), _training(history), *how]
    said = evaluation["card"]["not_shown"] if "card" in evaluation else findings.not_shown(evaluation, dataset)
    return Report(
        title=title,
        verdict=verdict,
        tone=tone,
        subtitle=findings.subtitle(evaluation),
        numbers=numbers,
        sections=[section for section in sections if section.blocks],
        not_shown=[*(explain_page.not_shown(explanation) if explanation else []), *said],
        footer=footer,
    )


def _judgement(evaluation: Mapping[str, Any]) -> Section:
    """ROC, confusion, reliability and decision curve."""
    roc, area = evaluation["roc"], evaluation["metrics"]["auc"]
    (tn, fp), (fn, tp) = evaluation["confusion"]
    known = None not in (area["value"], area["low"], area["high"])
    at = (fp / (fp + tn), tp / (tp + fn), "threshold") if fp + tn and tp + fn else None
    drawn = figures.roc(roc["fpr"], roc["tpr"], name="roc", auc=(area["value"], area["low"], area["high"]) if known else None, point=at)
    share = f"{100 * evaluation['confidence']:g} %"
    blocks: list[Block] = [
        Figure(drawn, "ROC", f"{evaluation['n']} photographs; interval {share}"),
        Figure(
            figures.confusion([[tn, fp], [fn, tp]], ["normal", "glaucoma"], name="confusion"),
            "Confusion",
            f"at the threshold {evaluation['threshold']:.3f} ({evaluation['threshold_from']})",
        ),
        Figure(_reliability(evaluation), "Reliability", "Does what is called 80 % likely come true in 80 of 100? " + _heat(evaluation)),
    ]
    curve = evaluation.get("decision_curve")
    if curve and curve[0]["value"] is not None:
        blocks.append(
            Figure(_decision(curve, evaluation["threshold"]), "Decision curve", f"{_DECISION} Shaded: {share} at each threshold.")
        )
    return Section("How good it is", blocks, "Computed from the stored predictions, on patients that the training never saw.")


_DECISION: Final = "Better than calling everyone or no one where its line is the highest; a threshold of .2 says that missing one weighs four false alarms."


def _reliability(evaluation: Mapping[str, Any]) -> figures.Svg:
    bins = [found for found in evaluation["calibration"] if found["observed"]["n"]]
    earlier = [found for found in evaluation.get("temperature", {}).get("calibration_before", ()) if found["observed"]["n"]]
    return figures.calibration(
        [found["predicted"] for found in bins],
        [found["observed"]["value"] for found in bins],
        low=[found["observed"]["low"] for found in bins],
        high=[found["observed"]["high"] for found in bins],
        counts=[found["observed"]["n"] for found in bins],
        before=([found["predicted"] for found in earlier], [found["observed"]["value"] for found in earlier]) if earlier else None,
        name="calibration",
    )


def _heat(evaluation: Mapping[str, Any]) -> str:
    """The temperature in a sentence."""
    heat = evaluation.get("temperature", {})
    if "before" not in heat:
        return "No temperature was fitted."
    before, after = (heat[name]["calibration_error"]["value"] for name in ("before", "after"))
    return f"Temperature {heat['value']:.2f}, fitted on validation: calibration error {before:.3f} before, {after:.3f} after."


def _decision(curve: Sequence[Mapping[str, Any]], threshold: float) -> figures.Svg:
    """Where nothing is called positive in any draw there is no interval, and the band is as thin as the line."""
    value = [point["value"] for point in curve]
    low, high = ([point["value"] if point[side] is None else point[side] for point in curve] for side in ("low", "high"))
    at, everyone = [point["threshold"] for point in curve], [point["everyone"] for point in curve]
    return figures.decision_curve(at, value, everyone, low=low, high=high, mark=threshold, name="decision")


def _all_numbers(evaluation: Mapping[str, Any]) -> Section:
    rows = [
        (_WORDS.get(name, name.replace("_", " ")), found["value"], found["low"], found["high"], found["n"], _by(found))
        for name, found in evaluation["metrics"].items()
        if name != _SAME
    ]
    heat = evaluation.get("temperature", {})
    blocks: list[Block] = [
        Table(["measure", "value", "low", "high", "n", "interval by"], rows, f"Each with its {100 * evaluation['confidence']:g} % interval")
    ]
    if "before" in heat:
        scaled = [
            (_WORDS.get(name, name.replace("_", " ")), _with_interval(heat["before"][name]), _with_interval(found))
            for name, found in heat["after"].items()
        ]
        blocks.append(Table(["measure", "before", "after"], scaled, f"Before and after dividing the logits by {heat['value']:.3f}"))
    intro = (
        "Off the curve: what some threshold gives on these very photographs. At a threshold: what the one chosen on validation gives here."
    )
    return Section("Every number", blocks, intro)


def _by(found: Mapping[str, Any]) -> str:
    return found["method"] + (f"; {found['note']}" if found["note"] else "")


def _for_whom(evaluation: Mapping[str, Any]) -> Section:
    """Within each site and eye, and who was judged at all."""
    rows = [
        (column, value, row["n"], row["positives"], *(_with_interval(row["metrics"][name]) for name in ("auc", "sensitivity", "specificity")))
        for column, values in evaluation.get("subgroups", {}).items()
        for value, row in values.items()
    ]  # fmt: skip
    blocks: list[Block] = []
    if rows:
        blocks.append(
            Table(["by", "group", "photographs", "with glaucoma", "AUC", "sensitivity", "specificity"], rows, "Within each group")
        )
    if "card" in evaluation:
        blocks.append(Table(["who", ""], _card(evaluation["card"]), "Who was judged"))
    return Section("Evaluation card: for whom", blocks, "No number here says anything of what was not among these photographs.")


def _card(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    judged = card["judged_on"]

    def counted(name: str) -> str:
        return ", ".join(f"{value} {count}" for value, count in judged[name].items())

    return [
        ("photographs", str(judged["photographs"])),
        ("patients", "not known" if judged["patients"] is None else str(judged["patients"])),
        ("classes", counted("classes")),
        ("sites", counted("site")),
        ("eyes", counted("eye")),
        ("sites that were not judged", ", ".join(card["not_judged"]["site"]) or "none known"),
        ("not recorded", ", ".join(card["not_recorded"])),
    ]


def _with_interval(found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return "not available"
    return f"{found['value']:.3f}" if found["low"] is None else f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def _pictures(samples: Mapping[str, Any]) -> Section:
    grids = [ImageGrid([_tile(sample) for sample in samples[kind]], title) for kind, title in _KINDS.items() if samples.get(kind)]
    return Section(
        "What it looked at", grids, "The true class, and p, the probability of glaucoma that the model gave. Outlined: called wrongly."
    )


def _tile(sample: Mapping[str, Any]) -> Tile:
    right = sample["called"] == sample["label"]
    caption = f"{sample['label']}, p = {sample['probability']:.2f}"
    return Tile(
        base64.b64decode(sample["jpeg"]),
        caption,
        alt=f"fundus photograph {sample['file']}, {caption}, called {sample['called']}",
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
    rates = figures.curves([line("lr", "learning rate")], x_label="epoch", y_label="learning rate", name="lr")
    early = " It stopped early." if history["stopped_early"] else ""
    return Section(
        "How it was trained",
        [Figure(losses, "Loss"), Figure(areas, "AUC on validation"), Figure(rates, "Learning rate")],
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
