"""Exports: what a study knows, in the forms that other programs read: history, constraints, decisions, tables, an Optuna study.

The rows of the study stay the place of record; these are copies made when it ends, and whenever somebody asks. `training_history.json` has
the keys that its readers know from before ARC.
"""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arc.core.proposal import Constraint, Decision, Observation, Proposal
from arc.core.space import Choice, Integer, Space
from arc.core.study import Objective
from arc.research.agents import historian

COLUMNS = (
    "experiment_id",
    "cycle",
    "proposal_id",
    "use",
    "seed",
    "fidelity",
    "status",
    "failure_class",
    "duration_s",
    "simulated",
    "created_at",
)


def training_history(observations: Sequence[Observation], proposals: dict[str, Proposal], objective: Objective) -> dict[str, Any]:
    """experiments, total_experiments, best_metrics and cycles, oldest first."""
    directions = {objective.metric: objective.direction}
    cycles, before = [], dict[str, float]()
    for cycle in sorted({one.cycle for one in observations}):
        upto = [one for one in observations if one.cycle <= cycle]
        summary = historian.integrate(upto, cycle, before, directions)
        before = summary["best_metrics"]
        times = [one.created_at for one in upto if one.cycle == cycle and one.created_at is not None]
        cycles.append(
            {"cycle_id": cycle, "timestamp": max(times).isoformat() if times else None}
            | {name: summary[name] for name in ("total_experiments", "successful", "failed", "best_metrics_updated")}
        )
    return {
        "experiments": [result(one, proposals) for one in observations],
        "total_experiments": len(observations),
        "best_metrics": historian.best_metrics(observations, directions),
        "cycles": cycles,
    }


def result(one: Observation, proposals: dict[str, Proposal]) -> dict[str, Any]:
    """One experiment with the keys of a result: what was run, what came out, what was proposed."""
    proposal = proposals.get(one.proposal_id)
    return {
        "experiment_id": one.experiment_id,
        "cycle_id": one.cycle,
        "status": one.status,
        "config": one.config,
        "metrics": one.metrics,
        "duration_seconds": one.duration_s,
        "proposal_type": proposal.type if proposal else None,
        "risk_level": proposal.risk if proposal else None,
        "failure": None if one.failure_class is None else {"class": one.failure_class.value, "message": one.failure},
        "simulated": one.simulated,
    }


def constraints(learned: Sequence[Constraint]) -> dict[str, Any]:
    """The learned constraints; `min` belongs to the forbidden region, `max` does not."""
    ranges = [
        {"param": one.param, "min": one.low, "max": one.high, "values": list(one.values), "reason": f"{one.support} of {one.trials} failed as {one.failure_class.value}", "state": one.state}
        for one in learned
    ]  # fmt: skip
    return {"forbidden_ranges": ranges}


def decisions(said: Sequence[Decision]) -> str:
    """The argument as JSON lines."""
    return "".join(json.dumps(one.model_dump(mode="json"), allow_nan=False) + "\n" for one in said)


def table(observations: Sequence[Observation], space: Space, metric: str) -> str:
    """One row an experiment as CSV: what it is, its parameters, its metric with bounds."""
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow([*COLUMNS, *(f"param.{name}" for name in space.parameters), metric, f"{metric}_low", f"{metric}_high"])
    for one in observations:
        head = [getattr(one, name) for name in COLUMNS]
        head[COLUMNS.index("failure_class")] = one.failure_class.value if one.failure_class else ""
        values = [one.metrics.get(name, "") for name in (metric, f"{metric}_low", f"{metric}_high")]
        lines.writerow([*head, *(one.config.get(name, "") for name in space.parameters), *values])
    return text.getvalue()


def parquet(path: Path, text: str) -> None:
    """The CSV table of `table` as Parquet, with the types its values have."""
    # Imported here: pandas takes a second.
    import pandas as pd

    pd.read_csv(io.StringIO(text)).to_parquet(path, index=False)


def optuna_study(path: Path, observations: Sequence[Observation], space: Space, objective: Objective, name: str) -> None:
    """An SQLite file that Optuna, and its dashboard, open as a study: `sqlite:///FILE`."""
    # Imported here: a second, and only at the end of a study.
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    made = optuna.create_study(storage=storage, study_name=name, direction="maximize" if objective.direction == "max" else "minimize")
    for one in observations:
        params: dict[str, Any] = {}
        kinds: dict[str, BaseDistribution] = {}
        for known, parameter in space.parameters.items():
            if known not in one.config:
                continue
            params[known] = one.config[known]
            if isinstance(parameter, Choice):
                kinds[known] = CategoricalDistribution(list(parameter.values))
            elif isinstance(parameter, Integer):
                kinds[known] = IntDistribution(parameter.low, parameter.high, log=parameter.log)
            else:
                kinds[known] = FloatDistribution(parameter.low, parameter.high, log=parameter.log)
        value = one.value(objective.metric)
        made.add_trial(
            optuna.trial.create_trial(
                params=params,
                distributions=kinds,
                value=value,
                state=optuna.trial.TrialState.FAIL if value is None else optuna.trial.TrialState.COMPLETE,
                user_attrs={"experiment_id": one.experiment_id, "seed": one.seed, "use": one.use, "cycle": one.cycle},
            )
        )
    storage.engine.dispose()
