"""Look: what a validation needs to know of each picture, found in the sandbox, some dozens a child.

A version may have been registered as it was, so its pictures are foreign files until they were decoded here. Every one is
decoded, whole. What comes back is small: sizes, levels, features, a signature for the search of copies, 16 x 16 pixels
for the search of shortcuts, and what is wrong with the file or its mask in words.
"""

import base64
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from arc.core.errors import ArcError, Cancelled
from arc.core.ports import RunContext
from arc.data import decode, features
from arc.data.duplicates_signature import SIDE, Signature, sign
from arc.kit import sandbox

DISC: Final = 128
CUP: Final = 255
SMALL_PX: Final = 16
_BATCH: Final = 64


@dataclass(frozen=True)
class Mask:
    """What a mask file holds."""

    width: int = 0
    height: int = 0
    values: tuple[int, ...] = ()  # of its pixels
    cup_outside: float = 0.0  # share of the cup's outline that no disc surrounds
    error: str = ""


@dataclass(frozen=True)
class Seen:
    """What one photograph is."""

    bytes: int = 0
    width: int = 0
    height: int = 0
    channels: int = 0
    low: int = 0  # least and most level of any pixel
    high: int = 0
    spread: float = 0.0  # standard deviation of the levels
    features: Mapping[str, float] | None = None
    signature: Signature | None = None
    small: NDArray[np.float32] | None = None  # 768 numbers: 16 x 16 x 3
    error: str = ""  # why it cannot be decoded
    mask: Mask | None = None


def look(ctx: RunContext, files: Sequence[tuple[Path, Path | None]], *, max_megapixels: float) -> list[Seen]:
    """What each photograph (and its mask) is, in order. A file that cannot be decoded is an answer and no error."""
    rules = {"max_megapixels": max_megapixels}
    batches = [files[at : at + _BATCH] for at in range(0, len(files), _BATCH)]
    found: list[Seen] = []
    with ThreadPoolExecutor(max(1, ctx.threads)) as pool:
        for answers in pool.map(lambda batch: _apart(batch, rules), batches):
            found += answers
            ctx.progress(len(found), len(files), unit="image")
            if ctx.should_stop():
                pool.shutdown(cancel_futures=True)
                raise Cancelled("asked to stop while looking at photographs")
    return found


def _apart(batch: Sequence[tuple[Path, Path | None]], rules: dict[str, Any]) -> list[Seen]:
    """One child for the batch; a file that brings it down is an answer like any other."""
    return sandbox.apart(lambda some: _ask(some, rules), batch, lambda _, error: Seen(error=error.message))


def _ask(batch: Sequence[tuple[Path, Path | None]], rules: dict[str, Any]) -> list[Seen]:
    tasks = [{"file": str(file), "mask": str(mask) if mask else ""} for file, mask in batch]
    memory_mb = 600 + int(float(rules["max_megapixels"]) * 16)
    answers = sandbox.parse(
        look_all, tasks, rules, cpu_s=60 + 5 * len(tasks), memory_mb=memory_mb, timeout_s=120.0 + 10 * len(tasks), what="photographs"
    )
    return [_seen(answer) for answer in answers]


def _seen(answer: dict[str, Any]) -> Seen:
    values = dict(answer)
    if "signature" in values:
        values["signature"] = np.frombuffer(base64.b64decode(values["signature"]), np.int8).reshape(SIDE, SIDE)
        values["small"] = np.frombuffer(base64.b64decode(values["small"]), np.uint8).astype(np.float32)
    if values.get("mask"):
        values["mask"] = Mask(**values["mask"] | {"values": tuple(values["mask"].get("values", ()))})
    return Seen(**values)


def look_all(tasks: list[dict[str, str]], rules: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is in each {file, mask}; called in the sandbox."""
    return [_one(Path(task["file"]), rules) | {"mask": _mask(Path(task["mask"]), rules) if task["mask"] else None} for task in tasks]


def _one(file: Path, rules: Mapping[str, Any]) -> dict[str, Any]:
    try:
        size = file.stat().st_size
        picture = decode.picture(file, rules)
        stored = len(picture.getbands())
        pixels = np.asarray(picture.convert("RGB"), np.uint8)
    except ArcError as error:
        return {"error": error.message}
    except OSError as error:
        return {"error": f"it cannot be read: {error.strerror}"}
    small = cv2.resize(pixels, (SMALL_PX, SMALL_PX), interpolation=cv2.INTER_AREA)
    return {
        "bytes": size,
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "channels": stored,
        "low": int(pixels.min()),
        "high": int(pixels.max()),
        "spread": float(pixels.std()),
        "features": features.measure(pixels, bytes=size),
        "signature": base64.b64encode(sign(pixels).tobytes()).decode(),
        "small": base64.b64encode(np.ascontiguousarray(small).tobytes()).decode(),
    }


def _mask(file: Path, rules: Mapping[str, Any]) -> dict[str, Any]:
    try:
        picture = decode.picture(file, rules)
    except ArcError as error:
        return {"error": error.message}
    except OSError as error:
        return {"error": f"it cannot be read: {error.strerror}"}
    pixels = np.asarray(picture.convert("L"), np.uint8)
    values = [int(value) for value in np.unique(pixels)]
    return {"width": pixels.shape[1], "height": pixels.shape[0], "values": values[:16], "cup_outside": _cup_outside(pixels)}


def _cup_outside(mask: NDArray[np.uint8]) -> float:
    """Share of the pixels around the cup that are background, 0 to 1; 0 where there is no disc or no cup to compare."""
    if not ((mask == DISC).any() and (mask == CUP).any()):
        return 0.0
    cup = (mask == CUP).astype(np.uint8)
    ring = (cv2.dilate(cup, np.ones((3, 3), np.uint8)) > 0) & (cup == 0)
    return float((mask[ring] == 0).mean()) if ring.any() else 0.0


def small_pictures(files: Collection[Path], *, side_px: int, max_megapixels: float) -> dict[Path, bytes]:
    """Small JPEGs of the files, for a page; none where the sandbox could not make one, for a page does without."""
    ordered = sorted(files)
    if not ordered:
        return {}
    try:
        made = sandbox.parse(
            thumbnails, [str(file) for file in ordered], side_px, max_megapixels,
            cpu_s=60 + 2 * len(ordered), timeout_s=60.0 + 4 * len(ordered), memory_mb=600 + int(max_megapixels * 16), what="pictures",
        )  # fmt: skip
    except ArcError:
        return {}
    return {file: base64.b64decode(data) for file, data in zip(ordered, made, strict=True) if data}


def thumbnails(files: Sequence[str], side_px: int, max_megapixels: float) -> list[str]:
    """Small JPEGs of pictures, in base64, for a report; empty for one that cannot be decoded. Called in the sandbox."""
    return [_thumbnail(Path(file), side_px, max_megapixels) for file in files]


def _thumbnail(file: Path, side_px: int, max_megapixels: float) -> str:
    try:
        picture = decode.picture(file, {"max_megapixels": max_megapixels}).convert("RGB")
    except (ArcError, OSError):
        return ""
    picture.thumbnail((side_px, side_px))
    _, data = cv2.imencode(".jpg", np.asarray(picture)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    return base64.b64encode(data.tobytes()).decode()
