"""Runs of fundus.classify on a small dataset: whole, stopped and resumed."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from arc.core.errors import Cancelled
from arc.fundus import classify, predict
from arc.fundus.classify_spec import ClassifyParams
from arc.kit import checkpoint
from tests.numerics.fundus_dataset import dataset
from tests.unit.data.context import FolderContext, given

SMALL = {"input_size": 32, "epochs": 3, "batch_size": 6, "accumulate": 2, "ema_decay": 0.9}
FILES = {"file": "weights", "segmenter": "segmenter"}  # among the params of an attempt -> input


def attempt(root: Path, folder: Path, params: dict[str, Any], *, stop_at: int | None = None, newest: Path | None = None) -> FolderContext:
    """One attempt on the dataset in `folder`; with `stop_at` it must be cancelled after that step. FILES among the params are inputs."""
    torch.set_num_threads(1)
    ctx = FolderContext(root, seed=1, inputs={"dataset": dataset(folder)})
    files = {name: params[word] for word, name in FILES.items() if word in params}
    ctx.inputs |= {name: given(file) for name, file in files.items()}
    ctx.stop_at_step, ctx.newest = stop_at, newest
    chosen = ClassifyParams.model_validate({name: value for name, value in params.items() if name not in FILES})
    if stop_at is None:
        classify.run(ctx, chosen)
    else:
        with pytest.raises(Cancelled):
            classify.run(ctx, chosen)
    return ctx


def curve(ctx: FolderContext) -> dict[int, dict[str, float]]:
    """The losses and rates of the steps."""
    return {step: dict(values) for step, values in ctx.points if "loss" in values}


def history(ctx: FolderContext) -> Any:
    """history.json that a training left."""
    return json.loads((ctx.root / "history.json").read_text())


def comes_back(root: Path, folder: Path, params: dict[str, Any], *, stop_at: int = 2) -> None:
    """One run, and one that is stopped and resumed, end with the same curve and the same weights; the model predicts."""
    whole = attempt(root / "whole", folder, params)
    stopped = attempt(root / "stopped", folder, params, stop_at=stop_at)
    resumed = attempt(root / "resumed", folder, params, newest=stopped.checkpoints[-1])
    assert curve(stopped) | curve(resumed) == curve(whole)
    assert min(curve(resumed)) == stop_at + 1
    assert history(resumed) == history(whole)
    one, other = (checkpoint.load_model_weights(ctx.root / classify.MODEL).tensors for ctx in (whole, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)
    model = predict.load(resumed.root / classify.MODEL, torch.device("cpu"))
    images = torch.zeros((2, 3, model.card.input_size, model.card.input_size), dtype=torch.uint8)
    scores = predict.probabilities(model.network, images, device=model.device, batch_size=2)
    assert ((scores >= 0) & (scores <= 1)).all()
