"""A study as a job: it runs by itself to its page; killed again and again it goes on, repeats nothing, and decides the same."""

import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from arc.api.control import ControlPlane
from arc.app import build
from arc.client import Client
from arc.client.control import token
from arc.core.errors import InvalidSpec, NotFound
from arc.core.proposal import Decision
from arc.core.study import Evidence, Objective, Study, StudyBudget, StudySpec
from arc.research.orchestrator import Orchestrator
from arc.settings import Settings
from arc.store import attempts

SPEC = StudySpec(
    name="formula", recipe="probe.objective", objective=Objective(metric="score"), budget=StudyBudget(experiments=24, reserve_share=0.6), seed=3,
    baseline={"noise": 0.005}, evidence=Evidence(baseline_seeds=3),
)  # fmt: skip


@contextmanager
def serving(workspace: Path) -> Iterator[tuple[ControlPlane, Client]]:
    settings = Settings(workspace=workspace, allow_fault_jobs=True, memory_reserve_gb=0.0, task_slots=3)
    plane = ControlPlane(build(settings), host="127.0.0.1", port=0, engine=True)
    plane.start_background()
    try:
        with Client(plane.url, token(workspace)) as arc:
            yield plane, arc
    finally:
        plane.stop(timeout_s=30)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ControlPlane, Client, Study]]:
    """A study that ran in peace."""
    with serving(tmp_path_factory.mktemp("study")) as (plane, arc):
        study = arc.studies.start(arc.studies.create(SPEC).id)
        for _ in arc.jobs.watch(str(study.job_id)):
            pass
        yield plane, arc, arc.studies.get(study.id)


def argument(study: Study, decisions: list[Decision]) -> list[tuple[Any, ...]]:
    """What was decided, without the ids, which differ between any two studies."""

    def plain(text: str | None) -> str:
        return (text or "").replace(study.id, "STUDY")

    return [(one.cycle, one.kind, plain(one.proposal_id), one.rules, plain(one.why)) for one in decisions]


def test_it_ends_with_a_verdict_that_its_tests_carry(calm: tuple[ControlPlane, Client, Study]) -> None:
    _, arc, study = calm
    assert study.state == "finished"
    summary = study.summary
    assert summary["verdict"] in ("better", "not better", "not known yet")
    better = [test for test in summary["tests"] if test["verdict"] == "better"]
    assert bool(better) == (summary["verdict"] == "better")
    assert study.spent.experiments == len(arc.studies.history(study.id)) <= SPEC.budget.experiments
    kinds = [one.kind for one in arc.studies.decisions(study.id)]
    assert {"noise_floor", "directive", "vote", "approval", "result", "stop"} <= set(kinds)


def test_every_experiment_was_approved_and_judged_from_its_artifact(calm: tuple[ControlPlane, Client, Study]) -> None:
    _, arc, study = calm
    approved = {one.proposal_id for one in arc.studies.proposals(study.id) if one.status == "approved"}
    for one in arc.studies.history(study.id):
        assert one.proposal_id in approved
        assert one.status == "completed"
        assert arc.experiments.get(one.experiment_id).metrics["score"] == one.metrics["score"]


def test_it_leaves_its_page_and_its_exports(calm: tuple[ControlPlane, Client, Study], tmp_path: Path) -> None:
    plane, arc, study = calm
    left = {one.name: one for one in plane.app.jobs.artifacts(str(study.job_id))}

    def text(name: str) -> str:
        return arc.download(left[name].digest, tmp_path / name).read_text()

    page = text("study.html")
    for words in ("What may be called better", "The argument", "random search and TPE", "Repeat it", "simulated"):
        assert words in page
    history = json.loads(text("training_history.json"))
    assert history["total_experiments"] == study.spent.experiments
    assert history["best_metrics"]["score"] == max(one["metrics"]["score"] for one in history["experiments"])
    assert json.loads(text("constraints.json")) == {"forbidden_ranges": []}
    assert len(text("decisions.jsonl").splitlines()) <= len(arc.studies.decisions(study.id))
    assert len(text("experiments.csv").splitlines()) == study.spent.experiments + 1
    with sqlite3.connect(arc.download(left["optuna.db"].digest, tmp_path / "optuna.db")) as database:
        assert database.execute("SELECT count(*) FROM trials").fetchone() == (study.spent.experiments,)
    assert left["experiments.parquet"].size_bytes > 0


