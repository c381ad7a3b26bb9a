"""The words of the report: the verdict goes by the lower bound, and what is not shown is said."""

from typing import Any

import pytest

from arc.fundus.findings import not_shown, verdict


def evaluation(low: float | None, high: float | None, *, value: float | None = 0.7, **more: Any) -> dict[str, Any]:
    return {
        "metrics": {"auc": {"value": value, "low": low, "high": high, "note": "one class only"}},
        "confidence": 0.95,
        "n": 200,
        "patients": 100,
        "patients_known": True,
        "split": "sealed",
        "simulated": False,
        "trained_on_this_dataset": True,
    } | more


@pytest.mark.parametrize(
    ("low", "high", "begins", "tone"),
    [
        (0.62, 0.9, "Clearly better than chance", "good"),
        (0.55, 0.9, "Better than chance", "good"),
        (0.5, 0.9, "Not known", "plain"),
        (0.2, 0.8, "Not known", "plain"),
        (0.1, 0.45, "Worse than chance", "bad"),
        (None, None, "Not known", "plain"),
    ],
)
def test_the_verdict_goes_by_the_bounds(low: float | None, high: float | None, begins: str, tone: str) -> None:
    sentence, said = verdict(evaluation(low, high))
    assert sentence.startswith(begins)
    assert said == tone


def test_without_an_area_nothing_is_known_and_the_reason_is_given() -> None:
    assert "one class only" in verdict(evaluation(None, None, value=None))[0]


def test_a_simulated_run_gets_no_verdict() -> None:
    assert verdict(evaluation(0.9, 0.99, simulated=True))[0].startswith("Simulated")


def test_what_is_not_shown_follows_from_the_case() -> None:
    plain = " ".join(not_shown(evaluation(0.6, 0.8), {"source": "a clinic"}))
    assert "drawn by a program" not in plain
    assert "One dataset" in plain
    assert "drawn by a program" in " ".join(not_shown(evaluation(0.6, 0.8), {"source": "synthetic: ARC"}))
    small = " ".join(
        not_shown(evaluation(0.6, 0.8, patients=None, n=8, patients_known=False, split="val", trained_on_this_dataset=False), {})
    )
    for words in ("Patients are not known", "8 photographs are few", "too good", "another dataset version"):
        assert words in small
