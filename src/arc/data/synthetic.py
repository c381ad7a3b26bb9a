"""data.synthetic_fundus: photographs of eyes that do not exist, packed like a clinic would hand them over.

One ZIP: `images/{glaucoma,normal}/P00001_R.jpg`, `masks/P00001_R.png`, `labels.csv`, `metadata.json` and a README. Every
eye is drawn from (seed, patient, eye) alone and the ZIP holds no time, so the same seed and the same
libraries give the same bytes. The next step is `data.unpack`, as it is for a user's archive.

Not shown by results on these: anything about patients.
"""

import csv
import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from arc.core.errors import Cancelled
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.data.anatomy import Eye, draw_patient, draw_sites
from arc.data.drawing import draw
from arc.data.spec import SyntheticFundusParams

OUTPUT = "synthetic-fundus.zip"
SOURCE = "synthetic: drawn by the recipe data.synthetic_fundus of ARC"
COLUMNS = ("file", "label", "patient", "eye", "site", "vcdr")
README = """Synthetic fundus photographs, drawn by ARC. No patient was photographed.

labels.csv: file, label, patient, eye (R or L), site, vcdr (vertical cup-to-disc ratio as drawn).
masks: 0 background, 128 optic disc, 255 optic cup. Free to use for any purpose (CC0).
Some labels are turned over on purpose. Results on these pictures say nothing about patients.
"""
_MOMENT = (1980, 1, 1, 0, 0, 0)  # the earliest a ZIP can say: no time of ours gets in
_SAY_EVERY_S = 0.3


def run(ctx: RunContext, params: SyntheticFundusParams) -> Done:
    """Draw `params.patients` x 2 photographs into one archive; Cancelled when asked to end."""
    cv2.setNumThreads(ctx.threads)
    ctx.phase("draw")
    eyes = population(params, seed=ctx.seed)
    ctx.save(OUTPUT, "archive", lambda path: _write(ctx, params, eyes, path))
    ill = sum(eye.label == "glaucoma" for eye in eyes)
    result = {
        "archive": OUTPUT,
        "images": len(eyes),
        "patients": params.patients,
        "counts": {"normal": len(eyes) - ill, "glaucoma": ill},
        "size_px": params.size_px,
        "seed": ctx.seed,
    }
    return Done(metrics={"images": len(eyes)}, result=result)


def population(params: SyntheticFundusParams, *, seed: int) -> list[Eye]:
    """Every eye that a seed stands for, two a patient, right before left."""
    sites = draw_sites(params.sites, seed)
    order = np.random.default_rng([seed, 4]).permutation(params.patients)
    ill = set(order[: max(round(params.glaucoma_share * params.patients), 1)].tolist())
    return [
        eye
        for index in range(params.patients)
        for eye in draw_patient(index, sites, ill=index in ill, seed=seed, label_noise=params.label_noise)
    ]


def file_name(eye: Eye) -> str:
    """Where the photograph of an eye lies in the archive."""
    return f"images/{eye.label}/{eye.patient}_{eye.eye}.jpg"


def labels_csv(eyes: list[Eye]) -> bytes:
    """labels.csv: one row a photograph."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows([file_name(eye), eye.label, eye.patient, eye.eye, eye.site.name, f"{eye.vcdr:.4f}"] for eye in eyes)
    return text.getvalue().encode()


def members(params: SyntheticFundusParams, eyes: list[Eye]) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every member of the archive: each photograph, followed by its mask if one is wanted."""
    yield "README.txt", README.encode()
    yield "labels.csv", labels_csv(eyes)
    yield "metadata.json", json.dumps({"source": SOURCE, "licence": "CC0"}).encode()
    for eye in eyes:
        picture, mask = draw(eye, params.size_px)
        yield file_name(eye), _encode(".jpg", picture[..., ::-1], cv2.IMWRITE_JPEG_QUALITY, eye.site.jpeg_quality)
        if params.masks:
            yield f"masks/{eye.patient}_{eye.eye}.png", _encode(".png", mask, cv2.IMWRITE_PNG_COMPRESSION, 3)


def _write(ctx: RunContext, params: SyntheticFundusParams, eyes: list[Eye], path: Path) -> None:
    began = said = time.perf_counter()
    drawn = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members(params, eyes):
            entry = zipfile.ZipInfo(name, _MOMENT)
            entry.create_system = 3  # Unix, wherever this runs
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
            drawn += name.startswith("images/")
            now = time.perf_counter()
            if now - said > _SAY_EVERY_S:
                said = now
                eta = (now - began) / drawn * (len(eyes) - drawn) if drawn else None
                ctx.progress(drawn, len(eyes), unit="image", eta_s=eta)
                if ctx.should_stop():
                    raise Cancelled("asked to stop while drawing")
    ctx.progress(drawn, len(eyes), unit="image")


def _encode(suffix: str, pixels: np.ndarray, option: int, value: int) -> bytes:
    ok, data = cv2.imencode(suffix, np.ascontiguousarray(pixels), [option, value])
    if not ok:
        raise RuntimeError(f"OpenCV could not encode a {suffix} of shape {pixels.shape}")
    return data.tobytes()
