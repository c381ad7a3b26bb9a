"""What a study has learned, as it is asked and shown: world model, controls, summary, page; with nothing, with little, and with failures."""

import json
import math
from pathlib import Path

import pytest

from arc.core.attempt import FailureClass
from arc.core.proposal import Observation
from arc.core.study import Objective
from arc.kit import report
from arc.research import controls, learned, page, summary
from arc.research.learned import Model
from arc.research.memory import Memory
from arc.research.model.calibration import calibration
from arc.research.rehearsal import Rehearsal
from arc.research.view import Machine, View
from tests.unit.research.studies import BASELINE, SPACE, campaign, flat, observed, spec, view


def some(count: int) -> tuple[Observation, ...]:
    """Experiments that are better with the focal loss, with one crash at a high learning rate."""
    made = [
        observed(0.7 + 0.1 * (number % 2) + 0.001 * number, loss=("dice", "focal")[number % 2], dropout=0.05 + 0.05 * number, lr=10 ** (-5 + 0.3 * number))
        for number in range(count)
    ]  # fmt: skip
    return (*made, observed(failure=FailureClass.NAN, lr=0.9)) if count else ()


def less(here: View) -> View:
    """The same view of a study in which less is better."""
    return View(**vars(here) | {"spec": here.spec.model_copy(update={"objective": Objective(metric="auc", direction="min")})})


def test_a_model_with_nothing_to_say_says_nothing_and_still_suggests() -> None:
    empty = Model(view())
    assert empty.predict([BASELINE, BASELINE]) == [None, None]
    found = empty.suggest(3)
    assert len(found) == 3
    assert all(SPACE.violations(config) == [] and said is None for config, said in found)


def test_a_model_expects_in_the_unit_and_direction_of_the_metric() -> None:
    here = view(observations=some(10))
    for seen in (here, less(here)):
        focal, dice = Model(seen).predict([BASELINE | {"loss": loss} for loss in ("focal", "dice")])
        assert focal is not None
        assert dice is not None
        assert 0.6 < dice.mean < focal.mean < 0.9


def test_what_is_learned_of_failures_is_only_what_lies_in_the_configuration() -> None:
    seen = (observed(0.7), observed(failure=FailureClass.NAN), observed(failure=FailureClass.LOST, blamed=False))
    assert [(one.value, one.failed) for one in learned.trials(view(observations=seen))] == [(0.7, False), (None, True)]
    assert learned.trials(less(view(observations=seen)))[0].value == -0.7


def test_controls_are_drawn_at_equal_budget_and_only_when_enough_is_known() -> None:
    assert controls.curves(view()) == {}
    assert controls.curves(view(observations=some(controls.ENOUGH - 1))) == {}
    here = view(observations=some(10))
    lines = controls.curves(here)
    assert set(lines) == {"study", "random", "tpe"}
    assert len({len(line) for line in lines.values()}) == 1
    assert all(line == sorted(line) for line in lines.values())
    assert all(line == sorted(line, reverse=True) for line in controls.curves(less(here)).values())
    assert lines == controls.curves(here)


def remembered() -> Memory:
    """The memory of a study before its first step."""
    desk = Rehearsal(spec(), lambda config: 0.8, noise_sd=0.01, flat=flat)
    return Memory.of(desk.study(), SPACE, dict(BASELINE))


def test_a_study_that_has_not_begun_has_a_summary_without_numbers() -> None:
    memory = remembered()
    told = summary.of(memory.view(0, [], Machine(memory_gb=8, threads=2)), memory)
    assert (told["experiments"], told["incumbent"], told["noise"], told["verdict"]) == (0, None, None, "not known yet")
    assert told["is_baseline"]
    json.dumps(told, allow_nan=False)


@pytest.mark.parametrize(
    ("tests", "verdict"),
    [
        ([], "not known yet"),
        (["not better"], "not better"),
        (["not better", "not known yet"], "not known yet"),
        (["not known yet", "better", "not better"], "better"),
    ],
)
def test_the_verdict_is_no_more_than_its_tests_say(tests: list[str], verdict: str) -> None:
    memory = remembered()
    memory.tests += [{"verdict": one} for one in tests]
    assert summary.verdict(memory) == verdict


def test_an_interval_is_as_wide_as_the_noise_and_the_seeds_make_it() -> None:
    here = view()
    told = summary.standing(here, here.incumbent)
    assert told is not None
    assert told["high"] - told["low"] == pytest.approx(2 * 1.96 * 0.01 / math.sqrt(5), rel=1e-3)
    assert summary.standing(here, None) is None


def composed(seen: View, memory: Memory, to: Path) -> str:
    """The page of a study as a file."""
    told = summary.of(seen, memory)
    judged = calibration(seen.space, learned.trials(seen), seed=0)
    report.write(to, page.compose(seen, memory, told, controls=controls.curves(seen), calibration=judged))
    return to.read_text()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_page_of_little_or_nothing_says_so(tmp_path: Path, count: int) -> None:
    memory = remembered()
    seen = memory.view(0, list(some(count)), Machine(memory_gb=8, threads=2))
    text = composed(seen, memory, tmp_path / "study.html")
    for words in ("Not known yet", "The noise could not be measured", "No challenger came as far", "was not read by this study", "POST /studies"):  # fmt: skip
        assert words in text
    assert ("nan" in text) == (count > 0)


def test_the_page_of_a_study_that_found_something_shows_its_argument(tmp_path: Path) -> None:
    made, _ = campaign(lambda config: 0.8 + (0.05 if config["loss"] == "focal" else 0.0), noise=0.005)
    told = made.run()
    assert told["verdict"] == "better"
    text = composed(made.view(), made.memory, tmp_path / "study.html")
    for words in (
        "Better: auc",
        "Against random search and TPE",
        "Tests on fresh seeds",
        "directive",
        "Simulated",
        "accepted improvements",
    ):
        assert words in text
