"""The part of fundus.evaluate that judges a segmenter: its masks beside the true ones, for disc and cup.

The masks are drawn first and kept as PNG in masks.zip, at the size of each photograph; every number is then computed from
what was kept. So whoever evaluates the archive again gets the same digits. Each photograph counts the same;
intervals draw whole patients anew where patients are known.

What is not defined for a photograph (an overlap with nothing, a distance to a cup that was not found) takes no part in the
mean of that measure; `n` says how many did, and `disc_found` and `cup_found` how often there was anything.
Leaves evaluation.json, predictions.csv, samples.json and masks.zip. Not covered: disagreement between experts.
"""

import csv
import io
import json
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from arc.core.errors import BadData, Cancelled
from arc.core.ports import RunContext
from arc.data.manifest import Row
from arc.fundus import mask_measures, mask_samples, masked
from arc.fundus.segmenter_file import Segmenter, mask_of
from arc.kit.documents import save_text
from arc.stats import Interval, auc, bootstrap

MASKS: Final = "masks.zip"
MEASURED: Final = tuple(name for name in mask_measures.NAMES if name not in ("vcdr", "vcdr_truth"))
FOUND: Final = ("disc_found", "cup_found")
COLUMNS: Final = ("file", "patient", "eye", "site", "label", "class", "mask", *FOUND, *mask_measures.NAMES)
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)  # the earliest a ZIP can say: no time of ours gets in

Measured = Mapping[str, float]


@dataclass(frozen=True)
class _Options:
    confidence: float
    seed: int

    def bootstrap(self, statistic: Callable[..., float], *columns: Sequence[float], patients: Sequence[str] | None) -> dict[str, Any]:
        """The interval as a dict; a value that never varied has no interval, because that is no certainty."""
        several = patients is not None and len(set(patients)) < len(patients)
        found = bootstrap(statistic, *columns, groups=patients if several else None, confidence=self.confidence, seed=self.seed)
        if found.low is not None and found.low == found.high:
            found = Interval(found.value, None, None, found.n, found.confidence, "every draw says the same: no interval")
        method = "none" if found.low is None else "bootstrap by patient" if several else "bootstrap"
        return found.as_dict() | {"method": method}


def judge(
    ctx: RunContext, segmenter: Segmenter, manifest: Path, *, patients_known: bool, confidence: float, samples: int = 0
) -> dict[str, Any]:  # fmt: skip
    """Draw, keep and measure the masks of a split; what goes into evaluation.json. BadData as `arc.fundus.masked` raises it.

    Of each kind of photograph that a report shows, `samples` are kept.
    """
    rows = masked.rows_of(manifest)
    cv2.setNumThreads(1)
    archive = ctx.save(MASKS, "predictions", lambda path: _draw(ctx, segmenter, manifest.parent, rows, path))
    found = measured(archive, manifest)
    save_text(ctx, "predictions.csv", "predictions", table(rows, found))
    shown = mask_samples.choose(found, each=samples)
    drawn = _drawn(archive, rows, [at for places in shown.values() for at in places])
    save_text(
        ctx, "samples.json", "figure", json.dumps(mask_samples.collect(manifest.parent, rows, found, drawn, shown), allow_nan=False) + "\n"
    )
    return summary(rows, found, patients_known=patients_known, confidence=confidence, seed=ctx.seed)


def measured(archive: Path, manifest: Path) -> list[dict[str, float]]:
    """The measures of each photograph of a manifest, from an archive of masks that was kept; BadData when one is missing or does not fit."""
    rows = masked.rows_of(manifest)
    found = []
    with zipfile.ZipFile(archive) as kept:
        for row, (_, truth) in zip(rows, masked.pairs(manifest.parent, rows), strict=True):
            said = _kept(kept, row, truth.shape)
            seen = {"disc_found": float((said > 0).any()), "cup_found": float((said == 255).any())}
            found.append(seen | mask_measures.compare(said, truth))
    return found


def table(rows: Sequence[Row], found: Sequence[Measured]) -> str:
    """predictions.csv: a row a photograph; a measure that is not defined is an empty cell."""
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    for row, values in zip(rows, found, strict=True):
        file, label, index, patient, eye, site, *_ = row.cells()
        numbers = [repr(values[name]) if math.isfinite(values[name]) else "" for name in (*FOUND, *mask_measures.NAMES)]
        lines.writerow([file, patient, eye, site, label, index, name_of(row), *numbers])
    return text.getvalue()


