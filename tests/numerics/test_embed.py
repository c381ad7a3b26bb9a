"""The embedding of a classifier, and data.drift with it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from arc.core.errors import BadData
from arc.core.inputs import ResolvedInput
from arc.data.judge_spec import DriftParams
from arc.fundus import embed
from arc.fundus.networks import build
from arc.fundus.predict import ModelCard, load
from arc.kit import checkpoint
from tests.numerics.fundus_dataset import dataset, made
from tests.unit.data.context import FolderContext, given

CARD = {"recipe": "fundus.classify", "model": "small_cnn", "input_size": 32, "classes": ["normal", "glaucoma"], "threshold": 0.5}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file with weights as they are drawn: what it was trained on does not matter here."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    checkpoint.save_model(path, build("small_cnn", dropout=0.2), ModelCard.model_validate(CARD).model_dump())
    return path


def pictures(root: Path, *, level: int = 120, n: int = 3) -> list[Path]:
    root.mkdir(exist_ok=True)
    for number in range(n):
        pixels = np.random.default_rng(number).integers(level - 20, level + 20, (48, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
    return sorted(root.iterdir())


def test_the_embedding_is_what_the_last_layer_is_given(model: Path) -> None:
    network = load(model, torch.device("cpu")).network
    images = torch.randint(0, 255, (4, 3, 32, 32), dtype=torch.uint8)
    vectors = embed.embedding(network, images, torch.device("cpu"))
    assert vectors.shape == (4, 128)
    with torch.no_grad():
        logits = network(embed.standardised(images))
        again = network.head(torch.from_numpy(vectors).float())
    assert torch.allclose(logits, again, atol=1e-6)


def test_what_cannot_be_converted_is_a_row_of_nan_and_nothing_is_left_behind(model: Path, tmp_path: Path) -> None:
    files = pictures(tmp_path / "in")
    files.insert(1, tmp_path / "in" / "cut.png")
    files[1].write_bytes(b"\x89PNG nothing")
    ctx = FolderContext(tmp_path / "job")
    found = embed.embed(ctx, load(model, torch.device("cpu")), files)
    assert np.isfinite(found).all(axis=1).tolist() == [True, False, True, True]
    assert list((tmp_path / "job" / "pictures").iterdir()) == []
    with pytest.raises(BadData, match="no photograph"):
        embed.embed(ctx, load(model, torch.device("cpu")), [files[1]])


def test_drift_with_a_model_compares_its_embedding(model: Path, tmp_path: Path) -> None:
    root = made(tmp_path / "made", patients=30)
    about = {
        "task": "classification",
        "classes": ["normal", "glaucoma"],
        "patients_known": True,
        "digest": "d" * 64,
        "layout": "x",
        "licence": "",
        "source": "",
    }
    about |= {"split_rule": "", "counts": {}, "patients": {}, "files": 60, "bytes": 1, "job_id": None, "created_at": "2026-01-02T03:04:05Z"}
    version = dataset(root, info={"name": "tiny", "version": 1} | about)
    pictures(tmp_path / "in", level=200, n=20)
    inputs = {"reference": version, "recent": ResolvedInput(ref="path:x", path=str(tmp_path / "in")), "model": given(model)}
    params = DriftParams(resamples=199, permutations=99)
    done = embed.run(FolderContext(tmp_path / "with", inputs=inputs), params)
    assert done.result["embedding"]["drifted"] is True
    assert done.result["embedding"]["p"] == 0.01
    assert done.result["embedding"]["mmd"]["value"] > done.result["embedding"]["chance"]
    del inputs["model"]
    assert embed.run(FolderContext(tmp_path / "without", inputs=inputs), params).result["embedding"] is None
    inputs["model"] = given(Path(version.splits["train"]))
    with pytest.raises(BadData, match="safetensors"):
        embed.run(FolderContext(tmp_path / "wrong", inputs=inputs), params)
