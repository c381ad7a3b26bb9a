"""Views and studies for the tests of the research loop: small, named, and nothing but values."""

from collections.abc import Callable, Mapping
from typing import Any

from arc.core.attempt import FailureClass
from arc.core.proposal import Observation, Proposal
from arc.core.space import Choice, Config, Integer, Real, Space
from arc.core.study import StudyBudget, StudySpec
from arc.research.agents import proposing
from arc.research.campaign import Campaign
from arc.research.memory import Memory
from arc.research.rehearsal import Rehearsal
from arc.research.view import Directive, Left, Machine, Standing, View

SPACE = Space(
    parameters={
        "lr": Real(low=1e-6, high=1.0, log=True),
        "dropout": Real(low=0.0, high=0.9),
        "batch_size": Integer(low=1, high=128, log=True),
        "loss": Choice(values=("cross_entropy", "focal", "dice")),
    }
)
BASELINE: dict[str, Any] = {"lr": 1e-3, "dropout": 0.2, "batch_size": 16, "loss": "cross_entropy"}
EXPLORE = Directive("explore", {"exploit": 1, "explore": 2, "wildcat": 0}, "a test", "D6")


def spec(**changes: Any) -> StudySpec:
    """A rehearsed study of the space above."""
    given = {
        "name": "tests",
        "recipe": "rehearsal",
        "space": SPACE,
        "baseline": BASELINE,
        "budget": StudyBudget(experiments=60),
        "simulated": True,
    }
    return StudySpec(**(given | changes))


def view(cycle: int = 5, *, observations: tuple[Observation, ...] = (), incumbent: float | None = 0.8, **changes: Any) -> View:
    """The view of a study whose incumbent has `incumbent` on five seeds and whose noise is .01."""
    standing = Standing("study_tests-baseline", BASELINE, {} if incumbent is None else dict.fromkeys(range(5), incumbent))
    given: dict[str, Any] = {
        "study": "study_tests", "spec": spec(), "space": SPACE, "cycle": cycle, "baseline": BASELINE, "incumbent": standing,
        "left": Left(experiments=20, confirmations=40), "machine": Machine(memory_gb=8, threads=2), "observations": observations, "noise_sd": 0.01,
    }  # fmt: skip
    return View(**(given | changes))


def observed(
    value: float | None = None, *, cycle: int = 1, failure: FailureClass | None = None, blamed: bool = True, seed: int = 1, **config: Any
) -> Observation:
    """One experiment of the search with the baseline's configuration but for what is given."""
    observed.count += 1  # type: ignore[attr-defined]
    return Observation(
        experiment_id=f"exp_{observed.count}", study="study_tests", cycle=cycle, proposal_id=f"p{observed.count}", use="search",  # type: ignore[attr-defined]
        config=BASELINE | config, seed=seed, status="failed" if failure else "completed", metrics={} if value is None else {"auc": value},
        failure_class=failure, blamed=failure is not None and blamed, duration_s=10.0, simulated=True,
    )  # fmt: skip


observed.count = 0  # type: ignore[attr-defined]


def proposal(here: View, proposer: str = "explorer", **changes: Any) -> Proposal:
    """A proposal of some changes."""
    return proposing.write(here, proposer, 0, changes, "It may be better because of these changes.")


def campaign(
    truth: Callable[[Config], float | FailureClass], *, desk: Rehearsal | None = None, noise: float = 0.01, **changes: Any
) -> tuple[Campaign, Rehearsal]:
    """A study in memory, with the desk it works at; the same desk again goes on with its records."""
    desk = desk or Rehearsal(spec(**changes), truth, noise_sd=noise, flat=flat)
    return Campaign(desk, Memory.of(desk.study(), SPACE, dict(BASELINE)), {}, learn=lambda here: None), desk


def flat(params: Mapping[str, Any]) -> Config:
    """The configuration in the params of a training."""
    return {name: params[name] for name in SPACE.parameters}
