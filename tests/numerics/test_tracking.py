"""Tracking: what W&B and TensorBoard keep of a run, and that a tool that hangs, dies or is missing harms nothing."""

import base64
import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from arc.kit import tracking
from arc.kit.tracking import Tracking
from tests.numerics import wandb_run

ABOUT: dict[str, Any] = {"id": "job_1.1", "group": "exp_1", "home": "/w/experiments/exp_1", "config": {"params": {"lr": 1e-3}}}


class Said:
    """Collects what is logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    @property
    def events(self) -> list[str]:
        """The events alone."""
        return [event for event, _ in self.lines]


def _records(path: Path) -> list[bytes]:
    """The records of an event file: length, its checksum, the bytes, their checksum."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        found.append(data[at + 12 : at + 12 + length])
        at += 16 + length
    return found


def _stub(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    (folder / "stub").mkdir()
    (folder / "stub" / "wandb.py").write_text(body)
    monkeypatch.syspath_prepend(str(folder / "stub"))


def test_event_files_hold_every_point(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed: pip install 'arc-control[tracking]'")
    from tensorboardX.proto.event_pb2 import Event

    said = Said()
    run = Tracking(tmp_path, ["tensorboard"], about=ABOUT, log=said, patience_s=60)
    for step in range(1, 51):
        run.report(step, {"train_loss": 1 / step})
    run.report(51, {f"metric_{number}": 1.0 for number in range(500)})  # more than one write of a pipe takes whole
    run.close()
    (file,) = (tmp_path / "tensorboard").iterdir()
    events = [Event.FromString(record) for record in _records(file)]
    points = [(event.step, value.tag, value.simple_value) for event in events for value in event.summary.value]
    losses = [(step, value) for step, tag, value in points if tag == "train_loss"]
    assert losses == [(step, pytest.approx(1 / step)) for step in range(1, 51)]
    assert sum(tag.startswith("metric_") for _, tag, _ in points) == 500
    assert said.lines == []


def test_an_offline_run_holds_config_curve_result_and_artifacts(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed: pip install 'arc-control[tracking]'")
    said = Said()
    run = Tracking(tmp_path, ["wandb"], about=ABOUT, log=said, patience_s=60)
    for step in range(1, 6):
        run.report(step, {"train_loss": 1 / step})
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"weights")
    run.artifact(model, "model")
    run.artifact(model, "checkpoint")  # is for resuming, and no artifact
    run.result({"auc": 0.9, "began_with": None})
    run.close()
    assert said.lines == []
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    name = folder.name
    folder = folder.rename(tmp_path / "elsewhere")  # as it is when the attempt is published
    (file,) = folder.glob("*.wandb")
    records = wandb_run.records(file)
    history = [
        {item.key or item.nested_key[0]: json.loads(item.value_json) for item in one.history.item}
        for one in records
        if one.HasField("history")
    ]
    assert [row["train_loss"] for row in history] == [1 / step for step in range(1, 6)]
    config = {item.key: json.loads(item.value_json) for one in records if one.HasField("run") for item in one.run.config.update}
    assert config["params"] == {"lr": 1e-3}
    ((called, made),) = wandb_run.artifacts(file).items()
    assert (called, made.type) == ("exp_1.model.safetensors", "model")
    (file_of,) = made.manifest.contents
    assert (file_of.path, file_of.size) == ("model.safetensors", 7)
    assert base64.b64decode(file_of.digest) == hashlib.md5(b"weights", usedforsecurity=False).digest()
    # where `wandb sync` will look: in the home of the experiment, once the run has been moved there
    assert Path(file_of.local_path) == Path(ABOUT["home"]) / "wandb" / name / "files" / "artifacts" / "model.safetensors"
    assert (folder / "files" / "artifacts" / "model.safetensors").read_bytes() == b"weights"
    summary = {
        item.key: json.loads(item.value_json) for one in records if one.HasField("summary") for item in one.summary.update if item.key
    }
    assert summary["auc"] == 0.9


@pytest.mark.parametrize(
    ("body", "event"),
    [
        ("import time\ntime.sleep(1000)", "tracking did not finish and was ended"),
        ("raise ImportError('broken')", "tracking ended early"),
        ("import os\nos._exit(3)", "tracking ended early"),
    ],
    ids=["hangs", "raises", "dies"],
)
def test_a_tool_that_fails_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, event: str) -> None:
    _stub(tmp_path, monkeypatch, body)
    said = Said()
    run = Tracking(tmp_path, ["wandb"], about=ABOUT, log=said, patience_s=5.0 if "exit" in body or "raise" in body else 0.5)
    for step in range(100):
        run.report(step, {"train_loss": 0.5})
    run.close()
    assert event in said.events
    assert all(fields["level"] == "warning" for _, fields in said.lines)


def test_a_hanging_tool_never_makes_report_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _stub(tmp_path, monkeypatch, "import time\ntime.sleep(1000)")
    said = Said()
    run = Tracking(tmp_path, ["wandb"], about=ABOUT, log=said, patience_s=0.2)
    for step in range(40_000):  # more than the pipe holds
        run.report(step, {"train_loss": 0.5})
    run.close()
    assert said.events[0] == "tracking cannot keep up; values are dropped"
    assert said.lines[-1][1]["lines"] > 0


def test_a_tool_that_is_not_installed_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "_MODULES", {"wandb": "no_such_module_here"})
    said = Said()
    run = Tracking(tmp_path, ["wandb"], about=ABOUT, log=said)
    run.report(1, {"train_loss": 0.5})
    run.close()
    assert said.events == ["tracking is left out"]
    assert "not installed" in said.lines[0][1]["why"]
