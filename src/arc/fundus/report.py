"""fundus.report: what was trained and what it is worth, as one HTML file that needs no network.

Everything shown was measured by `fundus.evaluate` or printed by the training; nothing is computed anew but the
choice of words. The verdict looks at the lower bound of the interval, not at the estimate. The last section
says what the report does not show. No photograph of the dataset is read: the pictures come with the evaluation.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from arc.core.errors import BadData
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.fundus import report_classes, report_masks
from arc.fundus.evaluate import summary
from arc.fundus.spec import ReportParams
from arc.kit import report
from arc.kit.report import Code, Facts, Report, Section, Table, Text

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
            made = _of_classes(params, config, explanation, common)
    except (KeyError, TypeError, ValueError) as error:
        raise BadData(f"the inputs do not fit together: {type(error).__name__} {error}", field="evaluation") from error
    ctx.save("report.html", "report", lambda path: report.write(path, made))
    return Done(result={"report": "report.html", "verdict": made.verdict})


def _of_classes(params: ReportParams, config: Mapping[str, Any], explanation: Mapping[str, Any], common: Mapping[str, Any]) -> Report:
    """The report of a classifier (`arc.fundus.report_classes`)."""
    dataset, evaluation = common["dataset"], common["evaluation"]
    return report_classes.compose(
        params.title,
        explanation=explanation,
        how=_how(params, config, dataset, evaluation),
        footer=_footer(config, dataset, evaluation),
        **common,
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
    return [_dataset(dataset, evaluation), _configuration(config), _repeat(params, config)]


def _repeat(params: ReportParams, config: Mapping[str, Any]) -> Section:
    """The command that repeats the training, with the file it reads; equal parameters, inputs, seed and threads give an equal curve on a CPU."""
    begun = config.get("began_with") or {}
    inputs = {"dataset": config["dataset"]["ref"]} | {one["input"]: f"artifact:{one['digest']}" for one in config.get("members", ())}
    if begun and config["params"].get("weights") != "hub":
        inputs["weights"] = begun["source"]
    file = {"recipe": config["recipe"], "params": config["params"], "inputs": inputs, "seed": config["seed"], "threads": config["threads"]}
    if config["simulated"]:  # repeated from this file it must not become a result
        file["dummy_mode"] = True
    blocks = [
        Code("arc run --config config.yaml", "Repeats the training, in the workspace that has its inputs"),
        Code(
            yaml.safe_dump(file, sort_keys=True, allow_unicode=True).rstrip(),
            "config.yaml, as it also lies in the folder config of the experiment",
        ),
    ]
    if params.command:
        blocks.insert(0, Code(params.command, "Repeats all of it, this page too"))
    return Section("Repeat it", blocks)


def _footer(config: Mapping[str, Any], dataset: Mapping[str, Any], evaluation: Mapping[str, Any]) -> list[str]:
    return [f"model {str(evaluation['model']['digest'])[:12]}", f"dataset {str(dataset.get('digest'))[:12]}", f"seed {config['seed']}"]


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
