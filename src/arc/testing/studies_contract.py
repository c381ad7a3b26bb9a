"""What every store must do for studies: keep them, count what they use up, and know every step once; a part of `StoreContract`."""

from typing import Any

import pytest

from arc.core.attempt import FailureClass
from arc.core.errors import Conflict, InvalidSpec, NotFound
from arc.core.proposal import Ballot, Constraint, Decision, ProposalStatus
from arc.core.states import JobStatus
from arc.core.study import Record, Spent, StudySpec, StudyState
from arc.store import artifacts, attempts, experiments, jobs, studies, study_log
from arc.store.engine import Store, Tx
from arc.testing.store_values import MOMENT, after, artifact, at_once, attempt, experiment, job, proposal, put, read, study


def ballot(agent: str = "critic", **changes: Any) -> Ballot:
    """A vote on p1."""
    return Ballot(**({"proposal_id": "p1", "agent": agent, "vote": "approve", "confidence": 0.5, "reason": "plausible"} | changes))


def constraint(constraint_id: str = "c1", **changes: Any) -> Constraint:
    """High rates have failed."""
    values = {"param": "lr", "low": 0.1, "failure_class": FailureClass.NAN, "support": 3, "trials": 4, "learned_at": 9, "expires_at": 20}
    return Constraint(**({"id": constraint_id} | values | changes))


