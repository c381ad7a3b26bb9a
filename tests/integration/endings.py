"""Jobs that ended, made by the house's own transactions on a real store, with the files that attempts leave."""

from pathlib import Path

from arc.app import App
from arc.artifacts import digest_file
from arc.core.artifact import Artifact, ArtifactKind
from arc.core.attempt import Failure, FailureClass
from arc.core.ids import new_id
from arc.core.job import Job, JobRequest
from arc.core.journal import encode
from arc.core.ports import Exit
from arc.core.recipe import Done
from arc.jobs import lifecycle, publish
from arc.jobs.verdict import Stopped, Verdict
from arc.store import artifacts, events
from arc.store import jobs as rows
from arc.store.engine import Tx

BROKEN = Failure(failure_class=FailureClass.EXCEPTION, message="RuntimeError: told to fail", log_tail="RuntimeError: told to fail")
TRACEBACK = "Traceback (most recent call last):\n  File 'x', line 1\nRuntimeError: told to fail\n"
_EXITS = {Failure: Exit(1, None), Done: Exit(0, None), Stopped: Exit(0, None)}


def submit(app: App, **fields: object) -> Job:
    """A queued probe."""
    return app.jobs.submit(JobRequest(**({"recipe": "probe.faults"} | fields)), actor="test")


def begun(app: App, job: Job) -> Job:
    """The job with one more attempt that runs, its staging folder as an attempt leaves it before its first result."""
    staging = app.layout.staging(job, job.attempt + 1)
    with app.store.write() as tx:
        claimed = lifecycle.begin(
            tx, job, backend="local", staging=app.layout.relative(staging), gpu_ids=(), secret="s", lease_until=app.clock.now(), clock=app.clock
        )  # fmt: skip
    assert claimed is not None
    staging.mkdir(parents=True)
    publish.keep_config(claimed, layout=app.layout)
    (staging / "attempt.json").write_text("{}")
    (staging / "journal.jsonl").write_bytes(encode("started", pid=1, step=None, at=1.0) + encode("phase", name="train", at=1.0))
    (staging / "stdout.log").write_text("probe: stdout\nprobe begins attempt=1\n")
    (staging / "stderr.log").write_text(TRACEBACK)
    return claimed


def over(app: App, job: Job, verdict: Verdict = BROKEN) -> Job:
    """The job after its attempt ended with this verdict and the engine let go of it."""

    def end(tx: Tx) -> Job:
        return lifecycle.end(
            tx, job, verdict, _EXITS.get(type(verdict), Exit(None, None)), made=[], retry_at=None, verb=None,
            staging=app.layout.staging(job, job.attempt), clock=app.clock,
        )  # fmt: skip

    with app.store.write() as tx:
        ended = end(tx)
    publish.keep_logs(ended, ended.attempt, layout=app.layout)
    if isinstance(verdict, Done):
        publish.remove_staging(ended, layout=app.layout)
    return ended


def failed(app: App, experiment: str | None = "exp_1", verdict: Verdict = BROKEN) -> Job:
    """A job whose only attempt ended, with nothing to show for it."""
    fields = {} if experiment is None else {"experiment_id": experiment}
    return over(app, begun(app, submit(app, **fields)), verdict)


def checkpoint(app: App, job: Job, step: int, *, best: bool = False, data: bytes | None = None, attempt: int | None = None) -> Artifact:
    """A staged checkpoint of the job, its row and its event."""
    number = attempt or job.attempt
    path = app.layout.staging(job, number) / "checkpoints" / f"ckpt-{step:09d}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data or f"{job.id} {number} {step}".encode())
    digest, size = digest_file(path)
    row = Artifact(
        id=new_id("art", app.clock), job_id=job.id, attempt=number, name=path.name, kind=ArtifactKind.CHECKPOINT, digest=digest, size_bytes=size,
        path=app.layout.relative(path), step=step, published=False, created_at=app.clock.now(),
    )  # fmt: skip
    with app.store.write() as tx:
        artifacts.insert(tx, row)
        rows.update(tx, job.id, last_checkpoint=row.path)
        detail = {"attempt": number, "step": step, "path": row.path, "best": best}
        events.append(tx, subject=job.id, kind="attempt.checkpoint", actor="engine", detail=detail)
    return row


def file_of(app: App, row: Artifact) -> Path:
    """Where the bytes of an artifact should be."""
    return app.layout.workspace / row.path
