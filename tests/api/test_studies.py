"""Studies over HTTP: asked for, begun, held, ended; the budget is a wall, a step is known once, and an attempt sees its own alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arc.core.attempt import Failure, FailureClass
from arc.core.errors import ArcError, Conflict, Forbidden, InvalidSpec, NotFound
from arc.core.job import JobRequest
from arc.core.proposal import Ballot, Decision, ProposalStatus
from arc.core.states import JobStatus
from arc.core.study import Record, StudyState
from tests.api.serving import House, is_problem, serve
from tests.api.studying import Studying, judged, proposal, training

APPROVED = ProposalStatus.APPROVED


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    served = serve(tmp_path_factory.mktemp("workspace"), allow_fault_jobs=True)
    yield served
    served.plane.stop()


@pytest.fixture
def studying(house: House) -> Studying:
    return Studying(house)


def refused(act: Any, kind: type[ArcError], field: str | None = None) -> ArcError:
    """The error of an act that must be refused."""
    with pytest.raises(kind) as caught:
        act()
    if field is not None:
        assert caught.value.field == field
    return caught.value


def test_what_is_asked_for_is_frozen(studying: Studying) -> None:
    study = studying.create(baseline={"x": 0.9}, space={"parameters": {"x": {"kind": "real", "low": 0.5, "high": 1.0}}})
    assert study.state is StudyState.CREATED
    assert study.spec.baseline["x"] == 0.9
    assert study.spec.baseline["epochs"] == 4  # the recipe's default of today
    with studying.client("viewer") as arc:
        assert arc.studies.get(study.id) == study
        assert arc.studies.page(limit=1).items == [study]
        assert arc.studies.page(recipe="fundus.classify").items == []
        refused(lambda: arc.studies.start(study.id), Forbidden)
        refused(lambda: arc.studies.get("study_x"), NotFound)


@pytest.mark.parametrize(
    ("asked", "kind", "field"),
    [
        ({"recipe": "no.such"}, NotFound, "recipe"),
        ({"recipe": "probe.faults"}, InvalidSpec, "recipe"),
        ({"recipe": "probe.judge"}, InvalidSpec, "recipe"),
        ({"baseline": {"x": 7}}, InvalidSpec, "params.x"),
        ({"baseline": {"z": 7}}, InvalidSpec, "params.z"),
        ({"inputs": {"dataset": "dataset:eyes"}}, InvalidSpec, "inputs.dataset"),
        ({"recipe": "fundus.classify"}, InvalidSpec, "inputs.dataset"),
        ({"recipe": "fundus.classify", "inputs": {"dataset": "dataset:none"}}, NotFound, "dataset"),
        ({"space": {"parameters": {"x": {"kind": "real", "low": 0, "high": 0.5}}}}, InvalidSpec, "baseline"),
        ({"space": {"parameters": {"q": {"kind": "real", "low": 0, "high": 0.5}}}}, InvalidSpec, "space.parameters.q"),
        ({"evaluate": {"confidence": 7}}, InvalidSpec, "evaluate.confidence"),
        ({"budget": {"experiments": 3}}, InvalidSpec, None),
    ],
)
def test_what_cannot_be_carried_out_is_refused_by_field(house: House, asked: dict[str, Any], kind: type[ArcError], field: str) -> None:
    with house.client() as client:
        said = is_problem(client.post("/studies", json={"recipe": "probe.objective"} | asked), kind.status, kind.__name__)
    assert field is None or said["field"] == field


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"seed": "3"}, "seed"),
        ({"simulated": 1}, "simulated"),
        ({"budget": {"experiments": 30.0}}, "budget.experiments"),
        ({"sed": 3}, "sed"),
    ],
)
def test_a_body_is_read_strictly(house: House, wrong: dict[str, Any], field: str) -> None:
    with house.client() as client:
        assert is_problem(client.post("/studies", json={"recipe": "probe.objective"} | wrong), 422)["field"] == field


def test_a_study_begins_pauses_goes_on_and_stops(studying: Studying) -> None:
    app, study = studying.house.app, studying.create()
    with studying.client() as arc:
        refused(lambda: arc.studies.pause(study.id), Conflict)
        begun = arc.studies.start(study.id)
        assert (begun.state, arc.studies.start(study.id).job_id) == (StudyState.RUNNING, begun.job_id)
        running, waiting = (arc.jobs.submit(training(study)) for _ in range(2))
        studying.house.move(running, JobStatus.RUNNING)
        for _ in range(2):
            assert arc.studies.pause(study.id).state is StudyState.PAUSED
        held = {job_id: app.jobs.get(job_id).hold for job_id in (str(begun.job_id), running.id, waiting.id)}
        assert held == {begun.job_id: True, running.id: False, waiting.id: True}
        refused(lambda: arc.jobs.submit(training(study)), Conflict, "study.study")
        for _ in range(2):
            assert arc.studies.resume(study.id).state is StudyState.RUNNING
        assert not any(app.jobs.get(job_id).hold for job_id in held)
        for _ in range(2):
            assert arc.studies.stop(study.id).state is StudyState.STOPPED
        assert app.jobs.get(waiting.id).status is JobStatus.CANCELLED
        assert app.jobs.get(running.id).cancel_requested == "keep"
        for verb in (arc.studies.start, arc.studies.pause, arc.studies.resume):
            refused(lambda verb=verb: verb(study.id), Conflict, "study_id")
    kinds = [event.kind for event in app.jobs.events(subject=study.id)]
    assert kinds == ["study.created", "study.started", "study.paused", "study.resumed", "study.stopped"]


def test_a_study_whose_job_failed_has_failed_and_goes_on_with_a_new_one(studying: Studying) -> None:
    study = studying.begin()
    job = studying.house.app.jobs.get(str(study.job_id))
    studying.house.move(studying.house.move(job, JobStatus.RUNNING), JobStatus.FAILED)
    with studying.client() as arc:
        assert arc.studies.get(study.id).state is StudyState.FAILED
        refused(lambda: arc.jobs.submit(training(study)), Conflict, "study.study")
        again = arc.studies.resume(study.id)
        assert (again.state, again.job_id != study.job_id) == (StudyState.RUNNING, True)
        arc.jobs.cancel(str(again.job_id))
        assert arc.studies.get(study.id).state is StudyState.PAUSED


def test_a_study_is_run_by_hand_without_a_job(studying: Studying) -> None:
    study = studying.create()
    with studying.client() as arc:
        begun = arc.studies.start(study.id, by_hand=True)
        assert (begun.state, begun.job_id) == (StudyState.RUNNING, None)
        assert arc.studies.record(study.id, Record(key="c0001.directive", cycle=1))
        assert arc.studies.pause(study.id).state is StudyState.PAUSED
        again = arc.studies.resume(study.id)
        assert (again.state, again.job_id) == (StudyState.RUNNING, None)
        assert arc.jobs.submit(training(study)).experiment_id


def test_the_budget_of_experiments_is_a_wall_with_a_reserve_behind_it(studying: Studying) -> None:
    study = studying.begin()
    with studying.client() as arc:
        known = (proposal(study, "baseline", cycle=0, changes={}, status=APPROVED), proposal(study, "p1", status=APPROVED))
        arc.studies.record(study.id, Record(key="c1", cycle=1, proposals=known))
        for _ in range(2):
            arc.jobs.submit(training(study))
        for _ in range(2):
            arc.jobs.submit(training(study, "p1", use="search", cycle=1, params={"x": 0.4}))
        said = refused(lambda: arc.jobs.submit(training(study, "p1", use="search", cycle=1)), Conflict, "budget.experiments")
        assert "4 of the 4" in said.message
        for name in ("p1", "baseline"):
            arc.jobs.submit(training(study, name, use="confirm", cycle=1))
        said = refused(lambda: arc.jobs.submit(training(study, "p1", use="confirm", cycle=1)), Conflict, "budget.experiments")
        assert "6 of 6" in said.message
        spent = arc.studies.get(study.id).spent
        assert (spent.experiments, spent.confirmations) == (6, 2)
        made = arc.experiments.page(study=study.id).items
        assert [(one.cycle, one.use, one.fidelity) for one in made] == [(1, "confirm", 1.0)] * 2 + [(1, "search", 1.0)] * 2 + [
            (0, "baseline", 1.0)
        ] * 2
        assert {one.proposal for one in made} == {one.proposal_id for one in known}


def test_the_other_budgets_are_walls_too(studying: Studying) -> None:
    study = studying.begin(budget={"experiments": 10, "wall_seconds": 1e-6})
    with studying.client() as arc:
        said = refused(lambda: arc.jobs.submit(training(study)), Conflict, "budget.wall_seconds")
        assert "of 1e-06 s since its start" in said.message


def test_only_what_fits_the_study_is_submitted_into_it(studying: Studying) -> None:
    study, other = studying.begin(), studying.begin(simulated=True)
    foreign = training(study, "p9", use="search", cycle=1)
    with studying.client() as arc:
        refused(lambda: arc.jobs.submit(foreign), NotFound, "proposal_id")
        arc.studies.record(study.id, Record(key="c1", cycle=1, proposals=(proposal(study, "p9"),)))
        refused(lambda: arc.jobs.submit(foreign), Conflict, "study.proposal_id")
        assert foreign.study is not None
        stray = foreign.study.model_copy(update={"study": other.id})
        refused(lambda: arc.jobs.submit(foreign.model_copy(update={"study": stray, "dummy_mode": True})), Conflict, "study.proposal_id")
        refused(lambda: arc.jobs.submit(training(study, dummy_mode=True)), Conflict, "dummy_mode")
        refused(lambda: arc.jobs.submit(training(other)), Conflict, "dummy_mode")
        refused(lambda: arc.jobs.submit(JobRequest(recipe="data.synthetic_fundus", study=stray)), InvalidSpec, "study")
        assert arc.jobs.submit(training(other, dummy_mode=True)).simulated


def test_a_step_is_recorded_once_and_read_back(studying: Studying) -> None:
    study = studying.begin()
    ballot = Ballot(proposal_id=f"{study.id}-p1", agent="critic", vote="approve", confidence=0.9, reason="cheap", weight=2.0)
    said = Decision(study=study.id, cycle=2, kind="vote", why="approved by 1 of 1", proposal_id=ballot.proposal_id)
    record = Record(
        key="c0002.vote", cycle=2, proposals=(proposal(study, "p1", cycle=2, status=APPROVED),), ballots=(ballot,), decisions=(said,),
        summary={"mode": "explore", "trend": [1, 2]}, memo={"seeds": [1, 2]}, tokens=10, calls=1,
    )  # fmt: skip
    with studying.client() as arc:
        assert [arc.studies.record(study.id, record) for _ in range(3)] == [True, False, False]
        refused(lambda: arc.studies.record(study.id, record.model_copy(update={"tokens": 11})), Conflict, "key")
        stray = Record(key="x", cycle=2, decisions=(said.model_copy(update={"study": "study_x"}),))
        refused(lambda: arc.studies.record(study.id, stray), InvalidSpec, "study")
        assert arc.studies.records(study.id) == [record]
        assert arc.studies.proposals(study.id) == list(record.proposals)
        assert arc.studies.ballots(ballot.proposal_id) == [ballot]
        assert arc.studies.decisions(study.id, cycle=2) == [said]
        now = arc.studies.get(study.id)
        assert (now.cycle, now.summary, now.spent.tokens, now.spent.calls) == (2, record.summary, 10, 1)
        assert arc.studies.tell(study.id, {"trend": [3]}).summary == {"trend": [3]}
        arc.studies.record(study.id, Record(key="end", cycle=2, state="finished"))
        assert arc.studies.get(study.id).state is StudyState.FINISHED
        refused(lambda: arc.studies.record(study.id, Record(key="later", cycle=3)), Conflict, "study_id")
        assert arc.studies.record(study.id, record) is False
    with studying.house.client() as client:
        assert client.get(f"/studies/{study.id}/trend").json() == {"study_id": study.id, "cycle": 2, "value": [3]}
        seen = client.get(f"/ui/studies/{study.id}/cognition").json()
        assert seen["proposals"][0]["ballots"][0]["agent"] == "critic"
        assert [one["why"] for one in seen["decisions"]] == [said.why]


def test_history_tells_what_each_experiment_gave(studying: Studying) -> None:
    study = studying.begin(baseline={"noise": 0.5})
    with studying.client() as arc:
        good, bad, waiting = (arc.jobs.submit(training(study, params={"noise": 0.5, "x": x}, seed=9)) for x in (0.8, 0.9, 0.7))
        judged(studying, good, 0.75)
        why = Failure(failure_class=FailureClass.NAN, message="the loss is not a number")
        studying.house.move(studying.house.move(bad, JobStatus.RUNNING), JobStatus.FAILED, failure=why)
        found = arc.studies.history(study.id)
    assert [one.experiment_id for one in found] == [good.experiment_id, bad.experiment_id, waiting.experiment_id]
    assert [one.status for one in found] == ["completed", "failed", "queued"]
    assert [one.value("score") for one in found] == [0.75, None, None]
    assert found[0].metrics == {"score": 0.75, "score_low": 0.65, "score_high": 0.85}
    assert (found[1].failure_class, found[1].failure, found[1].blamed) == (FailureClass.NAN, "the loss is not a number", True)
    assert found[0].config == {"x": 0.8, "y": 0.2, "kind": "plain", "noise": 0.5}
    assert {(one.seed, one.use, one.cycle, one.simulated) for one in found} == {(9, "baseline", 0, False)}


def test_an_attempt_reads_and_writes_the_study_it_runs_and_no_other(studying: Studying) -> None:
    mine, other = studying.begin(), studying.begin()
    with studying.client() as operator, studying.attempt_of(mine) as attempt:
        foreign = operator.jobs.submit(training(other))
        operator.studies.record(other.id, Record(key="c1", cycle=1, proposals=(proposal(other, "p1"),)))
        attempt.studies.record(mine.id, Record(key="c1", cycle=1, proposals=(proposal(mine, "p1", status=APPROVED),)))
        made = attempt.jobs.submit(training(mine, "p1", use="search", cycle=1))
        by_hand = operator.jobs.submit(training(mine))
        assert attempt.studies.get(mine.id).cycle == 1
        assert [one.status for one in attempt.studies.history(mine.id)] == ["queued", "queued"]
        assert attempt.experiments.get(str(made.experiment_id)).study == mine.id
        assert attempt.jobs.get(by_hand.id).id == by_hand.id
        assert attempt.recipes.get("probe.objective").judged_by == "probe.judge"
        assert attempt.studies.proposal(f"{mine.id}-p1").proposer == "explorer"
        for read in (
            lambda: attempt.studies.get(other.id),
            lambda: attempt.studies.records(other.id),
            lambda: attempt.studies.history(other.id),
            lambda: attempt.studies.proposal(f"{other.id}-p1"),
            lambda: attempt.experiments.get(str(foreign.experiment_id)),
            lambda: attempt.jobs.get(foreign.id),
            lambda: attempt.studies.page(),
            lambda: attempt.studies.get("study_x"),
            lambda: attempt.studies.record(other.id, Record(key="c2", cycle=1)),
            lambda: attempt.studies.tell(other.id, {}),
            lambda: attempt.jobs.submit(training(other)),
            lambda: attempt.studies.stop(mine.id),
            lambda: attempt.studies.approve(f"{mine.id}-p1", why="it is mine"),
        ):
            refused(read, Forbidden)


def test_an_experiment_of_a_study_that_goes_on_is_not_deleted(studying: Studying, tmp_path: Path) -> None:
    study = studying.begin()
    with studying.client("admin") as arc:
        made = arc.jobs.submit(training(study))
        arc.jobs.cancel(made.id)
        refused(lambda: arc.experiments.delete(str(made.experiment_id)), Conflict, "experiment_id")
        arc.studies.stop(study.id)
        arc.experiments.delete(str(made.experiment_id))
