"""fundus.gradcam, fundus.gradcam_pp and fundus.dri: where a classifier looks, and whether that is the optic disc.

One way for all three: draw photographs by the seed, look at each, leave a picture of it with a legend, explanation.json and a page.
`fundus.dri` measures besides (`arc.fundus.dri`); its mean_dri is among the metrics, so that a gate can ask for it. The
disc is that of the dataset's mask, or what a segmenter draws when one is given.

Not covered: masks that show a cup and no disc are taken for discs where a dataset has nothing else.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from arc.core.errors import BadData, Cancelled
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.data import manifest
from arc.data.manifest import Row
from arc.data.masks import DISC
from arc.data.names import CLASSES
from arc.data.pictures import read, read_mask
from arc.fundus import cam, dri, explain_page, overlay, segmenter_file
from arc.fundus.evaluate import summary
from arc.fundus.explain_spec import DriParams, ExplainParams
from arc.fundus.focus import Focus, view_of
from arc.fundus.pictures import FIELD_LEVEL, seen, square
from arc.fundus.predict import Classifier, load
from arc.kit import device, figures, report
from arc.kit.documents import save_json
from arc.kit.seeding import generator

_SHOWN: Final = 12  # photographs that travel with the explanation, for reports
_SHOWN_PX: Final = 176
_SIMULATED: Final = 4  # photographs at most, in dummy mode


@dataclass(frozen=True)
class Sample:
    """One photograph as the network sees it."""

    row: Row
    image_CHW: torch.Tensor  # bytes
    disc_HW: dri.Mask | None


@dataclass(frozen=True)
class Looked:
    """What was seen in it."""

    sample: Sample
    heat_HW: dri.Heat
    state: cam.State
    class_index: int
    probability: float
    measured: dri.Measured | None = None


def gradcam(ctx: RunContext, params: ExplainParams) -> Done:
    """Leave the maps of Grad-CAM; errors as `arc.fundus.predict.load` and `arc.fundus.cam.target_layer` raise them."""
    return _explain(ctx, params, "gradcam", name="gradcam")


def gradcam_pp(ctx: RunContext, params: ExplainParams) -> Done:
    """Leave the maps of Grad-CAM++; errors as for `gradcam`."""
    return _explain(ctx, params, "gradcam_pp", name="gradcam_pp")


def run_dri(ctx: RunContext, params: DriParams) -> Done:
    """Measure DRI and its controls; BadData besides when no photograph has a disc."""
    return _explain(ctx, params, params.method, name="dri")


def _explain(ctx: RunContext, params: ExplainParams, method: cam.Method, *, name: str) -> Done:
    ctx.phase("load")
    classifier = load(Path(ctx.input("model").path), device.pick(ctx.device), simulated=ctx.simulated)
    if classifier.card.classes != list(CLASSES):
        raise BadData(f"the model tells {classifier.card.classes} apart, the dataset {list(CLASSES)}", field="model")
    layer = cam.target_layer(classifier.network, classifier.card.input_size, name=params.target_layer)
    samples = _samples(ctx, params, classifier, with_disc=isinstance(params, DriParams))
    ctx.phase("evaluate")
    looked = _look(ctx, params, classifier, samples, layer=layer, method=method)
    known = bool(summary(Path(ctx.input("dataset").path)).get("patients_known", True))
    explanation = _head(ctx, params, classifier, layer=layer, method=method, name=name, known=known)
    measured = [one.measured for one in looked if one.measured is not None]
    if isinstance(params, DriParams):
        patients = [one.sample.row.patient for one in looked] if known else None
        explanation |= dri.summary(measured, patients, valid_from=params.valid_from, confidence=params.confidence, seed=ctx.seed)
    files = [f"{name}_{number:03d}.png" for number in range(1, len(looked) + 1)]
    for file, one in zip(files, looked, strict=True):
        drawn = figures.png(_drawn(one, params.threshold))
        ctx.save(file, "figure", lambda path, drawn=drawn: _write(path, drawn))  # type: ignore[misc]
    told = [_told(one, file) for one, file in zip(looked, files, strict=True)]
    explanation |= {"n": len(looked), "figures": files, "dri_scores" if measured else "samples": told}
    whole = explanation | {"shown": [_tile(one, params.threshold) for one in looked[:_SHOWN]]}
    save_json(ctx, "explanation.json", "result", whole)
    ctx.save("explanation.html", "report", lambda path: report.write(path, explain_page.compose(whole)))
    return Done(metrics=_metrics(explanation), result=explanation)


def _samples(ctx: RunContext, params: ExplainParams, classifier: Classifier, *, with_disc: bool) -> list[Sample]:
    """The photographs that are explained; BadData when a disc is wanted and none has one."""
    dataset = ctx.input("dataset")
    if params.split not in dataset.splits:
        raise BadData(f"the dataset was given without its split {params.split}", field="dataset")
    csv = Path(dataset.splits[params.split])
    segmenter = _segmenter(ctx)
    rows = manifest.read(csv)
    if with_disc and segmenter is None:
        rows = [row for row in rows if row.mask]
    if not rows:
        missing = "no photograph with a mask; give a segmentation model as `segmentation`" if with_disc else "no photograph"
        raise BadData(f"the split {params.split} has {missing}", field="dataset")
    wanted = min(params.num_samples, _SIMULATED) if ctx.simulated else params.num_samples
    found: list[Sample] = []
    for row in order(rows, seed=ctx.seed):
        if ctx.should_stop():
            raise Cancelled(f"asked to stop after {len(found)} of {wanted} photographs")
        photograph = read(csv.parent, row)
        mask = read_mask(csv.parent, row) if segmenter is None else segmenter_file.mask_of(segmenter, photograph)
        image, disc = squared(photograph, mask, classifier.card.input_size, focus=classifier.focus)
        if with_disc and (disc is None or not disc.any()):
            continue
        found.append(Sample(row, torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))), disc))
        ctx.progress(len(found), wanted, unit="photograph")
        if len(found) == wanted:
            break
    if not found:
        raise BadData(f"no optic disc was found in the split {params.split}", field="dataset")
    return found


def order(rows: Sequence[Row], *, seed: int) -> list[Row]:
    """The rows by chance: classes by turns, and each patient once before any comes again."""
    shuffled = [rows[at] for at in torch.randperm(len(rows), generator=generator(seed, "explain")).tolist()]
    times: dict[str, int] = {}
    turns: dict[tuple[int, int], int] = {}
    keys = []
    for row in shuffled:
        again = times[row.patient] = times.get(row.patient, -1) + 1
        turn = turns[again, row.index] = turns.get((again, row.index), -1) + 1
        keys.append((again, turn, -row.index))
    return [shuffled[at] for at in sorted(range(len(shuffled)), key=keys.__getitem__)]


def squared(photograph: dri.Bytes, mask: dri.Bytes | None, size: int, *, focus: Focus | None = None) -> tuple[dri.Bytes, dri.Mask | None]:
    """The square of a photograph that a classifier sees, and the disc on it.

    The mask goes through the same cut and scale as a fourth channel, in a value that is still dark for the cut.
    """
    if mask is None:
        return seen(photograph, size, focus), None
    if mask.shape != photograph.shape[:2]:
        raise BadData("a mask has not the size of its photograph", field="dataset")
    if focus is not None:
        view = view_of(photograph, focus)
        return view.of(photograph, size), view.of(np.where(mask >= DISC, np.uint8(255), np.uint8(0)), size) >= 128
    fourth = np.where(mask >= DISC, np.uint8(FIELD_LEVEL), np.uint8(0))
    both = square(np.dstack([photograph, fourth]), size)
    return np.ascontiguousarray(both[..., :3]), both[..., 3] >= FIELD_LEVEL // 2


def _segmenter(ctx: RunContext) -> segmenter_file.Segmenter | None:
    given = ctx.optional("segmentation")
    return (
        None
        if given is None
        else segmenter_file.load(Path(given.path), device.pick(ctx.device), simulated=ctx.simulated, field="segmentation")
    )


def _look(
    ctx: RunContext, params: ExplainParams, classifier: Classifier, samples: Sequence[Sample], *, layer: str, method: cam.Method
) -> list[Looked]:
    images = torch.stack([sample.image_CHW for sample in samples])
    classes = None if params.explained == "predicted" else torch.full((len(images),), len(CLASSES) - 1)
    if isinstance(params, DriParams):
        few = 1 if ctx.simulated else params.randomisations
        rules = dri.Rules(method, params.threshold, few, params.positions, params.batch_size, ctx.seed, classifier.card.temperature)
        discs = [sample.disc_HW for sample in samples if sample.disc_HW is not None]
        found = dri.measure(classifier.network, images, discs, layer=layer, rules=rules, classes_N=classes, stop=ctx.should_stop)
        return [
            Looked(sample, one.heat_HW, one.state, one.class_index, one.probability, one)
            for sample, one in zip(samples, found, strict=True)
        ]
    batch, warmth = params.batch_size, classifier.card.temperature
    seen = cam.look(classifier.network, images, layer=layer, method=method, classes_N=classes, batch_size=batch, temperature=warmth)
    heats, states = cam.heat(seen.maps_NHW, images.shape[-1])
    return [
        Looked(sample, heats[at].numpy(), states[at], int(seen.classes_N[at]), float(seen.probabilities_N[at]))
        for at, sample in enumerate(samples)
    ]


def _head(
    ctx: RunContext, params: ExplainParams, classifier: Classifier, *, layer: str, method: str, name: str, known: bool
) -> dict[str, Any]:
    """What was explained, and how."""
    model, dataset, card = ctx.input("model"), ctx.input("dataset"), classifier.card
    segmentation = ctx.optional("segmentation")
    return {
        "recipe": f"fundus.{name}",
        "method": method,
        "target_layer": layer,
        "explained": params.explained,
        "threshold": params.threshold,
        "split": params.split,
        "seed": ctx.seed,
        "model": {"digest": model.digest, "name": card.model, "input_size": card.input_size},
        "dataset": {"ref": dataset.ref, "digest": dataset.digest},
        "disc_from": "the masks of the dataset" if segmentation is None else segmentation.ref,
        "patients_known": known,
        "simulated": ctx.simulated or card.tiny,
    }


def _told(one: Looked, file: str) -> dict[str, Any]:
    """A photograph in explanation.json."""
    row, measured = one.sample.row, one.measured
    said: dict[str, Any] = {
        "sample_id": row.file,
        "figure": file,
        "patient": row.patient,
        "label": row.label,
        "explained": CLASSES[one.class_index],
        "probability": one.probability,
        "map": one.state,
    }
    if measured is None:
        return said
    elsewhere = measured.moved
    return said | {
        "dri_score": measured.disc.iou,
        "energy": measured.disc.energy,
        "pointing": bool(measured.disc.pointing),
        "drop": measured.drop,
        "control": {
            "random_dri": measured.random.iou,
            "moved_dri": None if elsewhere is None else elsewhere.iou,
            "drop_elsewhere": measured.drop_elsewhere,
        },
    }


def _metrics(explanation: dict[str, Any]) -> dict[str, Any]:
    """What a gate may ask for."""
    if "mean_dri" not in explanation:
        return {"n": explanation["n"]}
    mean, controls, above = explanation["mean_dri_interval"], explanation["controls"], explanation["above"]
    found = {
        "mean_dri": mean["value"],
        "mean_dri_low": mean["low"],
        "mean_dri_high": mean["high"],
        "dri_valid": float(explanation["valid"]),
    }
    found |= {name: explanation[name]["value"] for name in ("energy", "pointing", "drop")}
    found |= {name: controls[name]["value"] for name in ("random_dri", "moved_dri", "drop_elsewhere")}
    return found | {f"above_{name}_low": above[name]["low"] for name in ("random_dri", "moved_dri")} | {"n": explanation["n"]}


def _caption(one: Looked) -> tuple[str, str]:
    first = f"{one.sample.row.label or 'no label'}; p({CLASSES[one.class_index]}) = {one.probability:.2f}"
    if one.state != "ok":
        return first, f"The map is {one.state}: it shows nothing."
    if one.measured is None:
        return first, one.sample.row.file[-80:]
    score, chance, elsewhere = one.measured.disc.iou, one.measured.random.iou, one.measured.moved
    there = "nowhere else to move" if elsewhere is None else f"moved disc {elsewhere.iou:.2f}"
    return first, f"DRI {score:.2f}; random weights {chance:.2f}; {there}; drop without the disc {one.measured.drop:+.2f}"


def _drawn(one: Looked, threshold: float) -> NDArray[np.uint8]:
    image = one.sample.image_CHW.permute(1, 2, 0).numpy()
    return overlay.draw(image, one.heat_HW, one.sample.disc_HW, threshold=threshold, lines=_caption(one))


def _tile(one: Looked, threshold: float) -> dict[str, Any]:
    """The overlay small enough to travel, as JPEG in base64."""
    image = np.asarray(cv2.resize(one.sample.image_CHW.permute(1, 2, 0).numpy(), (_SHOWN_PX, _SHOWN_PX)), np.uint8)
    pixels = overlay.mixed(image, one.heat_HW, one.sample.disc_HW, threshold=threshold)
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return {"caption": ". ".join(_caption(one)), "jpeg": base64.b64encode(data.tobytes()).decode()}


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