def summary(rows: Sequence[Row], found: Sequence[Measured], *, patients_known: bool, confidence: float, seed: int) -> dict[str, Any]:
    """n, patients, metrics (each value, low, high, n, confidence, note, method) and the Dice of disc and cup within each site."""
    patients = [row.patient for row in rows] if patients_known else None
    options = _Options(confidence, seed)
    metrics = {name: _mean([values[name] for values in found], patients, options) for name in (*FOUND, *MEASURED)}
    metrics["vcdr_auc"] = _area([row.index for row in rows], [values["vcdr"] for values in found], patients, options)
    sites = sorted({row.site for row in rows})
    per_site = {}
    for site in sites if len(sites) > 1 else ():
        at = [number for number, row in enumerate(rows) if row.site == site]
        of = [rows[number].patient for number in at] if patients_known else None
        per_site[site or "unknown"] = {
            name: _mean([found[number][name] for number in at], of, options) for name in ("disc_dice", "cup_dice", "vcdr_error")
        }
    return {
        "task": "segmentation",
        "n": len(rows),
        "patients": None if patients is None else len(set(patients)),
        "confidence": confidence,
        "metrics": metrics,
        "per_site": per_site,
    }


def name_of(row: Row) -> str:
    """Where the mask of a photograph lies in the archive: at the photograph's own place, as a PNG."""
    return str(Path(row.file).with_suffix(".png"))


def _draw(ctx: RunContext, segmenter: Segmenter, folder: Path, rows: Sequence[Row], path: Path) -> None:
    """Write the archive: equal masks are equal bytes. Cancelled when asked to stop."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for at, (row, (photograph, _)) in enumerate(zip(rows, masked.pairs(folder, rows), strict=True)):
            if ctx.should_stop():
                raise Cancelled(f"asked to stop after {at} of {len(rows)} photographs")
            _, data = cv2.imencode(".png", mask_of(segmenter, photograph))
            entry = zipfile.ZipInfo(name_of(row), _MOMENT)
            entry.create_system = 3  # Unix, wherever this runs
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data.tobytes())
            ctx.progress(at + 1, len(rows), unit="photograph")


def _drawn(archive: Path, rows: Sequence[Row], places: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
    """The masks of some of the photographs, by position."""
    with zipfile.ZipFile(archive) as kept:
        return {at: _decoded(kept, rows[at]) for at in places}


def _kept(archive: zipfile.ZipFile, row: Row, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    mask = _decoded(archive, row)
    if mask.shape != shape:
        raise BadData(f"{name_of(row)} has not the size of its photograph", field="predictions", value=row.file)
    return mask


def _decoded(archive: zipfile.ZipFile, row: Row) -> NDArray[np.uint8]:
    try:
        data = archive.read(name_of(row))
    except KeyError:
        raise BadData(f"there is no mask {name_of(row)} in the archive", field="predictions", value=row.file) from None
    mask = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise BadData(f"{name_of(row)} in the archive is no picture", field="predictions", value=row.file)
    return np.asarray(mask, np.uint8)


def _mean(values: Sequence[float], patients: Sequence[str] | None, options: _Options) -> dict[str, Any]:
    """The mean of what is defined."""
    known = [at for at, value in enumerate(values) if math.isfinite(value)]
    of = None if patients is None else [patients[at] for at in known]
    return options.bootstrap(lambda drawn: float(drawn.mean()), [values[at] for at in known], patients=of)


def _area(labels: Sequence[int], ratios: Sequence[float], patients: Sequence[str] | None, options: _Options) -> dict[str, Any]:
    """How well the ratio that was found tells glaucoma from normal, over photographs that have a label and a disc that was found."""
    known = [at for at, (label, ratio) in enumerate(zip(labels, ratios, strict=True)) if label in (0, 1) and math.isfinite(ratio)]
    of = None if patients is None else [patients[at] for at in known]
    return options.bootstrap(auc, [labels[at] for at in known], [ratios[at] for at in known], patients=of)
