"""The fundus recipes after one another on a small dataset: train, stop and resume, evaluate, report."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from arc.core.errors import BadData, Cancelled
from arc.core.recipe import Done
from arc.data import manifest
from arc.fundus import classify, evaluate, explain, report
from arc.fundus.explain_spec import DriParams
from arc.fundus.spec import ClassifyParams, EvaluateParams, ReportParams
from arc.kit import checkpoint
from tests.numerics.fundus_dataset import dataset, made
from tests.unit.data.context import FolderContext, given

QUICK = {"input_size": 32, "epochs": 3, "batch_size": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("dataset"))


def train(root: Path, folder: Path, *, stop_at: int | None = None, newest: Path | None = None, **params: Any) -> tuple[FolderContext, Done]:
    ctx = FolderContext(root, seed=1, inputs={"dataset": dataset(folder)})
    ctx.stop_at_step, ctx.newest = stop_at, newest
    return ctx, classify.run(ctx, ClassifyParams.model_validate(QUICK | params))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> FolderContext:
    return train(tmp_path_factory.mktemp("train"), folder)[0]


def judge(root: Path, model: Path, folder: Path, **params: Any) -> tuple[FolderContext, Done]:
    inputs = {"model": given(model, digest="e" * 64), "dataset": dataset(folder, sealed=True)}
    ctx = FolderContext(root, inputs=inputs)
    return ctx, evaluate.run(ctx, EvaluateParams(**params))


def curve(ctx: FolderContext) -> dict[int, float]:
    return {step: values["loss"] for step, values in ctx.points if "loss" in values}


def test_training_leaves_model_history_and_config(trained: FolderContext) -> None:
    assert {name: kind for name, (kind, _) in trained.saved.items()} == {
        "model.safetensors": "model",
        "history.json": "result",
        "config.json": "config",
    }
    history = json.loads((trained.root / "history.json").read_text())
    assert [row["epoch"] for row in history["epochs"]] == [1, 2, 3]
    assert {"train_loss", "val_loss", "val_auc", "lr"} <= set(history["epochs"][0])
    config = json.loads((trained.root / "config.json").read_text())
    assert config["params"]["lr"] == ClassifyParams().lr
    assert config["dataset"]["name"] == "tiny"
    weights = checkpoint.load_model_weights(trained.root / "model.safetensors")
    assert weights.meta["dataset_digest"] == "d" * 64


def test_stopped_and_resumed_the_curve_is_that_of_one_run(tmp_path: Path, folder: Path, trained: FolderContext) -> None:
    whole = curve(trained)
    stopped = FolderContext(tmp_path / "one", seed=1, inputs={"dataset": dataset(folder)})
    stopped.stop_at_step = 4
    with pytest.raises(Cancelled):
        classify.run(stopped, ClassifyParams.model_validate(QUICK))
    resumed, _ = train(tmp_path / "two", folder, newest=stopped.checkpoints[-1])
    assert curve(stopped) | curve(resumed) == whole
    assert min(curve(resumed)) == max(curve(stopped)) + 1
    one, other = (checkpoint.load_model_weights(ctx.root / "model.safetensors").tensors for ctx in (trained, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_it_learns_what_can_be_seen(tmp_path: Path, folder: Path) -> None:
    bright = tmp_path / "bright"
    _relabelled(folder, bright)
    ctx, done = train(tmp_path / "run", bright, epochs=10, augment=False)
    assert done.metrics["val_auc"] > 0.9
    losses = curve(ctx)
    assert sum(losses[step] for step in sorted(losses)[-5:]) < 0.6 * sum(losses[step] for step in sorted(losses)[:5])


def _relabelled(folder: Path, into: Path) -> None:
    """The same photographs, the class told by brightness alone."""
    from arc.fundus import pictures

    for name in ("train", "val"):
        split = pictures.load(folder / "dataset" / f"{name}.csv", 32)
        levels = split.images_NCHW.float().mean(dim=(1, 2, 3))
        rows = []
        for row, level in zip(split.rows, levels, strict=True):
            target = into / "dataset" / row.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((folder / "dataset" / row.file).read_bytes())
            index = int(level > levels.median())
            rows.append(row.model_copy(update={"index": index, "label": ("normal", "glaucoma")[index]}))
        manifest.write(into / "dataset" / f"{name}.csv", rows)


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "focal", "optimizer": "sgd"},
        {"weighted_sampling": False, "augment": False, "optimizer": "adam"},
        {"model": "efficientnet_b0"},
    ],
)
def test_the_choices_of_the_form_all_run(tmp_path: Path, folder: Path, params: dict[str, Any]) -> None:
    _, done = train(tmp_path, folder, **params | {"epochs": 1})
    assert done.metrics["epochs"] == 1


def test_dummy_mode_takes_the_same_path_with_a_tiny_network(tmp_path: Path, folder: Path) -> None:
    ctx = FolderContext(tmp_path / "train", inputs={"dataset": dataset(folder)}, simulated=True)
    done = classify.run(ctx, ClassifyParams(epochs=50))
    assert done.metrics["epochs"] == 1
    with pytest.raises(BadData, match="made in dummy mode and counts for nothing"):
        judge(tmp_path / "measured", ctx.root / "model.safetensors", folder)
    inputs = {"model": given(ctx.root / "model.safetensors"), "dataset": dataset(folder, sealed=True)}
    judged = evaluate.run(FolderContext(tmp_path / "judge", inputs=inputs, simulated=True), EvaluateParams())
    assert judged.result["simulated"] is True
    explained = explain.run_dri(FolderContext(tmp_path / "dri", inputs=inputs, simulated=True), DriParams(split="val"))
    assert explained.result["simulated"] is True


def test_the_evaluation_counts_again_from_the_weights(tmp_path: Path, folder: Path, trained: FolderContext) -> None:
    ctx, done = judge(tmp_path, trained.root / "model.safetensors", folder)
    with (tmp_path / "predictions.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    sealed = manifest.read(folder / "sealed" / "sealed.csv")
    assert [row["file"] for row in rows] == [row.file for row in sealed]
    threshold = done.result["threshold"]
    hits = sum((float(row["probability"]) >= threshold) == bool(int(row["class"])) for row in rows)
    assert done.result["metrics"]["accuracy"]["value"] == pytest.approx(hits / len(rows))
    assert done.metrics["auc_low"] <= done.metrics["auc"] <= done.metrics["auc_high"]
    assert done.result["trained_on_this_dataset"] is True
    assert json.loads((tmp_path / "evaluation.json").read_text()) == json.loads(json.dumps(done.result))
    assert {name: kind for name, (kind, _) in ctx.saved.items()} == {
        "evaluation.json": "result",
        "predictions.csv": "predictions",
        "samples.json": "figure",
    }


def test_a_threshold_may_be_asked_for_and_another_split(tmp_path: Path, folder: Path, trained: FolderContext) -> None:
    _, done = judge(tmp_path, trained.root / "model.safetensors", folder, threshold=1.0, split="val")
    assert done.result["metrics"]["sensitivity"]["value"] == 0.0
    assert done.result["n"] == len(manifest.read(folder / "dataset" / "val.csv"))


def test_without_the_sealed_split_the_evaluation_says_what_it_was_given(tmp_path: Path, folder: Path, trained: FolderContext) -> None:
    inputs = {"model": given(trained.root / "model.safetensors"), "dataset": dataset(folder)}
    with pytest.raises(BadData, match="without its split sealed"):
        evaluate.run(FolderContext(tmp_path, inputs=inputs), EvaluateParams())


def test_a_damaged_model_is_refused(tmp_path: Path, folder: Path, trained: FolderContext) -> None:
    data = bytearray((trained.root / "model.safetensors").read_bytes())
    (tmp_path / "cut").write_bytes(data[:-100])
    with pytest.raises(BadData):
        judge(tmp_path / "run", tmp_path / "cut", folder)


def _report(root: Path, folder: Path, trained: FolderContext, **more: Any) -> tuple[str, str]:
    judged, _ = judge(root / "judge", trained.root / "model.safetensors", folder)
    inputs = {name: given(trained.root / f"{name}.json") for name in ("history", "config")}
    inputs |= {"evaluation": given(judged.root / "evaluation.json"), "predictions": given(judged.root / "predictions.csv")}
    inputs |= {"samples": given(judged.root / "samples.json"), "dataset": dataset(folder)} | more
    ctx = FolderContext(root / "report", inputs=inputs)
    done = report.run(ctx, ReportParams(title="Is <b>it</b> good?", command="arc demo --seed 1"))
    return (root / "report" / "report.html").read_text(), done.result["verdict"]


def test_the_report_is_one_file_that_says_what_it_does_not_show(tmp_path: Path, folder: Path, trained: FolderContext) -> None:
    page, verdict = _report(tmp_path, folder, trained)
    assert verdict in page
    for words in (
        "Not shown",
        "drawn by a program",
        "arc demo --seed 1",
        "patients are few",
        "data:image/jpeg;base64,",
        "Reliability",
        "Decision curve",
        "Its worst mistakes",
        "Evaluation card",
        "The dataset does not record: camera",
        "arc run --config config.yaml",
        "small_cnn",
    ):
        assert words in page
    assert "Is &lt;b&gt;it&lt;/b&gt; good?" in page
    for tag in ("<script", "<link", 'src="http', "url(http"):
        assert tag not in page


def test_the_report_shows_where_the_model_looks_and_refuses_the_maps_of_another(
    tmp_path: Path, folder: Path, trained: FolderContext
) -> None:
    for name, digest in (("own", "e" * 64), ("other", "f" * 64)):
        inputs = {"model": given(trained.root / "model.safetensors", digest=digest), "dataset": dataset(folder)}
        explain.run_dri(FolderContext(tmp_path / name, inputs=inputs), DriParams(num_samples=2, randomisations=1))
    page, _ = _report(tmp_path, folder, trained, explanation=given(tmp_path / "own" / "explanation.json"))
    for words in ("Where it looks", "with random weights", "moved elsewhere", "DRI 0."):
        assert words in page
    with pytest.raises(BadData, match="another model"):
        _report(tmp_path / "again", folder, trained, explanation=given(tmp_path / "other" / "explanation.json"))


def test_a_report_of_wrong_inputs_is_bad_data(tmp_path: Path, folder: Path, trained: FolderContext) -> None:
    (tmp_path / "wrong.json").write_text("{}")
    (tmp_path / "text.json").write_text("none")
    for name in ("wrong", "text"):
        with pytest.raises(BadData):
            _report(tmp_path / name, folder, trained, evaluation=given(tmp_path / f"{name}.json"))
