"""`arc study` against a control plane with an engine: a study that is run by hand, looked at and talked into."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from arc.api.control import ControlPlane
from arc.app import build
from arc.cli.root import app as command_line
from arc.client import Client
from arc.core.job import Job, JobRequest
from arc.core.proposal import Decision, Proposal
from arc.core.study import Record, Study, StudyLink, StudySpec
from arc.settings import Settings
from arc.worker.probe_objective import score
from arc.worker.probe_objective_spec import ObjectiveParams

Arc = Callable[..., Result]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with its engine, serving a workspace."""
    settings = Settings(workspace=tmp_path_factory.mktemp("served"), allow_fault_jobs=True, memory_reserve_gb=0.0, sample_interval_s=0.5)
    plane = ControlPlane(build(settings), port=0)
    plane.start_background()
    yield plane
    plane.stop()


@pytest.fixture
def client(served: ControlPlane) -> Iterator[Client]:
    with Client.of_workspace(served.app.settings.workspace) as arc:
        yield arc


@pytest.fixture
def arc(served: ControlPlane, in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Arc:
    """`arc("study", "list")` in the workspace that is served."""
    monkeypatch.setenv("ARC_WORKSPACE", str(served.app.settings.workspace))
    return lambda *words: CliRunner().invoke(command_line, list(words))


def document(result: Result, *, exit_code: int = 0) -> Any:
    """The one JSON document that a command printed."""
    assert result.exit_code == exit_code, result.stderr
    return json.loads(result.stdout)


def begun(client: Client, **changes: Any) -> Study:
    """A study that runs by hand."""
    spec = StudySpec.model_validate({"recipe": "probe.objective", "objective": {"metric": "score"}} | changes)
    return client.studies.start(client.studies.create(spec).id, by_hand=True)


def carried_out(client: Client, study: Study, **params: Any) -> Job:
    """A training of the baseline and its evaluation, when both are over."""
    link = StudyLink(study=study.id, cycle=0, proposal_id="baseline", use="baseline")
    trained = client.jobs.submit(JobRequest(recipe="probe.objective", params=params, seed=11, study=link, max_retries=0))
    judge = client.jobs.submit(JobRequest(recipe="probe.judge", inputs={"model": f"job:{trained.id}/model.json"}))
    for _ in client.jobs.watch(judge.id):
        pass
    return trained


def test_a_study_by_hand_is_measured_and_shown(arc: Arc, client: Client) -> None:
    study = begun(client)
    carried_out(client, study, x=0.5)
    carried_out(client, study, x=0.9, fail_above=0.8)
    good, bad = document(arc("study", "history", study.id, "--json"))
    assert good["metrics"]["score"] == score(ObjectiveParams(x=0.5), 11)
    assert (good["metrics"]["score_low"] < good["metrics"]["score"], good["status"], good["duration_s"] > 0) == (True, "completed", True)
    assert (bad["status"], bad["failure_class"], bad["blamed"], bad["metrics"]) == ("failed", "nan", True, {})
    told = arc("study", "history", study.id).stdout
    assert "completed" in told
    assert "nan: " in told
    shown = document(arc("study", "show", study.id, "--json"))
    assert (shown["state"], shown["spent"]["experiments"], shown["waiting"]) == ("running", 2, [])
    assert shown["spent"]["compute_seconds"] > 0
    assert "2 of 30" in arc("study", "show", study.id).stdout
    assert study.id in arc("study", "list", "--recipe", "probe.objective").stdout
    assert document(arc("study", "list", "--recipe", "fundus.classify", "--json"))["items"] == []
    listed = document(arc("experiments", "list", "--study", study.id, "--json"))["items"]
    assert {one["use"] for one in listed} == {"baseline"}


def test_a_person_has_a_say_in_a_supervised_study(arc: Arc, client: Client) -> None:
    study = begun(client, mode="supervised")
    said = Decision(study=study.id, cycle=1, kind="directive", why="explore: there is little to go by", rules=("D1",), actor="director")
    mine = Proposal(
        proposal_id=f"{study.id}-1", study=study.id, cycle=1, proposer="explorer", hypothesis="a smaller x is better", changes={"x": 0.4}
    )
    client.studies.record(study.id, Record(key="c1", cycle=1, proposals=(mine,), decisions=(said,)))
    kept = document(arc("study", "propose", study.id, "-p", "x=0.3", "-p", "kind=good", "--hypothesis", "the kind matters most", "--json"))
    assert (kept["changes"], kept["cycle"], kept["status"]) == ({"x": 0.3, "kind": "good"}, 2, "proposed")
    assert "voted approve" in arc("study", "vote", kept["proposal_id"], "approve", "--reason", "cheap", "--confidence", "0.9").stdout
    shown = arc("study", "show", study.id, "--decisions").stdout
    assert "a smaller x is better" in shown
    assert "D1" in shown
    assert arc("study", "approve", mine.proposal_id, "--why", "worth a try").stdout == f"{mine.proposal_id} is approved\n"
    assert document(arc("study", "reject", kept["proposal_id"], "--why", "not now", "--json"))["status"] == "rejected"
    again = arc("study", "approve", mine.proposal_id, "--why", "again")
    assert (again.exit_code, "is approved already" in again.stderr) == (2, True)
    told = document(arc("study", "show", study.id, "--decisions", "--json"))["decisions"]
    assert [one["kind"] for one in told] == ["directive", "approval", "approval"]
    assert document(arc("study", "show", study.id, "--cycle", "2", "--json"))["decisions"] == told[2:]


def test_a_study_is_held_and_ended(arc: Arc, client: Client) -> None:
    study = begun(client)
    assert "is paused" in arc("study", "pause", study.id).stdout
    assert document(arc("study", "resume", study.id, "--json"))["state"] == "running"
    assert arc("study", "stop", study.id).stdout == f"{study.id} is stopped\n"
    assert document(arc("study", "resume", study.id, "--json"), exit_code=2)["error"]["code"] == "Conflict"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "study_x"), "there is no study"),
        (("propose", "STUDY", "-p", "x=7", "--hypothesis", "far out is better"), "x = 7 is outside"),
        (("propose", "STUDY", "-p", "x=0.1", "--hypothesis", "short"), "hypothesis = short"),
        (("approve", "p_x", "--why", "yes"), "there is no proposal"),
    ],
)
def test_what_makes_no_sense_is_exit_2(arc: Arc, client: Client, words: tuple[str, ...], said: str) -> None:
    study = begun(client)
    result = arc("study", *(study.id if word == "STUDY" else word for word in words))
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
