"""Explorer, architect and scientist: whatever they have seen, they stay within the space and out of learned regions."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc.core.attempt import FailureClass
from arc.core.proposal import Constraint, Observation, Predicted, Proposal
from arc.core.space import Choice, Config, Integer, Real, Space, When, digest
from arc.research.agents import architect, explorer, scientist
from arc.research.view import Directive, Standing, View
from tests.unit.research.studies import BASELINE, EXPLORE, observed, proposal, spec, view

NESTED = Space(
    parameters={
        "lr": Real(low=1e-6, high=1.0, log=True),
        "epochs": Integer(low=1, high=12),
        "loss": Choice(values=("cross_entropy", "focal", "dice")),
        "gamma": Real(low=0.0, high=5.0, when=When(name="loss", values=("focal",))),
        "parts": Integer(low=1, high=64, log=True, when=When(name="loss", values=("dice",))),
        "augment.flip": Real(low=0.0, high=1.0),
        "augment.rotate": Real(low=0.0, high=90.0),
    }
)
START: dict[str, Any] = {"lr": 1e-3, "epochs": 3, "loss": "cross_entropy", "augment.flip": 0.5, "augment.rotate": 10.0}
FOCAL = Constraint(
    id="loss.oom", param="loss", values=("focal",), failure_class=FailureClass.OOM, support=3, trials=3, learned_at=5, expires_at=15
)  # fmt: skip


def nested(
    cycle: int,
    *,
    seed: int = 0,
    constraints: tuple[Constraint, ...] = (),
    seen: tuple[Observation, ...] = (),
    start: dict[str, Any] = START,
) -> View:
    """A view of the nested space."""
    return View(
        **vars(view(cycle, observations=seen))
        | {
            "space": NESTED, "baseline": start, "constraints": constraints, "spec": spec(space=NESTED, baseline=start, seed=seed),
            "incumbent": Standing("study_tests-baseline", start, dict.fromkeys(range(5), 0.8)),
        }
    )  # fmt: skip


def check(here: View, made: Sequence[Proposal]) -> None:
    """What every proposal must hold."""
    for one in made:
        config = here.config(dict(one.changes))
        assert here.space.violations(config) == []
        assert set(one.changes) <= set(here.space.active(here.baseline | one.changes))
        assert set(config) == set(here.space.active(config))
        assert one.hypothesis
        assert one.cycle == here.cycle
    assert len({one.proposal_id for one in made}) == len(made)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.integers(0, 2**32 - 1), st.tuples(*[st.integers(0, 3)] * 3), st.booleans())
def test_the_explorer_stays_within_the_space(cycle: int, seed: int, slots: tuple[int, int, int], focal: bool) -> None:
    start = START | {"loss": "focal", "gamma": 2.0} if focal else START
    here = nested(cycle, seed=seed, start=start)
    wanted = Directive("explore", dict(zip(("exploit", "explore", "wildcat"), slots, strict=True)), "a test", "D6")
    made = explorer.propose(here, wanted, 6)
    check(here, made)
    assert made == explorer.propose(nested(cycle, seed=seed, start=start), wanted, 6)
    if sum(slots[1:]) == 0 and slots[0]:
        assert all(one.novelty == "exploit" and one.changes and len(set(one.changes) - {"gamma", "parts"}) <= 2 for one in made)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.integers(0, 2**32 - 1), st.booleans())
def test_the_architect_changes_one_choice_and_what_hangs_on_it_and_enters_no_region(cycle: int, seed: int, learned: bool) -> None:
    here = nested(cycle, seed=seed, constraints=(FOCAL,) if learned else ())
    made = architect.propose(here, 5)
    check(here, made)
    assert {one.changes["loss"] for one in made} == ({"dice"} if learned else {"dice", "focal"})
    assert all(set(one.changes) <= {"loss", "gamma", "parts"} for one in made)


def test_the_architect_offers_no_configuration_twice() -> None:
    here = view(observations=(observed(0.7, loss="focal"),))
    assert [one.changes for one in architect.propose(here, 5)] == [{"loss": "dice"}]


def test_the_architect_takes_what_the_model_expects_most_of() -> None:
    def expects(configs: Sequence[Config]) -> list[Predicted | None]:
        return [Predicted(mean=0.9 if config["loss"] == "dice" else 0.1, sd=0.01) for config in configs]

    [best] = architect.propose(view(), 1, expects)
    assert best.changes == {"loss": "dice"}
    assert best.predicted["auc"].mean == 0.9
    assert best.expected_impact == pytest.approx(0.1)


def test_the_architect_votes_on_structure_alone() -> None:
    here = view()
    assert architect.review(here, proposal(here, lr=1e-4)).vote == "abstain"
    assert architect.review(here, proposal(here, loss="dice")).vote == "approve"
    poor = view(observations=tuple(observed(0.5, loss="dice", dropout=at) for at in (0.1, 0.3, 0.5)))
    assert architect.review(poor, proposal(poor, loss="dice")).vote == "reject"


def test_the_explorer_votes_for_what_is_far_from_everything() -> None:
    here = view(observations=(observed(0.8),))
    assert explorer.review(here, proposal(here, lr=1.0, loss="dice", dropout=0.9)).vote == "approve"
    assert explorer.review(here, proposal(here, dropout=0.21)).vote == "abstain"


@given(st.sampled_from(sorted(NESTED.parameters)), st.floats(0, 1))
def test_every_place_of_a_range_is_a_value_of_it(name: str, place: float) -> None:
    value = explorer.value_at(NESTED.parameters[name], place)
    config = START | {"loss": {"gamma": "focal", "parts": "dice"}.get(name, START["loss"])} | {name: value}
    assert NESTED.violations(config) == []


class Suggests:
    """A world model that suggests what it was told to."""

    def __init__(self, *configs: dict[str, Any], said: Predicted | None = None) -> None:
        self.configs, self.said = configs, said

    def predict(self, configs: Sequence[Config]) -> list[Predicted | None]:
        """What it was told."""
        return [self.said for _ in configs]

    def suggest(self, count: int) -> list[tuple[dict[str, Any], Predicted | None]]:
        """What it was told, at most `count`."""
        return [(config, self.said) for config in self.configs[:count]]


def test_the_scientist_proposes_differences_from_the_baseline_and_never_the_baseline() -> None:
    here = view()
    made = scientist.propose(here, EXPLORE, 3, Suggests(BASELINE | {"lr": 0.01}, BASELINE, said=Predicted(mean=0.85, sd=0.02)))
    assert [one.changes for one in made] == [{"lr": 0.01}]
    assert "0.85" in made[0].hypothesis
    check(here, made)
    assert scientist.propose(here, EXPLORE, 3, None) == []


def test_when_exploiting_the_scientist_takes_small_steps_first() -> None:
    near, far = BASELINE | {"lr": 0.01}, BASELINE | {"lr": 0.01, "dropout": 0.4, "loss": "dice"}
    made = scientist.propose(view(), Directive("exploit", {"exploit": 3}, "a test", "D3"), 2, Suggests(far, near))
    assert [digest(here) for here in (made[0].changes, made[1].changes)] == [
        digest({"lr": 0.01}),
        digest({"lr": 0.01, "dropout": 0.4, "loss": "dice"}),
    ]


@pytest.mark.parametrize(("mean", "vote"), [(None, "abstain"), (0.81, "approve"), (0.7, "reject")])
def test_the_scientist_votes_by_the_chance_to_beat_the_incumbent(mean: float | None, vote: str) -> None:
    here = view(incumbent=0.8)
    expected = None if mean is None else Predicted(mean=mean, sd=0.02)
    assert scientist.review(here, proposal(here, lr=0.01), expected).vote == vote


def test_less_is_better_turns_the_chance_around() -> None:
    here = view(incumbent=0.8)
    less = View(
        **vars(here) | {"spec": here.spec.model_copy(update={"objective": here.spec.objective.model_copy(update={"direction": "min"})})}
    )  # fmt: skip
    assert scientist.review(less, proposal(less, lr=0.01), Predicted(mean=0.7, sd=0.02)).vote == "approve"
    assert scientist.review(less, proposal(less, lr=0.01), Predicted(mean=0.9, sd=0.02)).vote == "reject"