def test_a_study_from_python_a_piece_at_a_time(calm: tuple[ControlPlane, Client, Study]) -> None:
    _, arc, _ = calm
    study = Orchestrator.create(arc, SPEC.model_copy(update={"name": "by-hand", "seed": 4}))
    decided = study.run_research_cycle(1)
    assert decided["metrics"]["total_proposals"] >= decided["metrics"]["approved_proposals"] == len(decided["approved_proposals"]) > 0
    assert {one.use for one in arc.studies.history(study.study_id)} == {"baseline"}
    results = study.run_autonomous_cycle(1, wait_for_completion=True, timeout=120)
    assert results["stages"]["execution"]["status"] == "submitted"
    experiments = results["stages"]["execution"]["job_ids"]
    assert results["training_completion"] == dict.fromkeys(experiments, "completed")
    summary = results["results_integration"]
    assert (summary["status"], summary["successful"], summary["failed"]) == ("integrated", len(experiments), 0)
    one = study.collect_results(experiments[0])
    assert set(one) >= {"experiment_id", "config", "metrics", "status", "duration_seconds", "proposal_type", "risk_level"}
    assert one["metrics"]["score"] <= summary["best_metrics"]["score"]
    assert study.get_performance_trend("score", window=3)[-1] is not None
    assert study.detect_stagnation("score", threshold=0.01, window=5) in (True, False)
    made = study.generate_config("exp_mine", {"changes": {"x": 0.4}})
    assert (made["experiment_id"], made["x"]) == ("exp_mine", 0.4)
    with pytest.raises(InvalidSpec, match="outside"):
        study.generate_config("exp_mine", {"changes": {"x": 4.0}})
    with pytest.raises(NotFound, match="no such configuration"):
        study.update_baseline(made)
    assert study.update_baseline(one["config"], why="I like it")["x"] == one["config"]["x"]
    assert study.get_baseline_config()["x"] == one["config"]["x"]
    with pytest.raises(NotFound):
        study.wait_for_completion(["exp_of_another"], timeout=1)


def test_a_cycle_by_route_decides_and_trains_nothing(calm: tuple[ControlPlane, Client, Study]) -> None:
    _, arc, _ = calm
    study = arc.studies.create(SPEC.model_copy(update={"name": "decide-only", "seed": 5}))
    run = arc.studies.cycles(study.id, 1, decide_only=True)
    for _ in arc.jobs.watch(str(run.job_id)):
        pass
    after = arc.studies.get(study.id)
    assert after.state == "paused"
    assert {one.use for one in arc.studies.history(study.id)} == {"baseline"}
    assert any(one.status == "approved" for one in arc.studies.proposals(study.id) if one.cycle == 1)


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_and_decides_the_same(calm: tuple[ControlPlane, Client, Study], tmp_path: Path) -> None:
    _, calm_arc, calm_study = calm
    with serving(tmp_path) as (plane, arc):
        study = arc.studies.start(arc.studies.create(SPEC).id)
        kills = 0
        for _ in arc.jobs.watch(str(study.job_id)):
            if kills < 3 and len(arc.studies.records(study.id)) >= 2 + 5 * kills and kill(plane, str(study.job_id)):
                kills += 1
        study = arc.studies.get(study.id)
        assert kills == 3
        assert study.state == "finished"
        assert argument(study, arc.studies.decisions(study.id)) == argument(calm_study, calm_arc.studies.decisions(calm_study.id))
        runs = [(one.config["x"], one.config["y"], one.seed, one.use) for one in arc.studies.history(study.id)]
        assert len(set(runs)) == len(runs)
        assert study.spent.experiments == calm_study.spent.experiments


def kill(plane: ControlPlane, job_id: str) -> bool:
    """End the running attempt of a job as the kernel does when it is out of memory; False when none runs."""
    with plane.app.store.read() as tx:
        running = [one for one in attempts.of_job(tx, job_id) if one.outcome == "running" and one.identity is not None]
    if not running or running[0].identity is None:
        return False
    try:
        os.kill(running[0].identity.pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
