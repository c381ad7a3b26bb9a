"""Self-test: how often a study claims a winner where nothing can improve, and how often it finds an effect of two sigma that is there.

The whole loop decides, with its agents, votes, races and tests; only the trainings are simulated: a value that depends on nothing (A/A), or
on one choice alone, and noise of a known size. So the rate of false claims is that of the rules and not of a formula. The
parameter scientist is left out, which makes the search worse and the test of the evidence rules the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from arc.core.errors import InvalidSpec
from arc.core.space import Choice, Config, Real, Space
from arc.core.study import StudyBudget, StudySpec
from arc.research.campaign import Campaign
from arc.research.memory import Memory
from arc.research.rehearsal import Rehearsal
from arc.stats import Interval, wilson

SIGMA = 0.01
EFFECT = 2.0  # sigma
_SPACE = Space(
    parameters={
        "lr": Real(low=1e-5, high=1e-1, log=True),
        "dropout": Real(low=0.0, high=0.7),
        "loss": Choice(values=("cross_entropy", "focal", "dice")),
    }
)
_START: dict[str, Any] = {"lr": 1e-3, "dropout": 0.2, "loss": "cross_entropy"}


@dataclass(frozen=True)
class SelfTest:
    """What the two series of studies came to."""

    studies: int  # of each series
    aa_false_winners: int
    power_2sigma: int  # studies that called the planted effect better
    wrong_winners: int  # of those with an effect, that called something better which is not
    experiments: float  # mean trainings of a study
    aa: Interval
    power: Interval

    def as_dict(self) -> dict[str, Any]:
        """Rates, counts and 95 % intervals by name."""
        rates = {"aa_false_winners": self.aa_false_winners / self.studies, "power_2sigma": self.power_2sigma / self.studies}
        counts = {
            "studies": self.studies,
            "aa_count": self.aa_false_winners,
            "power_count": self.power_2sigma,
            "wrong_winners": self.wrong_winners,
        }
        return (
            rates
            | counts
            | {"experiments": self.experiments, "aa_interval": asdict(self.aa), "power_interval": asdict(self.power), "simulated": True}
        )


def selftest(
    *, studies: int = 200, experiments: int = 60, seed: int = 0, tell: Callable[[int, int], None] = lambda done, of: None
) -> SelfTest:
    """Run both series of `studies` studies of `experiments` trainings each; `tell` is told how far it is. InvalidSpec for none."""
    if not 1 <= studies <= 100_000:
        raise InvalidSpec(f"studies = {studies} is not between 1 and 100000", field="studies", value=studies)
    false, found, wrong, used = 0, 0, 0, 0
    for number in range(studies):
        nothing = rehearse(lambda config: 0.8, experiments=experiments, seed=seed + number)
        planted = rehearse(_planted, experiments=experiments, seed=seed + number)
        false += nothing["verdict"] == "better"
        right = planted["verdict"] == "better" and planted["incumbent"]["config"]["loss"] == "focal"
        found += right
        wrong += planted["verdict"] == "better" and not right
        used += nothing["experiments"] + planted["experiments"]
        tell(number + 1, studies)
    return SelfTest(studies, false, found, wrong, used / (2 * studies), wilson(false, studies), wilson(found, studies))


def rehearse(truth: Callable[[Config], float], *, experiments: int, seed: int) -> dict[str, Any]:
    """The summary of one simulated study."""
    spec = StudySpec(
        name=f"selftest-{seed}", recipe="rehearsal", space=_SPACE, baseline=dict(_START), budget=StudyBudget(experiments=experiments), seed=seed, simulated=True
    )  # fmt: skip
    desk = Rehearsal(spec, truth, noise_sd=SIGMA, flat=_flat)
    return Campaign(desk, Memory.of(desk.study(), _SPACE, dict(_START)), {}, learn=lambda view: None).run()


def _planted(config: Config) -> float:
    return 0.8 + (EFFECT * SIGMA if config["loss"] == "focal" else 0.0)


def _flat(params: Mapping[str, Any]) -> Config:
    return {name: params[name] for name in _SPACE.parameters}
