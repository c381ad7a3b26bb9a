"""People and outside agents take part in a study, under their own name: propose, vote, approve, reject; the log says who it was."""

from collections.abc import Iterator
from typing import Any

import pytest

from arc.core.errors import ArcError, Conflict, Forbidden, InvalidSpec
from arc.core.proposal import Ballot, Proposal, ProposalStatus
from arc.core.study import Record, Study
from tests.api.serving import House, is_problem, serve
from tests.api.studying import Studying, proposal, training


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    served = serve(tmp_path_factory.mktemp("workspace"), allow_fault_jobs=True)
    yield served
    served.plane.stop()


@pytest.fixture
def studying(house: House) -> Studying:
    return Studying(house)


def refused(act: Any, kind: type[ArcError]) -> str:
    """What an act that must be refused says."""
    with pytest.raises(kind) as caught:
        act()
    return caught.value.message


def offered(study: Study, **changes: Any) -> Proposal:
    """A proposal that says it is somebody else's, and approved."""
    given = {"proposer": "director", "status": ProposalStatus.APPROVED, "cycle": 77, "study": "study_x"} | changes
    return proposal(study, "outside").model_copy(update=given)


def test_a_researcher_proposes_and_votes_under_its_own_name(studying: Studying) -> None:
    study = studying.begin()
    with studying.client("researcher") as outsider, studying.client() as operator:
        kept = outsider.studies.propose(study.id, offered(study))
        assert (kept.proposer, kept.status, kept.cycle, kept.study) == ("researcher", ProposalStatus.PROPOSED, 1, study.id)
        assert outsider.studies.propose(study.id, offered(study)) == kept
        refused(lambda: outsider.studies.propose(study.id, offered(study, changes={"y": 0.5})), Conflict)
        ballot = Ballot(proposal_id="p", agent="supervisor", vote="approve", confidence=0.8, reason="it is cheap", weight=100)
        cast = outsider.studies.vote(kept.proposal_id, ballot)
        assert (cast.agent, cast.weight, cast.proposal_id) == ("researcher", 1.0, kept.proposal_id)
        assert outsider.studies.vote(kept.proposal_id, ballot) == cast
        refused(lambda: outsider.studies.vote(kept.proposal_id, ballot.model_copy(update={"vote": "reject"})), Conflict)
        assert operator.studies.ballots(kept.proposal_id) == [cast]
        said = [(event.kind, event.actor) for event in studying.house.app.jobs.events(subject=study.id)]
        assert said[-2:] == [("study.proposed", "researcher"), ("study.voted", "researcher")]
        for act in (
            lambda: outsider.studies.stop(study.id),
            lambda: outsider.studies.record(study.id, Record(key="c1", cycle=1)),
            lambda: outsider.jobs.submit(training(study)),
        ):
            refused(act, Forbidden)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"z": 1.0}, "z is not searched"),
        ({"x": 7.0}, "x = 7.0 is outside 0.0 to 1.0"),
        ({"kind": "odd"}, "none of plain"),
        ({"noise": 1.0}, "noise"),
    ],
)
def test_what_is_out_of_bounds_is_not_proposed(studying: Studying, changes: dict[str, Any], said: str) -> None:
    study = studying.create()
    with studying.client("researcher") as outsider:
        assert said in refused(lambda: outsider.studies.propose(study.id, offered(study, changes=changes)), InvalidSpec)


def test_in_a_supervised_study_a_person_decides_and_nobody_else(studying: Studying) -> None:
    study = studying.begin(mode="supervised")
    first, second = (proposal(study, name) for name in ("p1", "p2"))
    with studying.attempt_of(study) as attempt, studying.client("researcher") as person:
        attempt.studies.record(study.id, Record(key="c0001.propose", cycle=1, proposals=(first, second)))
        approved = first.model_copy(update={"status": ProposalStatus.APPROVED})
        vote = Record(key="c0001.vote", cycle=1, proposals=(approved,))
        assert "a person approves" in refused(lambda: attempt.studies.record(study.id, vote), Conflict)
        refused(lambda: attempt.jobs.submit(training(study, "p1", use="search", cycle=1)), Conflict)
        assert person.studies.approve(first.proposal_id, why="worth a try") == approved
        assert person.studies.reject(second.proposal_id, why="seen before").status is ProposalStatus.REJECTED
        for proposal_id in (first.proposal_id, second.proposal_id):
            refused(lambda proposal_id=proposal_id: person.studies.approve(proposal_id, why="again"), Conflict)
        assert attempt.studies.record(study.id, vote)  # what was approved may be said again
        assert attempt.jobs.submit(training(study, "p1", use="search", cycle=1)).experiment_id
        refused(lambda: attempt.jobs.submit(training(study, "p2", use="search", cycle=1)), Conflict)
        said = [(one.kind, one.actor, one.why) for one in attempt.studies.decisions(study.id)]
        assert said == [("approval", "researcher", "worth a try"), ("approval", "researcher", "seen before")]


def test_what_was_turned_down_stays_so(studying: Studying) -> None:
    study = studying.begin()
    vetoed = proposal(study, "p1", status=ProposalStatus.VETOED)
    with studying.client() as arc:
        arc.studies.record(study.id, Record(key="a", cycle=1, proposals=(vetoed,)))
        for number, status in enumerate((ProposalStatus.APPROVED, ProposalStatus.PROPOSED)):
            again = vetoed.model_copy(update={"status": status})
            refused(
                lambda again=again, number=number: arc.studies.record(study.id, Record(key=f"b{number}", cycle=1, proposals=(again,))),
                Conflict,
            )
        other = vetoed.model_copy(update={"changes": {"x": 0.5}})
        refused(lambda: arc.studies.record(study.id, Record(key="c", cycle=1, proposals=(other,))), Conflict)
        refused(lambda: arc.studies.approve(vetoed.proposal_id, why="I want it"), Conflict)
        assert [one.key for one in arc.studies.records(study.id)] == ["a"]  # a step that is refused leaves nothing


def test_an_autonomous_study_is_decided_by_its_council(studying: Studying) -> None:
    study = studying.begin()
    with studying.client("researcher") as person:
        kept = person.studies.propose(study.id, offered(study))
        assert "its council decides" in refused(lambda: person.studies.approve(kept.proposal_id, why="please"), Conflict)
        with studying.client() as operator:
            operator.studies.stop(study.id)
        for act in (
            lambda: person.studies.propose(study.id, offered(study, proposal_id="late")),
            lambda: person.studies.reject(kept.proposal_id, why="late"),
        ):
            refused(act, Conflict)


def test_a_token_of_a_researcher_is_made_and_bodies_are_strict(house: House, studying: Studying) -> None:
    study = studying.create()
    with house.client("admin") as client:
        made = client.post("/tokens", json={"name": "guest", "role": "researcher"}).json()
    with house.client(None, Authorization=f"Bearer {made['token']}") as guest:
        assert guest.get(f"/studies/{study.id}").status_code == 200
        body = {"proposal_id": "g1", "hypothesis": "x at half is better", "changes": {"x": 0.5}}
        is_problem(guest.post(f"/studies/{study.id}/proposals", json=body | {"proposer": "director"}), 422)
        is_problem(guest.post(f"/studies/{study.id}/proposals", json=body | {"expected_impact": "1"}), 422)
        answer = guest.post(f"/studies/{study.id}/proposals", json=body)
        assert (answer.status_code, answer.json()["proposer"]) == (201, "guest")
        is_problem(guest.post("/proposals/g1/approve", json={}), 422)
