"""Embed: what a classifier makes of a photograph before it decides, and the recipe data.drift with it.

The embedding is what goes into the last linear layer of a network, whatever network it is. `data` compares photographs and may not
know networks, so the arrow points the other way: the catalog names `run` here, which gives `arc.data.drift` a function
when a model was given, and nothing otherwise. No wall is climbed and nothing is looked up by name.

The photographs may be foreign files, so both sides go through the sandbox in the same way, into PNG files that are gone again
when the network has seen them. They are made small there first, so an embedding here is near to what the model sees in an
evaluation, and not to the last digit the same.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from arc.core.errors import BadData, Cancelled
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.data import drift, drift_recent
from arc.data.judge_spec import DriftParams
from arc.fundus.ensemble_network import members_of
from arc.fundus.networks import head_of, standardised
from arc.fundus.pictures import seen
from arc.fundus.predict import Classifier, load
from arc.kit import device

_BATCH: Final = 48
_FOCUSED: Final = 3  # times larger again for a network that sees a third of the field
_LARGER: Final = 4  # times what the network sees: the size of the file in between


def run(ctx: RunContext, params: DriftParams) -> Done:
    """`arc.data.drift.run`, with the embedding of the model if one was given; BadData when it is no classifier of ours."""
    model = ctx.optional("model")
    if model is None:
        return drift.run(ctx, params)
    classifier = load(Path(model.path), device.pick(ctx.device), simulated=ctx.simulated)
    return drift.run(ctx, params, embed=lambda files: embed(ctx, classifier, files))


def embed(ctx: RunContext, classifier: Classifier, files: Sequence[Path]) -> NDArray[np.float64]:
    """(n, d): the embedding of each photograph, a row of NaN where it cannot be converted.

    BadData when none can be; Cancelled when asked to stop.
    """
    rows: list[NDArray[np.float64] | None] = []
    for begin in range(0, len(files), _BATCH):
        if ctx.should_stop():
            raise Cancelled(f"asked to stop after {begin} of {len(files)} photographs")
        images = _images(ctx, files[begin : begin + _BATCH], classifier)
        there = [image for image in images if image is not None]
        vectors = iter(embedding(classifier.network, torch.stack(there), classifier.device)) if there else iter(())
        rows += [None if image is None else next(vectors) for image in images]
        ctx.progress(len(rows), len(files), unit="photograph")
    width = next((len(row) for row in rows if row is not None), 0)
    if not width:
        raise BadData("no photograph can be shown to the model", field="inputs.model")
    return np.array([np.full(width, np.nan) if row is None else row for row in rows])


def embedding(network: nn.Module, images_u8: torch.Tensor, device: torch.device) -> NDArray[np.float64]:
    """(n, d): what goes into the last linear layer for images n x 3 x S x S as bytes; of an ensemble that of each member, side by side."""
    seen: list[torch.Tensor] = []
    hooks = [head_of(member)[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])) for member in members_of(network)]
    try:
        with torch.no_grad():
            network(standardised(images_u8, device))
    finally:
        for hook in hooks:
            hook.remove()
    return np.asarray(torch.cat(seen, dim=1).double().cpu().numpy(), np.float64)


def _images(ctx: RunContext, files: Sequence[Path], classifier: Classifier) -> list[torch.Tensor | None]:
    """Each photograph as the network takes it, 3 x S x S as bytes; None where it cannot be converted."""
    size = classifier.card.input_size
    rules = {
        "max_side_px": (_FOCUSED if classifier.focus else 1) * _LARGER * size,
        "max_megapixels": drift_recent.MAX_MEGAPIXELS,
        "format": "png",
    }
    with tempfile.TemporaryDirectory(dir=ctx.folder("pictures")) as folder:
        tasks = [{"source": str(file), "target": str(Path(folder) / f"{number}.png")} for number, file in enumerate(files)]
        answers = drift_recent.convert(tasks, rules)
        return [None if "error" in answer else _image(task["target"], classifier) for task, answer in zip(tasks, answers, strict=True)]


def _image(file: str, classifier: Classifier) -> torch.Tensor:
    picture = np.asarray(cv2.imread(file, cv2.IMREAD_COLOR_RGB), np.uint8)
    return torch.from_numpy(np.ascontiguousarray(seen(picture, classifier.card.input_size, classifier.focus).transpose(2, 0, 1)))
