"""fundus.ensemble: the mean of its members, from one file, for everything that takes a classifier; what does not fit together is named."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from arc.core.errors import BadData
from arc.core.recipe import Done
from arc.fundus import cam, classify, embed, ensemble, evaluate, explain, pictures, predict, pretrained, report
from arc.fundus.classify_spec import ClassifyParams
from arc.fundus.ensemble_network import Ensemble
from arc.fundus.ensemble_spec import EnsembleParams
from arc.fundus.explain_spec import DriParams
from arc.fundus.networks import build
from arc.fundus.spec import EvaluateParams, ReportParams
from arc.kit import checkpoint
from tests.numerics.fundus_dataset import dataset, made
from tests.unit.data.context import FolderContext, given

QUICK = {"input_size": 32, "epochs": 2, "batch_size": 8}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("dataset"))


def member(root: Path, folder: Path, *, seed: int, simulated: bool = False, **params: Any) -> Path:
    ctx = FolderContext(root, seed=seed, inputs={"dataset": dataset(folder)}, simulated=simulated)
    classify.run(ctx, ClassifyParams.model_validate(QUICK | params))
    return root / "model.safetensors"


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> list[Path]:
    return [member(tmp_path_factory.mktemp("member"), folder, seed=seed) for seed in (1, 2, 3)]


def join(root: Path, folder: Path, models: list[Path], *, simulated: bool = False, **of_dataset: Any) -> tuple[FolderContext, Done]:
    inputs = {f"model_{number}": given(path) for number, path in enumerate(models, 1)} | {"dataset": dataset(folder, **of_dataset)}
    ctx = FolderContext(root, seed=9, inputs=inputs, simulated=simulated)
    return ctx, ensemble.run(ctx, EnsembleParams())


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory, folder: Path, members: list[Path]) -> FolderContext:
    return join(tmp_path_factory.mktemp("joined"), folder, members)[0]


def test_its_probability_is_the_mean_of_its_members(folder: Path, members: list[Path], joined: FolderContext) -> None:
    images = pictures.load(folder / "dataset" / "val.csv", 32).images_NCHW
    whole = predict.load(joined.root / "model.safetensors", CPU)
    said = predict.probabilities(whole.network, images, device=CPU, batch_size=5)
    alone = []
    for path in members:
        one = predict.load(path, CPU)
        alone.append(predict.probabilities(one.network, images, device=CPU, batch_size=5, temperature=one.card.temperature))
    assert torch.allclose(said, torch.stack(alone).mean(dim=0), atol=1e-6)
    assert [one.seed for one in whole.card.members] == [1, 2, 3]
    assert whole.card.dataset_digest == "d" * 64


def test_threshold_and_temperature_are_those_of_the_whole(folder: Path, joined: FolderContext) -> None:
    history = json.loads((joined.root / "history.json").read_text())
    whole = predict.load(joined.root / "model.safetensors", CPU)
    assert whole.card.threshold == history["operating_point"]["threshold"]
    assert whole.card.temperature == history["temperature"]["value"]
    if not history["temperature"]["note"]:
        assert history["temperature"]["after"] <= history["temperature"]["before"]


def test_the_same_members_give_the_same_bytes(tmp_path: Path, folder: Path, members: list[Path], joined: FolderContext) -> None:
    again, _ = join(tmp_path, folder, members)
    assert (again.root / "model.safetensors").read_bytes() == (joined.root / "model.safetensors").read_bytes()


def test_evaluation_explanation_and_report_take_it_for_a_classifier(tmp_path: Path, folder: Path, joined: FolderContext) -> None:
    model = given(joined.root / "model.safetensors", digest="e" * 64)
    judged = FolderContext(tmp_path / "judge", inputs={"model": model, "dataset": dataset(folder, sealed=True)})
    done = evaluate.run(judged, EvaluateParams(task="classification"))
    assert done.result["model"]["name"] == "small_cnn"
    with (judged.root / "predictions.csv").open(newline="") as table:
        assert len(list(csv.DictReader(table))) == done.result["n"]
    explained = FolderContext(tmp_path / "dri", inputs={"model": model, "dataset": dataset(folder)})
    dri = explain.run_dri(explained, DriParams(num_samples=2, randomisations=1))
    assert 0 <= dri.metrics["mean_dri"] <= 1
    inputs = {name: given(joined.root / f"{name}.json") for name in ("history", "config")}
    inputs |= {name: given(judged.root / f"{name}.json") for name in ("evaluation", "samples")}
    inputs |= {"predictions": given(judged.root / "predictions.csv"), "dataset": dataset(folder)}
    inputs["explanation"] = given(explained.root / "explanation.json")
    report.run(FolderContext(tmp_path / "report", inputs=inputs), ReportParams())
    page = (tmp_path / "report" / "report.html").read_text()
    assert "3 trained models answer as one" in page
    assert "Each member alone" in page
    with pytest.raises(BadData, match="not for segmentation"):
        evaluate.run(judged, EvaluateParams(task="segmentation"))


def test_its_map_is_the_mean_of_its_members_maps(folder: Path, members: list[Path], joined: FolderContext) -> None:
    images = pictures.load(folder / "dataset" / "val.csv", 32).images_NCHW[:4]
    whole = predict.load(joined.root / "model.safetensors", CPU).network
    layer = cam.target_layer(whole, 32)
    seen = cam.look(whole, images, layer=layer)
    expected = torch.zeros_like(seen.maps_NHW)
    for path in members:
        maps = cam.look(predict.load(path, CPU).network, images, layer=layer, classes_N=seen.classes_N).maps_NHW
        peak = maps.amax(dim=(1, 2), keepdim=True)
        expected += maps / torch.where(peak > 0, peak, 1.0) / 3
    assert torch.allclose(seen.maps_NHW, expected, atol=1e-6)


def test_its_embedding_is_that_of_each_member_side_by_side(members: list[Path], joined: FolderContext) -> None:
    images = torch.randint(0, 255, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    whole = embed.embedding(predict.load(joined.root / "model.safetensors", CPU).network, images, CPU)
    first = embed.embedding(predict.load(members[0], CPU).network, images, CPU)
    assert whole.shape == (3, 3 * first.shape[1])
    assert (whole[:, : first.shape[1]] == first).all()


def test_one_is_right_where_half_are_wrong_alone() -> None:
    """The mean of sure and unsure answers, digit for digit, far out where a softmax would round to 0."""

    class Says(torch.nn.Module):
        def __init__(self, odds: float) -> None:
            super().__init__()
            self.odds = odds

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[0.0, self.odds]]).expand(len(images), 2)

    network = Ensemble([Says(200.0), Says(-200.0), Says(2.0)], temperatures=[1.0, 2.0, 4.0])
    said = network(torch.zeros(2, 3, 8, 8))
    expected = (1 + 0 + 1 / (1 + torch.tensor(-0.5).exp())) / 3
    assert torch.allclose(said.softmax(dim=1)[:, 1], expected.expand(2), atol=1e-6)
    assert torch.isfinite(said).all()


def refused(root: Path, folder: Path, models: list[Path], match: str, field: str, **more: Any) -> None:
    with pytest.raises(BadData, match=match) as caught:
        join(root, folder, models, **more)
    assert (caught.value.field, caught.value.value is None) == (field, False)


def test_what_does_not_fit_together_is_named(tmp_path: Path, folder: Path, members: list[Path], joined: FolderContext) -> None:
    first = members[0]
    refused(tmp_path / "a", folder, [first, first], "same file", "inputs.model_2")
    refused(tmp_path / "b", folder, [first, joined.root / "model.safetensors"], "ensemble already", "inputs.model_2")
    large = member(tmp_path / "large", folder, seed=1, input_size=48)
    refused(tmp_path / "c", folder, [first, members[1], large], "side of its pictures 48 and 32", "inputs.model_3")
    tiny = member(tmp_path / "tiny", folder, seed=1, simulated=True)
    refused(tmp_path / "d", folder, [first, tiny], "dummy mode", "inputs.model_2")
    refused(tmp_path / "e", folder, [first, members[1]], "is a real model", "inputs.model_1", simulated=True)
    folds = [member(tmp_path / f"fold{fold}", folder, seed=1, folds=3, fold=fold) for fold in (0, 1)]
    refused(tmp_path / "f", folder, folds, "different folds, 1 of 3 and 0 of 3", "inputs.model_2")


def test_members_of_one_fold_choose_on_that_fold(tmp_path: Path, folder: Path) -> None:
    models = [member(tmp_path / f"seed{seed}", folder, seed=seed, folds=3, fold=1) for seed in (1, 2)]
    inside = json.loads((join(tmp_path / "a", folder, models)[0].root / "config.json").read_text())["dataset"]["val"]
    elsewhere = json.loads((join(tmp_path / "b", folder, models, digest="0" * 64)[0].root / "config.json").read_text())["dataset"]["val"]
    train, val = (pictures.load(folder / "dataset" / f"{name}.csv", 32) for name in ("train", "val"))
    assert inside == pytest.approx((len(train) + len(val)) / 3, abs=4)
    assert elsewhere == len(val)


def test_dummy_mode_joins_tiny_members_and_what_they_say_does_not_count(tmp_path: Path, folder: Path) -> None:
    models = [member(tmp_path / f"seed{seed}", folder, seed=seed, simulated=True) for seed in (1, 2)]
    joined, _ = join(tmp_path / "joined", folder, models, simulated=True)
    inputs = {"model": given(joined.root / "model.safetensors"), "dataset": dataset(folder, sealed=True)}
    with pytest.raises(BadData, match="made in dummy mode") as caught:
        evaluate.run(FolderContext(tmp_path / "measured", inputs=inputs), EvaluateParams())
    assert (caught.value.field, caught.value.value) == ("model", "simulated")
    rehearsed = evaluate.run(FolderContext(tmp_path / "rehearsed", inputs=inputs, simulated=True), EvaluateParams())
    assert rehearsed.result["simulated"] is True


def test_a_file_that_lies_about_its_members_is_refused(tmp_path: Path, joined: FolderContext) -> None:
    weights = checkpoint.load_model_weights(joined.root / "model.safetensors")
    network = build("small_cnn", dropout=0.0)
    for name, change in (
        ("none", {"members": []}),
        ("alone", {"recipe": "fundus.classify"}),
        ("two", {"members": weights.meta["members"][:2]}),
    ):
        checkpoint.save_model(tmp_path / name, predict.load(joined.root / "model.safetensors", CPU).network, weights.meta | change)
        with pytest.raises(BadData):
            predict.load(tmp_path / name, CPU)
    with pytest.raises(BadData, match="another model"):
        pretrained.load(network, joined.root / "model.safetensors", model="small_cnn", source="the ensemble")
