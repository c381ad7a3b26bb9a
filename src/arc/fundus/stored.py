"""Stored predictions: predictions.csv, and every figure of an evaluation computed from it.

`fundus.evaluate` writes the table first and measures what it reads back, so that whoever measures the same file again (`again`)
gets the same digits, without the model, the photographs or a GPU. All else that it takes (threshold, points, confidence, seed)
stands in evaluation.json. On another machine a sum may differ in its last digit.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from arc.core.errors import BadData
from arc.data.manifest import Row
from arc.data.names import CLASSES
from arc.fundus import card, measures
from arc.fundus.measures import Judged

COLUMNS: Final = ("file", "patient", "eye", "site", "label", "class", "probability", "called", "probability_unscaled")


def table(rows: Sequence[Row], scores: Sequence[float], unscaled: Sequence[float], *, threshold: float) -> str:
    """predictions.csv: a row a photograph; `unscaled` are the probabilities before the temperature."""
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    for row, score, before in zip(rows, scores, unscaled, strict=True):
        file, label, index, patient, eye, site, *_ = row.cells()
        lines.writerow([file, patient, eye, site, label, index, repr(score), CLASSES[int(score >= threshold)], repr(before)])
    return text.getvalue()


def read(text: str, *, patients_known: bool) -> list[Judged]:
    """What a predictions.csv says; BadData when it is none. One without probability_unscaled is read too."""
    lines = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    missing = sorted(set(COLUMNS[:-1]) - set(lines.fieldnames or ()))
    if missing:
        raise BadData(f"the predictions have no column {', '.join(missing)}", field="predictions")
    try:
        return [_judged(cells, patients_known=patients_known) for cells in lines]
    except (csv.Error, TypeError, ValueError) as error:
        raise BadData(f"line {lines.line_num} of the predictions cannot be read: {error}", field="predictions") from None


def measured(judged: Sequence[Judged], told: Mapping[str, Any]) -> dict[str, Any]:
    """All that is computed of an evaluation, from what it was told: threshold, confidence, seed, operating_points, temperature, split and who
    was judged. BadData for probabilities that are none."""
    options = {"confidence": told["confidence"], "seed": told["seed"]}
    found = measures.measure(judged, threshold=told["threshold"], points=told["operating_points"], **options)
    heat = {"value": told["temperature"]["value"], "from": told["temperature"]["from"]}
    if heat["value"] != 1:
        heat |= measures.scaling(judged, **options)
    return found | {"temperature": heat}


def again(text: str, evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """The evaluation, with everything that can be computed computed from the predictions once more; BadData as `read` raises it."""
    judged = read(text, patients_known=evaluation["patients_known"])
    found = dict(evaluation) | measured(judged, evaluation)
    facts = card.facts(judged, found, sites_elsewhere=evaluation["card"]["not_judged"]["site"])
    return found | {"card": facts | {"not_shown": evaluation["card"]["not_shown"]}}


def _judged(cells: Mapping[str, str], *, patients_known: bool) -> Judged:
    before = cells.get("probability_unscaled")
    found = Judged(
        label=int(cells["class"]),
        probability=float(cells["probability"]),
        patient=cells["patient"] if patients_known else None,
        site=cells["site"],
        eye=cells["eye"],
        unscaled=float(before) if before else None,
    )
    if not math.isfinite(found.probability) or found.label not in (0, 1):
        raise ValueError(f"class {found.label} and probability {found.probability} of {cells['file'][:80]!r} mean nothing")
    return found
