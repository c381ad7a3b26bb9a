"""An evaluation of a real model can be computed again from what it left, digit by digit."""

import html
import json
import re
from pathlib import Path

import yaml

from arc.cli.compose import compose
from arc.fundus import classify, evaluate, report, stored
from arc.fundus.predict import POINTS
from arc.fundus.spec import ClassifyParams, EvaluateParams, ReportParams
from tests.numerics.fundus_dataset import dataset, made
from tests.unit.data.context import FolderContext, given


def test_the_same_digits_come_out_of_the_predictions_that_were_kept(tmp_path: Path) -> None:
    folder = made(tmp_path / "set")
    trained = FolderContext(tmp_path / "train", seed=1, inputs={"dataset": dataset(folder)})
    classify.run(trained, ClassifyParams(input_size=32, epochs=2, batch_size=8))
    inputs = {"model": given(trained.root / "model.safetensors", digest="e" * 64), "dataset": dataset(folder, sealed=True)}
    judged = FolderContext(tmp_path / "judge", seed=5, inputs=inputs)
    evaluate.run(judged, EvaluateParams())
    kept = (judged.root / "evaluation.json").read_text()
    again = stored.again((judged.root / "predictions.csv").read_text(), json.loads(kept))
    assert json.dumps(again, indent=1, allow_nan=False) + "\n" == kept
    found = json.loads(kept)
    assert set(found["operating_points"]) == set(POINTS)
    assert {f"{rate}_at_{name}" for name in POINTS for rate in ("sensitivity", "specificity")} <= set(found["metrics"])
    assert found["temperature"]["value"] > 0
    assert found["card"]["judged_on"]["photographs"] == found["n"]


def test_the_configuration_on_the_page_is_what_arc_run_takes(tmp_path: Path) -> None:
    folder = made(tmp_path / "set")
    trained = FolderContext(tmp_path / "train", seed=1, inputs={"dataset": dataset(folder)})
    params = ClassifyParams(input_size=32, epochs=1, batch_size=8, lr=1e-3)
    classify.run(trained, params)
    inputs = {"model": given(trained.root / "model.safetensors", digest="e" * 64), "dataset": dataset(folder, sealed=True)}
    judged = FolderContext(tmp_path / "judge", inputs=inputs)
    evaluate.run(judged, EvaluateParams(samples=1))
    inputs = {name: given(trained.root / f"{name}.json") for name in ("history", "config")} | {"dataset": dataset(folder)}
    inputs |= {"evaluation": given(judged.root / "evaluation.json"), "predictions": given(judged.root / "predictions.csv")}
    page = FolderContext(tmp_path / "page", inputs=inputs)
    report.run(page, ReportParams())
    shown = [
        html.unescape(text) for text in re.findall(r"<pre><code>(.*?)</code></pre>", (page.root / "report.html").read_text(), re.DOTALL)
    ]
    assert shown[0] == "arc run --config config.yaml"
    again = compose("fundus.classify", [], workspace=tmp_path, file=yaml.safe_load(shown[1]))
    assert again.params == params.model_dump(mode="json")
    assert again.document() == yaml.safe_load(shown[1])
