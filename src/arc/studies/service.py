"""The verbs of studies: what a route, a command and a study's own job call.

The orchestrating job decides; here it is written down, and fenced. A verb that ends or holds a study sets its state first:
from then on nothing is submitted into it (`arc.jobs.studied`), and only then are jobs held or cancelled, so that a crash in
between leaves nothing that a second call would not finish. Whoever says a thing twice is answered as the first time.

What people and outside agents do with proposals is `arc.studies.voices`.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from arc.core.clock import Clock
from arc.core.errors import Conflict, InvalidSpec
from arc.core.ids import new_id
from arc.core.job import Job, JobRequest
from arc.core.page import Page
from arc.core.proposal import Ballot, Constraint, Decision, Observation, Proposal, ProposalStatus
from arc.core.states import JobStatus
from arc.core.study import Record, Spent, Study, StudySpec, StudyState
from arc.jobs import lifecycle
from arc.jobs.hub import Hub
from arc.jobs.service import Jobs
from arc.jobs.studied import check_own
from arc.store import events, studies, study_log
from arc.store import jobs as rows
from arc.store.engine import Store, Tx
from arc.studies.asked import frozen
from arc.studies.history import observations
from arc.studies.voices import Voices

ORCHESTRATOR: Final = "research.study"
_AGAIN_S, _TRIES = 0.5, 12  # a study that was killed loses nothing, so it need not wait long
T = TypeVar("T")


@dataclass(frozen=True)
class Studies:
    """The verbs, over one store."""

    store: Store
    jobs: Jobs
    hub: Hub
    clock: Clock

    @property
    def voices(self) -> Voices:
        """What people and outside agents may say to a study."""
        return Voices(self.store, self.hub)

    def create(self, spec: StudySpec, *, actor: str) -> Study:
        """A new study that has not begun; InvalidSpec, NotFound, Forbidden or Conflict name the field that is wrong."""
        with self.store.write() as tx:
            study = Study(
                id=new_id("study", self.clock),
                spec=frozen(tx, spec, self.jobs),
                state=StudyState.CREATED,
                job_id=None,
                cycle=0,
                spent=Spent(),
                summary={},
                created_by=actor,
                created_at=self.clock.now(),
                ended_at=None,
            )
            studies.insert(tx, study)
            self._note(tx, study.id, "study.created", actor, recipe=spec.recipe, name=spec.name)
        return study

    def get(self, study_id: str) -> Study:
        """The study and what it has used up; NotFound."""
        with self.store.read() as tx:
            return studies.get(tx, study_id)

    def page(self, *, recipe: str | None = None, limit: int = 50, cursor: str | None = None) -> Page[Study]:
        """A page of studies, newest first."""
        with self.store.read() as tx:
            return studies.page(tx, recipe=recipe, limit=limit, cursor=cursor)

    def spent(self, study_id: str) -> Spent:
        """What it has used up, counted from rows; NotFound."""
        return self.get(study_id).spent

    def start(self, study_id: str, *, actor: str, by_hand: bool = False) -> Study:
        """Submit the job that runs the study, or with `by_hand` none: then the program of an operator decides.

        One that runs already goes on. Conflict when it was paused or is over.
        """
        with self.store.write() as tx:
            lifecycle.one_by_one(tx)
            study = studies.in_turn(tx, study_id)
            if study.state is StudyState.RUNNING:
                return study
            if study.state is not StudyState.CREATED:
                raise _wrong(study, "only a new study is started" + ("" if study.over else "; this one can be resumed"))
            self._run(tx, study, "study.started", actor, by_hand=by_hand)
            studies.update(tx, study_id, started_at=self.clock.now())
            return studies.get(tx, study_id)

    def some(self, study_id: str, *, cycles: int, decide_only: bool, actor: str) -> Study:
        """Run so many cycles of a study that does not run, and leave it paused; with `decide_only` nothing of the last is trained.

        Conflict when it runs, is held or is over.
        """
        with self.store.write() as tx:
            lifecycle.one_by_one(tx)
            study = studies.in_turn(tx, study_id)
            if study.state not in (StudyState.CREATED, StudyState.PAUSED, StudyState.FAILED):
                raise _wrong(study, "cycles are run one by one while it does not run")
            if study.job_id is not None and not rows.get(tx, study.job_id).terminal:
                raise _wrong(study, "its job is held: resume it, or stop it")
            self._run(tx, study, "study.resumed" if study.job_id else "study.started", actor, cycles=cycles, decide_only=decide_only)
            if study.state is StudyState.CREATED:
                studies.update(tx, study_id, started_at=self.clock.now())
            return studies.get(tx, study_id)

    def pause(self, study_id: str, *, actor: str) -> Study:
        """Hold the job that runs the study and its trainings that have not begun; what runs goes on, and is judged.

        Conflict when it has not begun or is over.
        """
        study = self._set(study_id, StudyState.PAUSED, (StudyState.RUNNING, StudyState.FAILED), "study.paused", actor)
        for job in self._open_jobs(study):
            if job.id == study.job_id or (job.recipe == study.spec.recipe and job.status is not JobStatus.RUNNING):
                self._unless_over(job.id, lambda job_id: self.jobs.hold(job_id, actor=actor))
        return self.get(study_id)

    def resume(self, study_id: str, *, actor: str) -> Study:
        """Go on where it was left: with the job that was held, or with a new one when that is over. Conflict when it has not begun or is over."""
        with self.store.write() as tx:
            lifecycle.one_by_one(tx)
            study = studies.in_turn(tx, study_id)
            if study.state not in (StudyState.RUNNING, StudyState.PAUSED, StudyState.FAILED):
                raise _wrong(study, "only one that was paused, or has failed, is resumed")
            if study.job_id is not None and rows.get(tx, study.job_id).terminal:
                self._run(tx, study, "study.resumed", actor)
            elif study.state is not StudyState.RUNNING:
                studies.update(tx, study_id, state=StudyState.RUNNING.value)
                self._note(tx, study_id, "study.resumed", actor, job=study.job_id)
        for job in self._open_jobs(self.get(study_id)):
            if job.hold:
                self._unless_over(job.id, lambda job_id: self.jobs.release(job_id, actor=actor))
        return self.get(study_id)

    def stop(self, study_id: str, *, actor: str) -> Study:
        """End the study for good: the job that runs it and every job of its experiments is cancelled. Conflict when it has finished."""
        begun = (StudyState.CREATED, StudyState.RUNNING, StudyState.PAUSED, StudyState.FAILED)
        study = self._set(study_id, StudyState.STOPPED, begun, "study.stopped", actor)
        for job in self._open_jobs(study):
            self._unless_over(job.id, lambda job_id: self.jobs.cancel(job_id, actor=actor))
        return self.get(study_id)

    def record(self, study_id: str, record: Record, *, actor: str) -> bool:
        """Write all that one step decided; True when it is new, False when this very step was recorded before.

        Forbidden for a job that does not run the study. Conflict when the step was recorded with other content, when the study
        neither runs nor is paused, or when a proposal would be approved that only a person may approve, or that was turned down.
        """
        with self.store.write() as tx:
            study = studies.in_turn(tx, study_id)
            check_own(study, actor)
            if not study_log.add_record(tx, study_id, record, actor=actor):
                return False
            if study.state not in (StudyState.RUNNING, StudyState.PAUSED):
                raise _wrong(study, "nothing is recorded")
            self._write(tx, study, record, actor)
        return True

    def tell(self, study_id: str, summary: dict[str, Any], *, actor: str) -> Study:
        """Put a summary in the place of the one before, between two steps; Forbidden for a job that does not run the study, Conflict when it is over."""
        with self.store.write() as tx:
            study = studies.in_turn(tx, study_id)
            check_own(study, actor)
            if study.over:
                raise _wrong(study, "nothing more is said about it")
            studies.update(tx, study_id, summary=summary)
            tx.after_commit(lambda: self.hub.poke(study_id))
            return studies.get(tx, study_id)

    def records(self, study_id: str) -> list[Record]:
        """Every step, first to last; NotFound."""
        return self._read(study_id, study_log.records)

    def proposals(self, study_id: str, *, status: ProposalStatus | None = None) -> list[Proposal]:
        """The proposals, first to last; NotFound."""
        return self._read(study_id, lambda tx, of: study_log.proposals(tx, of, status=status))

    def decisions(self, study_id: str, *, cycle: int | None = None) -> list[Decision]:
        """The argument, or that of one cycle, first line to last; NotFound."""
        return self._read(study_id, lambda tx, of: study_log.decisions(tx, of, cycle=cycle))

    def constraints(self, study_id: str) -> list[Constraint]:
        """What was learned from failures; NotFound."""
        return self._read(study_id, study_log.constraints)

    def history(self, study_id: str) -> list[Observation]:
        """What its experiments gave, first to last; NotFound."""
        return self._read(study_id, observations)

    def ballots(self, proposal_ids: list[str]) -> list[Ballot]:
        """The ballots on some proposals."""
        with self.store.read() as tx:
            return study_log.ballots(tx, proposal_ids)

    def proposal(self, proposal_id: str) -> Proposal:
        """One proposal of any study; NotFound."""
        with self.store.read() as tx:
            return study_log.proposal(tx, proposal_id)

    def _read(self, study_id: str, ask: Callable[[Tx, str], list[T]]) -> list[T]:
        with self.store.read() as tx:
            studies.get(tx, study_id)
            return ask(tx, study_id)

    def _run(self, tx: Tx, study: Study, kind: str, actor: str, *, by_hand: bool = False, **limits: object) -> None:
        request = JobRequest(recipe=ORCHESTRATOR, params={"study": study.id} | limits, retry_delay_seconds=_AGAIN_S, max_retries=_TRIES)
        job_id = None if by_hand else self.jobs.submit_in(tx, request, actor=actor).id
        studies.update(tx, study.id, state=StudyState.RUNNING.value, job_id=job_id, ended_at=None)
        self._note(tx, study.id, kind, actor, job=job_id)

    def _set(self, study_id: str, state: StudyState, before: tuple[StudyState, ...], kind: str, actor: str) -> Study:
        with self.store.write() as tx:
            study = studies.in_turn(tx, study_id)
            if study.state is not state:
                if study.state not in before:
                    raise _wrong(study, f"it cannot be {state.value}")
                ended = {"ended_at": self.clock.now()} if state is StudyState.STOPPED else {}
                studies.update(tx, study_id, state=state.value, **ended)
                self._note(tx, study_id, kind, actor)
            return studies.get(tx, study_id)

    def _open_jobs(self, study: Study) -> list[Job]:
        with self.store.read() as tx:
            own = [rows.get(tx, study.job_id)] if study.job_id is not None else []
            return [job for job in own if not job.terminal] + rows.of_study(tx, study.id, open_only=True)

    def _unless_over(self, job_id: str, act: Callable[[str], Job]) -> None:
        with suppress(Conflict):  # it ended a moment ago
            act(job_id)

    def _write(self, tx: Tx, study: Study, record: Record, actor: str) -> None:
        for proposal in record.proposals:
            _check_of(study, proposal.study, f"proposal {proposal.proposal_id}")
            _check_status(study, proposal, study_log.known(tx, proposal.proposal_id))
            study_log.put_proposal(tx, proposal, actor=actor)
        for ballot in record.ballots:
            _check_of(study, study_log.proposal(tx, ballot.proposal_id).study, f"a ballot on {ballot.proposal_id}")
            study_log.add_ballot(tx, ballot, actor=actor)
        for decision in record.decisions:
            _check_of(study, decision.study, "a decision")
            study_log.add_decision(tx, decision)
        for constraint in record.constraints:
            study_log.put_constraint(tx, study.id, constraint)
        changes = {} if record.summary is None else {"summary": record.summary}
        ended = {} if record.state is None else {"state": record.state, "ended_at": self.clock.now()}
        studies.update(tx, study.id, cycle=max(study.cycle, record.cycle), **changes, **ended)
        studies.use_up(tx, study.id, tokens=record.tokens, calls=record.calls)
        self._note(tx, study.id, "study.recorded", actor, key=record.key, cycle=record.cycle)
        if record.state is not None:
            self._note(tx, study.id, "study.finished" if record.state == "finished" else "study.failed", actor)

    def _note(self, tx: Tx, study_id: str, kind: str, actor: str, **detail: object) -> None:
        events.append(tx, subject=study_id, kind=kind, actor=actor, detail=detail)
        tx.after_commit(lambda: self.hub.poke(study_id))


def _wrong(study: Study, why: str) -> Conflict:
    return Conflict(f"study {study.id} is {study.state.value}: {why}", field="study_id", value=study.id)


def _check_of(study: Study, named: str, what: str) -> None:
    if named != study.id:
        raise InvalidSpec(f"{what} is of study {named[:128]}, not of {study.id}", field="study", value=named[:128])


def _check_status(study: Study, new: Proposal, known: Proposal | None) -> None:
    """What was turned down stays so, and what a person is to approve is not approved by a job."""
    before = known.status if known is not None else ProposalStatus.PROPOSED
    if known is not None and known.changes != new.changes:
        raise Conflict(f"proposal {new.proposal_id} has other changes already; a revision is a proposal of its own", field="changes")
    withdrawn = before is ProposalStatus.APPROVED and new.status is not ProposalStatus.PROPOSED
    if new.status is before:
        return
    if before is not ProposalStatus.PROPOSED and not withdrawn:
        raise Conflict(f"proposal {new.proposal_id} is {before.value}, and stays so", field="status", value=new.proposal_id)
    if new.status is ProposalStatus.APPROVED and study.spec.mode == "supervised" and (new.cycle > 0 or new.changes):
        raise Conflict(f"study {study.id} is supervised: a person approves {new.proposal_id}", field="status", value=new.proposal_id)
