"""The part of fundus.report that shows a segmenter: how well it draws disc and cup, and where it went wrong.

Everything shown was measured by `fundus.evaluate` or printed by the training. Called by `arc.fundus.report`, which adds what
both kinds of model share: the dataset, the configuration and the command that repeats it.
"""

import base64
import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

from arc.fundus import findings
from arc.kit import figures
from arc.kit.report import Block, Figure, ImageGrid, Number, Report, Section, Table, Tile, Tone

TITLE: Final = "Segmenter of optic disc and cup"
_NUMBERS: Final = (
    ("disc_dice", "Dice of the disc"),
    ("cup_dice", "Dice of the cup"),
    ("disc_iou", "IoU of the disc"),
    ("cup_iou", "IoU of the cup"),
    ("vcdr_error", "error of the vertical ratio"),
    ("vcdr_auc", "AUC of the vertical ratio"),
)
_GOOD: Final = {"disc_dice": 0.93, "cup_dice": 0.80}  # what this house asks of a segmenter
_POOR: Final = 0.7  # a Dice below this is marked
_KINDS: Final = {"worst": "Furthest from the truth", "ordinary": "Ordinary"}


def compose(
    title: str,
    *,
    history: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    samples: Mapping[str, Any],
    predictions: str,
    dataset: Mapping[str, Any],
    how: Sequence[Section],
    footer: Sequence[str],
) -> Report:
    """The report as a value; `predictions` is the text of predictions.csv, `how` are the sections on how it was made, which stand last."""
    said, tone = verdict(evaluation)
    metrics = evaluation["metrics"]
    numbers = [
        Number(label, metrics[name]["value"], metrics[name]["low"], metrics[name]["high"], metrics[name]["note"])
        for name, label in _NUMBERS
    ]
    sections = [_judgement(evaluation, predictions), _pictures(samples), _training(history), *how]
    return Report(
        title=title,
        verdict=said,
        tone=tone,
        subtitle=findings.subtitle(evaluation),
        numbers=numbers,
        sections=[section for section in sections if section.blocks],
        not_shown=[
            "One set of outlines is taken for the truth; experts differ, most of all about the cup.",
            *findings.not_shown(evaluation, dataset),
        ],
        footer=footer,
    )


def verdict(evaluation: Mapping[str, Any]) -> tuple[str, Tone]:
    """One sentence and its tone: good only where the lower bounds of both Dice lie above what the house asks for."""
    disc, cup, ratio = (evaluation["metrics"][name] for name in ("disc_dice", "cup_dice", "vcdr_error"))
    if disc["value"] is None or cup["value"] is None:
        return "Not known: no overlap with the truth could be measured.", "plain"
    drawn = f"the Dice of the disc is {_with_interval(disc)}, that of the cup {_with_interval(cup)}"
    if ratio["value"] is not None:
        drawn += f"; the vertical ratio is off by {ratio['value']:.3f} on average"
    if evaluation.get("simulated"):
        return f"Simulated: a tiny network stood in for the model, so this says nothing [{drawn}].", "plain"
    lows = [(found["low"] if found["low"] is not None else found["value"], _GOOD[name]) for name, found in (("disc_dice", disc), ("cup_dice", cup))]  # fmt: skip
    if all(low >= asked for low, asked in lows):
        return f"It draws disc and cup well: {drawn}.", "good"
    if min(disc["value"], cup["value"]) < _POOR:
        return f"It does not draw disc and cup well: {drawn}.", "bad"
    return f"It draws disc and cup: {drawn}.", "plain"


def _with_interval(found: Mapping[str, Any]) -> str:
    value = f"{found['value']:.3f}"
    return value if found["low"] is None else f"{value} ({found['low']:.3f} to {found['high']:.3f})"


def _judgement(evaluation: Mapping[str, Any], predictions: str) -> Section:
    """The ratio found against the true one, the table of every number, and the Dice within each site."""
    rows = list(csv.DictReader(io.StringIO(predictions)))
    both = [(float(row["vcdr_truth"]), float(row["vcdr"])) for row in rows if row["vcdr_truth"] and row["vcdr"]]
    drawn = figures.agreement(*_columns(both), x_label="true ratio", y_label="ratio found", name="vcdr")
    table = [
        (name, found["value"], found["low"], found["high"], found["n"], found["method"] + (f"; {found['note']}" if found["note"] else ""))
        for name, found in evaluation["metrics"].items()
    ]
    share = f"{100 * evaluation['confidence']:g} %"
    blocks: list[Block] = [
        Figure(
            drawn,
            "Vertical ratio of cup to disc",
            f"{len(both)} of {len(rows)} photographs; a dot on the line is right, one below it too small",
        ),
        Table(["measure", "value", "low", "high", "n", "interval by"], table, f"Every number with its {share} interval"),
    ]
    if evaluation["per_site"]:
        sites = [(site, *(found[name]["value"] for name in ("disc_dice", "cup_dice", "vcdr_error")), found["disc_dice"]["n"])
                 for site, found in evaluation["per_site"].items()]  # fmt: skip
        blocks.append(
            Table(["site", "Dice of the disc", "Dice of the cup", "error of the ratio", "photographs"], sites, "Within each site")
        )
    return Section("How good it is", blocks, "Measured from the masks that were kept, on photographs that the training never saw.")


def _columns(both: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [truth for truth, _ in both], [found for _, found in both]


def _pictures(samples: Mapping[str, Any]) -> Section:
    grids = [ImageGrid([_tile(sample) for sample in samples[kind]], title) for kind, title in _KINDS.items() if samples.get(kind)]
    return Section("What it drew", grids, "White: the outlines of disc and cup in the truth. Cyan: those that were drawn.")


def _tile(sample: Mapping[str, Any]) -> Tile:
    dice = [sample["disc_dice"] or 0.0, sample["cup_dice"] or 0.0]
    found, truth = ("none" if sample[name] is None else f"{sample[name]:.2f}" for name in ("vcdr", "vcdr_truth"))
    caption = f"Dice {dice[0]:.2f} and {dice[1]:.2f}; ratio {found}, true {truth}"
    tone: Tone = "bad" if min(dice) < _POOR else "good"
    return Tile(base64.b64decode(sample["jpeg"]), caption, alt=f"fundus photograph {sample['file']}, {caption}", tone=tone)


def _training(history: Mapping[str, Any]) -> Section:
    epochs: Sequence[Mapping[str, Any]] = history["epochs"]
    at = [row["epoch"] for row in epochs]
    best = (history["best_epoch"], "kept") if history["best_epoch"] else None

    def drawn(lines: Sequence[tuple[str, str]], label: str, name: str) -> figures.Svg:
        curves = [figures.Curve(text, at, [row.get(column) for row in epochs]) for column, text in lines]
        return figures.curves(curves, x_label="epoch", y_label=label, name=name, mark=best)

    losses = drawn([("train_loss", "training"), ("val_loss", "validation")], "loss", "loss")
    dice = drawn([("val_dice_disc", "disc"), ("val_dice_cup", "cup")], "Dice", "dice")
    early = " It stopped early." if history["stopped_early"] else ""
    return Section(
        "How it was trained",
        [Figure(losses, "Loss"), Figure(dice, "Dice on validation", "over all pixels, around the true discs")],
        f"{len(epochs)} epochs, {history['steps']} steps; the weights of epoch {history['best_epoch']} were kept.{early}",
    )
