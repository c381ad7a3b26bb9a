"""The verbs of jobs: what a route, a command and a study call.

Each verb is one short transaction that pokes the hub when it has committed; the engine, if there is one in
this process, then acts on it. Cancel, hold and release on a running job are requests: the engine carries
them out, and the row says so until it has.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from arc import catalog
from arc.core.artifact import Artifact
from arc.core.attempt import Attempt
from arc.core.clock import Clock
from arc.core.errors import Conflict
from arc.core.event import Event
from arc.core.explanation import Explanation
from arc.core.job import Job, JobRequest, Priority
from arc.core.journal import STDERR, STDOUT
from arc.core.page import Page
from arc.core.states import JobStatus
from arc.jobs import lifecycle, publish
from arc.jobs.admission import Admission
from arc.jobs.claim import running_with_gpus
from arc.jobs.explain import explain
from arc.jobs.hub import Hub
from arc.jobs.paths import Layout
from arc.jobs.submit import Submission, request_digest
from arc.store import artifacts, attempts, events, metrics
from arc.store import jobs as rows
from arc.store.engine import Store, Tx
from arc.store.metrics import Curve


@dataclass(frozen=True)
class Jobs:
    """The verbs, over one store."""

    store: Store
    layout: Layout
    admission: Admission
    hub: Hub
    clock: Clock
    faults_allowed: bool = False

    def submit(self, request: JobRequest, *, actor: str, key: str | None = None) -> Job:
        """Make the request durable and return its job; with a key that was used before, the first job.

        InvalidSpec, NotFound, Forbidden or Conflict name the field that is wrong.
        """
        with self.store.write() as tx:
            if key is not None:
                tx.in_turn(f"key {key}")
            if key is not None and (known := rows.by_key(tx, key)) is not None:
                first, first_digest = known
                if first_digest != request_digest(request):
                    raise Conflict("this idempotency key was used for another request", field="Idempotency-Key", value=key)
                return first
            return self.submit_in(tx, request, actor=actor, key=key)

    def submit_in(self, tx: Tx, request: JobRequest, *, actor: str, key: str | None = None) -> Job:
        """The same within a transaction that does more, with a key that was never used."""
        job = self.submission(tx, request).insert(actor=actor, key=key)
        tx.after_commit(lambda: self.hub.poke(job.id))
        return job

    def get(self, job_id: str) -> Job:
        """The job; NotFound."""
        with self.store.read() as tx:
            return rows.get(tx, job_id)

    def page(
        self,
        *,
        statuses: tuple[JobStatus, ...] = (),
        recipe: str | None = None,
        experiment: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Job]:
        """A page of jobs, newest first."""
        with self.store.read() as tx:
            return rows.page(tx, statuses=statuses, recipe=recipe, experiment=experiment, limit=limit, cursor=cursor)

    def counts(self) -> dict[str, int]:
        """How many jobs there are in each status."""
        with self.store.read() as tx:
            return rows.counts(tx)

    def cancel(self, job_id: str, *, rollback: bool = False, actor: str) -> Job:
        """End the job: at once when it does not run, else a request; Conflict when it is terminal."""

        def act(tx: Tx, job: Job) -> Job:
            if job.status is not JobStatus.RUNNING:
                return lifecycle.cancel_waiting(tx, job, actor=actor, why="cancelled on request", clock=self.clock, rollback=rollback)
            wanted = "rollback" if rollback or job.cancel_requested == "rollback" else "keep"
            return self._request(tx, job, "job.cancel_requested", actor, {"rollback": rollback}, cancel_requested=wanted)

        job = self._change(job_id, act)
        if job.status is JobStatus.CANCELLED and rollback:
            publish.remove_staging(job, layout=self.layout)
            self._forget_artifacts(job)
        return job

    def hold(self, job_id: str, *, actor: str) -> Job:
        """Do not start the job; a running one checkpoints and gives its place up."""
        return self._change(job_id, lambda tx, job: self._request(tx, job, "job.held", actor, {}, hold=True))

    def release(self, job_id: str, *, actor: str) -> Job:
        """Let a held job run again."""
        return self._change(job_id, lambda tx, job: self._request(tx, job, "job.released", actor, {}, hold=False))

    def resume(self, job_id: str, *, actor: str) -> Job:
        """A new job that continues a failed or cancelled one from its last good checkpoint, in the same experiment.

        Conflict when the job is not terminal, completed, was rolled back, or is being resumed already.
        """
        with self.store.write() as tx:
            lifecycle.one_by_one(tx)
            old = rows.get(tx, job_id)
            self._check_resumable(tx, old)
            job = self.submission(tx, _as_request(old)).insert(actor=actor, key=f"resume:{old.id}", resumed_from=old.id)
            events.append(tx, subject=old.id, kind="job.resumed", actor=actor, detail={"as": job.id})
            tx.after_commit(lambda: self.hub.poke(job.id))
        return job

    def waiting_for(self, job: Job) -> str | None:
        """Why the job does not run now, for people; None when it does, or is over."""
        if job.terminal or job.status is JobStatus.RUNNING:
            return None
        with self.store.read() as tx:
            if job.status is JobStatus.PENDING:
                open_needs = [(need, rows.get(tx, need).status.value) for need in job.needs]
                return "jobs: " + ", ".join(f"{need} ({status})" for need, status in open_needs if status != "completed")
            if job.hold:
                return "a person: it is held"
            if job.not_before is not None and job.not_before > self.clock.now():
                return f"its retry at {job.not_before.isoformat(timespec='seconds')}"
            return self.admission.obstacle(job, running_with_gpus(tx)) or "the engine: it fits and starts next"

    def why(self, job_id: str) -> Explanation:
        """What the job waits for or why it failed, what happens next, and what one can do; NotFound."""
        with self.store.read() as tx:
            job = rows.get(tx, job_id)
            made = attempts.of_job(tx, job_id)
            steps = [row.step for row in artifacts.checkpoints(tx, job_id)]
        return explain(job, made, waiting_for=self.waiting_for(job), steps=steps, now=self.clock.now())

    def curve(self, job_id: str, name: str, *, max_points: int = 1000) -> Curve:
        """A metric of the job over all its attempts, downsampled to at most `max_points`."""
        with self.store.read() as tx:
            rows.get(tx, job_id)
            return metrics.curve(tx, job_id, name, max_points=max_points)

    def metric_names(self, job_id: str) -> list[str]:
        """The metrics that the job has reported."""
        with self.store.read() as tx:
            rows.get(tx, job_id)
            return metrics.names(tx, job_id)

    def events(self, *, after: int = 0, subject: str | None = None, limit: int = 1000) -> list[Event]:
        """Events after a sequence number, oldest first."""
        with self.store.read() as tx:
            return events.after(tx, after, subject=subject, limit=limit)

    def attempts(self, job_id: str) -> list[Attempt]:
        """Every attempt of the job, first to last."""
        with self.store.read() as tx:
            rows.get(tx, job_id)
            return attempts.of_job(tx, job_id)

    def artifacts(self, job_id: str) -> list[Artifact]:
        """What the job left."""
        with self.store.read() as tx:
            rows.get(tx, job_id)
            return artifacts.of_job(tx, job_id)

    def log_tail(self, job_id: str, *, lines: int = 100, stream: str = "stderr", number: int | None = None) -> str:
        """The last lines of stdout or stderr of an attempt, the latest one by default; NotFound when there is none."""
        job = self.get(job_id)
        name = {"stdout": STDOUT, "stderr": STDERR}[stream]
        return publish.tail(publish.log_file(job, number or job.attempt, name, layout=self.layout), lines)

    def submission(self, tx: Tx, request: JobRequest) -> Submission:
        """The request, to be checked and made a job within a transaction."""
        return Submission(tx, request, layout=self.layout, admission=self.admission, clock=self.clock, faults_allowed=self.faults_allowed)

    def _change(self, job_id: str, act: Callable[[Tx, Job], Job]) -> Job:
        with self.store.write() as tx:
            lifecycle.one_by_one(tx)
            job = rows.get(tx, job_id)
            if job.terminal:
                raise Conflict(f"job {job.id} is {job.status.value}; that is final", field="job_id", value=job.id)
            changed = act(tx, job)
            tx.after_commit(lambda: self.hub.poke_each([job.id, *tx.moved]))
        return changed

    def _request(self, tx: Tx, job: Job, kind: str, actor: str, detail: dict[str, Any], **columns: Any) -> Job:
        updated = rows.update(tx, job.id, **columns)
        events.append(tx, subject=job.id, kind=kind, actor=actor, detail=detail)
        return updated or job

    def _check_resumable(self, tx: Tx, job: Job) -> None:
        if not job.terminal or job.status is JobStatus.COMPLETED:
            raise Conflict(
                f"job {job.id} is {job.status.value}; only a failed or cancelled one can be resumed", field="job_id", value=job.id
            )
        if job.cancel_requested == "rollback":
            raise Conflict(f"job {job.id} was rolled back; nothing is left to resume", field="job_id", value=job.id)
        if (known := rows.by_key(tx, f"resume:{job.id}")) is not None:
            raise Conflict(f"job {job.id} is resumed already, by {known[0].id}", field="job_id", value=job.id)

    def _forget_artifacts(self, job: Job) -> None:
        with self.store.write() as tx:
            artifacts.forget(tx, [row.id for row in artifacts.of_job(tx, job.id) if not row.published])


def _as_request(job: Job) -> JobRequest:
    """The request that makes the same job again."""
    params = catalog.spec(job.recipe).params
    return JobRequest(
        recipe=job.recipe,
        params={name: value for name, value in job.params.items() if name in params.model_fields},
        inputs=dict(job.inputs),
        needs=list(job.needs),
        priority=Priority(job.priority).value,
        seed=job.seed,
        experiment_id=job.experiment_id,
        max_retries=job.retry.max_retries,
        max_retries_by_class={kind.value: count for kind, count in job.retry.by_class.items()},
        retry_delay_seconds=job.retry.delay_s,
        timeout_seconds=job.limits.timeout_s,
        grace_seconds=job.limits.grace_s,
        stall_seconds=job.limits.stall_s,
        auto_resume=True,
        memory_gb=job.limits.memory_gb,
        gpu_id=job.limits.gpu_id,
        threads=job.threads,
        dummy_mode=job.simulated,
        **dict[str, Any](job.copies or {}),
    )
