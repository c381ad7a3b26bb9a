"""The verdict of an evaluation in a few lines: numbers with intervals, and what they were measured on."""

from typing import Any

import pytest

from arc.cli.verdict import is_verdict, verdict
from tests.unit.jobs.making import job

AUC = {"value": 0.87123, "low": 0.8, "high": 0.93}


def _judged(**changes: Any) -> Any:
    result = {
        "split": "sealed", "n": 48, "threshold": 0.41, "confidence": 0.9, "patients_known": True, "simulated": False,
        "dataset": {"name": "eyes", "version": 2, "patients": {"sealed": 24}},
        "metrics": {"auc": AUC, "auc_delong": AUC, "precision": {"value": None, "low": None, "high": None}},
    }  # fmt: skip
    return job(result=result | changes)


def test_it_names_the_patients_the_split_the_threshold_and_the_interval(capsys: pytest.CaptureFixture[str]) -> None:
    verdict(_judged())
    out = capsys.readouterr().out
    assert "48 photographs of 24 patients, never seen in training: sealed split of eyes@2." in out
    assert "probability of 0.410 on" in out
    assert "90 % interval" in out
    assert out.count("0.871   0.800 to 0.930") == 2
    assert "precision" not in out  # it was not defined, and is not shown as zero


def test_unknown_patients_are_said_to_be_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    verdict(_judged(patients_known=False))
    out = capsys.readouterr().out
    assert "48 photographs (patients unknown)" in out
    assert "independent" not in out


def test_validation_is_not_held_out_and_simulated_is_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    verdict(_judged(split="val", simulated=True))
    out = capsys.readouterr().out
    assert "seen in training only to choose by" in out
    assert "Simulated" in out


def test_only_an_evaluation_is_a_verdict() -> None:
    assert is_verdict(_judged())
    assert not is_verdict(job())
    assert not is_verdict(job(result={"metrics": {"auc": 0.5}}))
