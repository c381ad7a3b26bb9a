"""Exports: history, constraints, decisions, tables and an Optuna study, as their readers open them."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from arc.core.attempt import FailureClass
from arc.core.proposal import Constraint, Decision, Observation, Proposal
from arc.core.space import Choice, Real, Space, When
from arc.core.study import Objective
from arc.research import exports
from tests.unit.research.studies import SPACE, observed, proposal, view

AUC = Objective(metric="auc")


def seen() -> tuple[list[Observation], dict[str, Proposal]]:
    """Three experiments of two cycles, one of which failed, with their proposals."""
    here = view()
    found = [observed(0.7, cycle=0), observed(0.8, cycle=1, loss="focal"), observed(cycle=1, failure=FailureClass.NAN, lr=0.5)]
    found[1] = found[1].model_copy(update={"created_at": datetime(2026, 11, 24, tzinfo=UTC)})
    made = proposal(here, loss="focal")
    return found, {found[1].proposal_id: made}


def test_the_history_has_the_keys_its_readers_know() -> None:
    found, proposals = seen()
    told = exports.training_history(found, proposals, AUC)
    assert set(told) == {"experiments", "total_experiments", "best_metrics", "cycles"}
    assert told["total_experiments"] == 3
    assert told["best_metrics"] == {"auc": 0.8}
    assert [one["cycle_id"] for one in told["cycles"]] == [0, 1]
    assert told["cycles"][1] | {"timestamp": None} == {
        "cycle_id": 1, "timestamp": None, "total_experiments": 2, "successful": 1, "failed": 1, "best_metrics_updated": True,
    }  # fmt: skip
    assert told["cycles"][1]["timestamp"].startswith("2026-11-24")
    failed = told["experiments"][2]
    assert failed["failure"]["class"] == "nan"
    assert failed["proposal_type"] is None
    assert told["experiments"][1]["proposal_type"] == "loss"
    json.dumps(told, allow_nan=False)


def test_less_is_better_is_believed() -> None:
    found, _ = seen()
    assert exports.training_history(found, {}, Objective(metric="auc", direction="min"))["best_metrics"] == {"auc": 0.7}


def test_nothing_gives_an_empty_history() -> None:
    assert exports.training_history([], {}, AUC) == {"experiments": [], "total_experiments": 0, "best_metrics": {}, "cycles": []}
    assert exports.constraints([]) == {"forbidden_ranges": []}
    assert exports.decisions([]) == ""
    assert len(exports.table([], SPACE, "auc").splitlines()) == 1


def test_a_constraint_says_on_which_side_of_its_bound_it_lies() -> None:
    region = Constraint(
        id="lr.nan", param="lr", low=0.01, failure_class=FailureClass.NAN, support=3, trials=4, learned_at=5, expires_at=15
    )  # fmt: skip
    [told] = exports.constraints([region])["forbidden_ranges"]
    assert (told["param"], told["min"], told["max"]) == ("lr", 0.01, None)
    assert told["reason"] == "3 of 4 failed as nan"


def test_a_decision_is_a_line_whatever_stands_in_it() -> None:
    said = Decision(study="s", cycle=1, kind="note", why="one line\nand another")
    [line] = exports.decisions([said]).splitlines()
    assert Decision.model_validate_json(line) == said


def test_the_table_reads_back_with_what_does_not_exist_left_empty(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    space = Space(parameters={"loss": Choice(values=("a", "b")), "gamma": Real(low=0, high=1, when=When(name="loss", values=("b",)))})
    found = [
        observed(0.7).model_copy(update={"config": {"loss": "a"}, "metrics": {"auc": 0.7, "auc_low": 0.6, "auc_high": 0.8}}),
        observed(failure=FailureClass.OOM).model_copy(update={"config": {"loss": "b", "gamma": 0.5}}),
    ]
    text = exports.table(found, space, "auc")
    first, second = csv.DictReader(io.StringIO(text))
    assert (first["param.loss"], first["param.gamma"], first["auc_low"]) == ("a", "", "0.6")
    assert (second["failure_class"], second["auc"], second["param.gamma"]) == ("oom", "", "0.5")
    exports.parquet(tmp_path / "table.parquet", text)
    read = pandas.read_parquet(tmp_path / "table.parquet")
    assert list(read.columns)[: len(exports.COLUMNS)] == list(exports.COLUMNS)
    assert read["param.gamma"].tolist()[1] == 0.5


@pytest.mark.parametrize("count", [0, 3])
def test_optuna_opens_the_study(tmp_path: Path, count: int) -> None:
    optuna = pytest.importorskip("optuna", reason="Optuna is not installed")
    found = seen()[0][:count]
    exports.optuna_study(tmp_path / "optuna.db", found, SPACE, AUC, "tests")
    opened = optuna.load_study(study_name="tests", storage=f"sqlite:///{tmp_path / 'optuna.db'}")
    assert len(opened.trials) == count
    if count:
        assert opened.best_value == 0.8
        assert opened.best_params["loss"] == "focal"
        assert opened.trials[2].state is optuna.trial.TrialState.FAIL
