"""An evaluation of a real model can be computed again from what it left, digit by digit."""

import json
from pathlib import Path

from arc.fundus import classify, evaluate, stored
from arc.fundus.predict import POINTS
from arc.fundus.spec import ClassifyParams, EvaluateParams
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