class StudiesContract:
    """Asked for, begun, counted."""

    def test_a_study_reads_back_and_changes(self, store: Store) -> None:
        _insert(store)
        assert read(store, lambda tx: studies.get(tx, "study_1")) == study()
        with store.write() as tx:
            studies.update(tx, "study_1", cycle=3, summary={"mode": "explore"})
            studies.use_up(tx, "study_1", tokens=70, calls=2)
            studies.use_up(tx, "study_1", tokens=5, calls=1)
        found = read(store, lambda tx: studies.get(tx, "study_1"))
        assert found == study(cycle=3, summary={"mode": "explore"}, spent=Spent(tokens=75, calls=3))
        with pytest.raises(Conflict), store.write() as tx:
            studies.insert(tx, study())
        with pytest.raises(NotFound), store.write() as tx:
            studies.update(tx, "study_x", cycle=1)

    def test_pages_hold_every_study_once_newest_first(self, store: Store) -> None:
        with store.write() as tx:
            for i in range(5):
                studies.insert(tx, study(f"study_{i}", spec=StudySpec(recipe="ab"[i % 2])))
        first = read(store, lambda tx: studies.page(tx, limit=2))
        rest = read(store, lambda tx: studies.page(tx, cursor=first.next_cursor))
        assert [one.id for one in [*first.items, *rest.items]] == [f"study_{i}" for i in (4, 3, 2, 1, 0)]
        assert [one.id for one in read(store, lambda tx: studies.page(tx, recipe="b")).items] == ["study_3", "study_1"]
        with pytest.raises(InvalidSpec):
            read(store, lambda tx: studies.page(tx, cursor="nonsense"))

    def test_what_a_study_has_used_up_is_counted_from_its_rows(self, store: Store) -> None:
        _insert(store)
        put(store, job(experiment_id="exp_1"), job("job_2", experiment_id="exp_2"), job("job_3", experiment_id="exp_3"))
        with store.write() as tx:
            for number, use in enumerate(("search", "confirm", None), start=1):
                experiments.insert(tx, experiment(f"exp_{number}", study="study_1" if use else None, use=use, fidelity=0.25, proposal="p1"))
            attempts.insert(tx, attempt(gpu_ids=(), ended_at=after(10), outcome="failed"))
            attempts.insert(tx, attempt(number=2, gpu_ids=(0,), started_at=after(20), ended_at=after(25), outcome="done"))
            attempts.insert(tx, attempt("job_2", gpu_ids=(0, 3), ended_at=after(1.5), outcome="done"))
            attempts.insert(tx, attempt("job_3", ended_at=after(1000), outcome="done"))
            artifacts.insert(tx, artifact(size_bytes=1_500_000_000))
            artifacts.insert(tx, artifact("art_2", "job_3", size_bytes=10**12))
            studies.update(tx, "study_1", started_at=MOMENT, ended_at=after(60))
        spent = read(store, lambda tx: studies.get(tx, "study_1")).spent
        assert spent == Spent(experiments=2, confirmations=1, compute_seconds=18.0, wall_seconds=60.0, disk_gb=1.5)
        assert read(store, lambda tx: studies.job_seconds(tx, "study_1")) == {"job_1": 15.0, "job_2": 1.5}
        assert [one.id for one in read(store, lambda tx: jobs.of_study(tx, "study_1"))] == ["job_1", "job_2"]
        assert [one.id for one in read(store, lambda tx: experiments.of_study(tx, "study_1"))] == ["exp_1", "exp_2"]
        assert [one.id for one in read(store, lambda tx: experiments.page(tx, study="study_1")).items] == ["exp_2", "exp_1"]
        assert read(store, lambda tx: experiments.get(tx, "exp_1")).fidelity == 0.25

    def test_an_attempt_that_runs_counts_up_to_now(self, store: Store) -> None:
        _insert(store)
        put(store, job(experiment_id="exp_1"))
        with store.write() as tx:
            experiments.insert(tx, experiment(study="study_1", use="search"))
            attempts.insert(tx, attempt(started_at=tx.clock.now() - (after(7) - MOMENT), gpu_ids=()))
        assert read(store, lambda tx: studies.get(tx, "study_1")).spent.compute_seconds == 7.0

    @pytest.mark.parametrize(
        ("job_is", "study_is"),
        [("running", "running"), ("queued", "running"), ("failed", "failed"), ("cancelled", "paused"), ("completed", "paused")],
    )
    def test_a_study_that_is_said_to_run_is_where_its_job_is(self, store: Store, job_is: str, study_is: str) -> None:
        _insert(store)
        put(store, job("job_9", status=JobStatus(job_is)))
        with store.write() as tx:
            studies.update(tx, "study_1", state="running", job_id="job_9")
        assert read(store, lambda tx: studies.get(tx, "study_1")).state is StudyState(study_is)
        with store.write() as tx:
            studies.update(tx, "study_1", state="stopped")
        assert read(store, lambda tx: studies.get(tx, "study_1")).state is StudyState.STOPPED

    def test_a_step_is_known_once(self, store: Store) -> None:
        _insert(store)
        first, second = (
            Record(key="c0001.vote", cycle=1, memo={"a": [1, None]}),
            Record(key="c0001.propose", cycle=1, proposals=(proposal(),)),
        )

        def add(record: Record) -> bool:
            with store.write() as tx:
                studies.in_turn(tx, "study_1")
                return study_log.add_record(tx, "study_1", record, actor="test")

        assert [add(first), add(first), add(second), add(second)] == [True, False, True, False]
        with pytest.raises(Conflict) as refused:
            add(first.model_copy(update={"memo": {}}))
        assert refused.value.field == "key"
        assert read(store, lambda tx: study_log.records(tx, "study_1")) == [first, second]
        third = Record(key="c0002.vote", cycle=2)
        assert sum(at_once(4, lambda _: add(third))) == 1

    def test_proposals_ballots_and_decisions_read_back_in_order(self, store: Store) -> None:
        _insert(store)
        later = proposal("p2", cycle=2)
        approved = proposal(status=ProposalStatus.APPROVED)
        said = [Decision(study="study_1", cycle=cycle, kind="note", why=why) for cycle, why in ((1, "one"), (2, "two"), (1, "three"))]
        with store.write() as tx:
            for one in (proposal(), later, approved):
                study_log.put_proposal(tx, one, actor="test")
            cast = [study_log.add_ballot(tx, one, actor="test") for one in (ballot(), ballot("architect"), ballot())]
            for decision in said:
                study_log.add_decision(tx, decision)
        assert cast == [True, True, False]
        assert read(store, lambda tx: study_log.proposals(tx, "study_1")) == [approved, later]
        assert read(store, lambda tx: study_log.proposals(tx, "study_1", status=ProposalStatus.PROPOSED)) == [later]
        assert read(store, lambda tx: study_log.proposal(tx, "p1")) == approved
        assert read(store, lambda tx: study_log.ballots(tx, ["p1", "p2"])) == [ballot("architect"), ballot()]
        assert read(store, lambda tx: study_log.decisions(tx, "study_1")) == said
        assert read(store, lambda tx: study_log.decisions(tx, "study_1", cycle=1)) == [said[0], said[2]]

    def test_what_does_not_fit_is_refused(self, store: Store) -> None:
        with store.write() as tx:
            for one in ("study_1", "study_2"):
                studies.insert(tx, study(one))
            study_log.put_proposal(tx, proposal(), actor="test")
            study_log.add_ballot(tx, ballot(), actor="test")
        for act in (
            lambda tx: study_log.put_proposal(tx, proposal(study="study_2"), actor="test"),
            lambda tx: study_log.add_ballot(tx, ballot(vote="reject"), actor="test"),
            lambda tx: study_log.put_proposal(tx, proposal("p9", study="study_9"), actor="test"),
        ):
            with pytest.raises(Conflict), store.write() as tx:
                act(tx)
        with pytest.raises(NotFound):
            read(store, lambda tx: study_log.proposal(tx, "p9"))

    def test_a_constraint_is_learned_once_and_changes_its_state(self, store: Store) -> None:
        _insert(store)

        def write(tx: Tx) -> None:
            for one in (constraint(), constraint("c2", values=("unet",), low=None), constraint(state="expired")):
                study_log.put_constraint(tx, "study_1", one)

        with store.write() as tx:
            write(tx)
        found = read(store, lambda tx: study_log.constraints(tx, "study_1"))
        assert found == [constraint(state="expired"), constraint("c2", values=("unet",), low=None)]


def _insert(store: Store) -> None:
    with store.write() as tx:
        studies.insert(tx, study())
