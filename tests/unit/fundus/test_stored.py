"""A second evaluation from the stored predictions gives the same digits, and the card says who was not among those judged."""

import json
from typing import Any

import numpy as np
import pytest

from arc.core.errors import BadData
from arc.data.manifest import Row
from arc.fundus import card, findings, stored

CLASSES = ("normal", "glaucoma")


def predictions(n: int, *, threshold: float = 0.5, sites: tuple[str, ...] = ("north", "south"), eye: bool = True) -> str:
    """The table of n photographs, two a patient, of a model that is twice too sure of itself."""
    random = np.random.default_rng(1)
    rows, scaled, unscaled = [], [], []
    for number in range(n):
        label = number // 2 % 2
        odds = float(random.normal(2 * label - 1, 2.0))
        patient, side = f"P{number // 2}", "LR"[number % 2] if eye else ""
        rows.append(
            Row(file=f"{number}.png", label=CLASSES[label], index=label, patient=patient, eye=side,
                site=sites[number // 4 % len(sites)], sha256="a" * 64, bytes=1)
        )  # fmt: skip
        scaled.append(1 / (1 + float(np.exp(-odds))))
        unscaled.append(1 / (1 + float(np.exp(-2 * odds))))
    return stored.table(rows, scaled, unscaled, threshold=threshold)


def evaluation(text: str, **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "threshold": 0.5, "confidence": 0.95, "seed": 3, "operating_points": {"val_specificity_85": 0.7},
        "temperature": {"value": 2.0, "from": "the model"}, "patients_known": True, "split": "sealed", "simulated": False,
        "trained_on_this_dataset": True, "model": {"name": "small_cnn"},
    } | more  # fmt: skip
    judged = stored.read(text, patients_known=told["patients_known"])
    found = told | stored.measured(judged, told)
    facts = card.facts(judged, found, sites_elsewhere={"north", "west"})
    return found | {"card": facts | {"not_shown": findings.not_shown(found | {"card": facts}, {})}}


@pytest.mark.parametrize("known", [True, False])
def test_a_second_evaluation_gives_the_same_digits(known: bool) -> None:
    text = predictions(80)
    first = evaluation(text, patients_known=known)
    kept = json.dumps(first, allow_nan=False)
    assert json.dumps(stored.again(text, json.loads(kept)), allow_nan=False) == kept


def test_another_order_of_patients_or_a_changed_probability_is_seen() -> None:
    text = predictions(80)
    first = evaluation(text)
    line = text.splitlines()[5]
    changed = text.replace(line, ",".join("0.123" if at == 6 else cell for at, cell in enumerate(line.split(","))))
    assert stored.again(changed, first)["metrics"]["brier"] != first["metrics"]["brier"]


def test_everything_has_an_interval_or_says_why_not() -> None:
    found = evaluation(predictions(80))
    every = [*found["metrics"].values(), *found["decision_curve"], *found["temperature"]["before"].values()]
    every += [one for rows in found["subgroups"].values() for row in rows.values() for one in row["metrics"].values()]
    assert all(one["note"] or (one["low"] <= one["high"]) for one in every)
    assert set(found["subgroups"]) == {"site", "eye"}
    assert found["per_site"]["north"] == found["subgroups"]["site"]["north"]["metrics"]["auc"]
    assert found["temperature"]["after"]["calibration_error"] == found["metrics"]["calibration_error"]
    assert found["temperature"]["before"]["log_loss"]["value"] > found["temperature"]["after"]["log_loss"]["value"]


def test_what_was_not_judged_is_on_the_card() -> None:
    found = evaluation(predictions(24, eye=False))["card"]
    assert found["judged_on"] | {"photographs": 24, "patients": 12, "eye": {"unknown": 24}} == found["judged_on"]
    assert found["not_judged"] == {"site": ["west"]}
    assert {"camera", "age", "sex", "eye"} <= set(found["not_recorded"])
    assert {one["value"] for one in found["too_few"]} == {"north", "south"}
    words = " ".join(found["not_shown"])
    for part in (
        "2 sites (north, south)",
        "not judged: west",
        "camera, age, sex",
        "Too few to be judged alone: site north (6 with glaucoma",
    ):
        assert part in words


def test_one_site_is_said_to_be_one() -> None:
    found = evaluation(predictions(24, sites=("Bern",)))
    assert any("one site, Bern" in sentence for sentence in found["card"]["not_shown"])


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("a,b\n1,2\n", "no column"),
        ("file,patient,eye,site,label,class,probability,called\nx,p,,,normal,0,often,normal\n", "line 2"),
        ("file,patient,eye,site,label,class,probability,called\nx,p,,,normal,7,0.5,normal\n", "mean nothing"),
        ("file,patient,eye,site,label,class,probability,called\nx,p,,,normal,0,nan,normal\n", "mean nothing"),
        ("file,patient,eye,site,label,class,probability,called\nx,p\n", "line 2"),
    ],
)
def test_what_are_no_predictions_is_refused(text: str, field: str) -> None:
    with pytest.raises(BadData, match=field):
        stored.read(text, patients_known=True)
