"""Nouns for the suites of the store, whole, valid, and with the given fields changed; and the short acts they share."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from arc.core.artifact import Artifact, ArtifactKind
from arc.core.attempt import Attempt
from arc.core.dataset import DatasetVersion, SealedUse
from arc.core.experiment import Experiment
from arc.core.job import Job, Limits, Priority, RetryPolicy
from arc.core.proposal import Proposal
from arc.core.recipe import Needs
from arc.core.states import JobStatus
from arc.core.study import Spent, Study, StudySpec, StudyState
from arc.store import attempts, jobs
from arc.store.engine import Store, Tx

T = TypeVar("T")
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """So many seconds after MOMENT."""
    return MOMENT + timedelta(seconds=seconds)


def job(job_id: str = "job_1", **changes: Any) -> Job:
    """A queued job of one slot."""
    values: dict[str, Any] = {
        "id": job_id, "recipe": "probe.faults", "recipe_version": "1", "params": {"lr": 0.1, "deep": {"list": [1, None, "é"]}}, "inputs": {},
        "requires": Needs(memory_gb=2.5), "threads": 2, "seed": 2**32 - 1, "priority": Priority.NORMAL, "needs": (), "status": JobStatus.QUEUED,
        "attempt": 0, "retry_count": 0, "retry": RetryPolicy(max_retries=5), "limits": Limits(timeout_s=1.5), "auto_resume": True,
        "experiment_id": None, "cancel_requested": None, "hold": False, "not_before": None, "resumed_from": None, "simulated": False,
        "submitted_by": "test", "failure": None, "reason": None, "progress": None, "metrics": None, "result": None, "last_checkpoint": None,
        "created_at": MOMENT, "started_at": None, "completed_at": None,
    }  # fmt: skip
    return Job(**(values | changes))


def attempt(job_id: str = "job_1", number: int = 1, **changes: Any) -> Attempt:
    """A running attempt."""
    values: dict[str, Any] = {
        "job_id": job_id, "number": number, "backend": "inline", "staging": f"jobs/{job_id}/attempts/{job_id}.{number}", "identity": None,
        "lease_expires_at": after(30), "journal_offset": 0, "outcome": "running", "failure": None, "exit_code": None, "signal": None,
        "resumed_step": None, "recovery_source": None, "gpu_ids": (0, 3), "started_at": MOMENT, "ended_at": None,
    }  # fmt: skip
    return Attempt(**(values | changes))


def artifact(artifact_id: str = "art_1", job_id: str = "job_1", **changes: Any) -> Artifact:
    """A staged checkpoint."""
    values: dict[str, Any] = {
        "id": artifact_id, "job_id": job_id, "attempt": 1, "name": f"{artifact_id}.safetensors", "kind": ArtifactKind.CHECKPOINT,
        "digest": "ab" * 32, "size_bytes": 2**40, "path": f"jobs/{job_id}/x", "step": 10, "published": False, "created_at": MOMENT,
    }  # fmt: skip
    return Artifact(**(values | changes))


def experiment(experiment_id: str = "exp_1", **changes: Any) -> Experiment:
    """A queued experiment without results."""
    values: dict[str, Any] = {
        "id": experiment_id, "recipe": "fundus.classify", "study": None, "cycle": None, "config": {"lr": 0.1}, "dataset": "eyes@1", "seed": 7,
        "status": "queued", "metrics": {}, "training_metrics": {}, "simulated": False, "archived": False, "created_at": MOMENT,
        "completed_at": None,
    }  # fmt: skip
    return Experiment(**(values | changes))


def study(study_id: str = "study_1", **changes: Any) -> Study:
    """A study that has not begun."""
    values: dict[str, Any] = {
        "id": study_id, "spec": StudySpec(recipe="fundus.classify"), "state": StudyState.CREATED, "job_id": None, "cycle": 0,
        "spent": Spent(), "summary": {}, "created_by": "test", "created_at": MOMENT, "ended_at": None,
    }  # fmt: skip
    return Study(**(values | changes))


def proposal(proposal_id: str = "p1", **changes: Any) -> Proposal:
    """A proposal that nobody has voted on."""
    values: dict[str, Any] = {
        "proposal_id": proposal_id, "study": "study_1", "cycle": 1, "proposer": "explorer", "hypothesis": "a smaller rate is better",
        "changes": {"lr": 0.01, "model": "unet", "augment": True},
    }  # fmt: skip
    return Proposal(**(values | changes))


def dataset(name: str = "eyes", version: int = 1, **changes: Any) -> DatasetVersion:
    """A small dataset version."""
    values: dict[str, Any] = {
        "name": name, "version": version, "digest": "cd" * 32, "task": "classification", "layout": "class_folders", "classes": ("no", "yes"),
        "counts": {"train": {"no": 3, "yes": 4}}, "patients": {"train": 5}, "patients_known": True, "split_rule": "patient, 70/15/15",
        "licence": "CC0-1.0", "source": "made up", "path": f"datasets/{name}/{version}", "sealed_path": f"sealed/{name}/{version}",
        "job_id": None, "created_at": MOMENT,
    }  # fmt: skip
    return DatasetVersion(**(values | changes))


def sealed_use(name: str = "eyes", version: int = 1, **changes: Any) -> SealedUse:
    """A use that the ledger has not numbered yet."""
    values: dict[str, Any] = {
        "dataset": name, "version": version, "job_id": "job_1", "attempt": 1, "actor": "test", "reason": "evaluation", "use": 0, "at": MOMENT,
    }  # fmt: skip
    return SealedUse(**(values | changes))


def at_once(count: int, call: Callable[[int], T]) -> list[T]:
    """The answers of `call(0) … call(count - 1)`, made from as many threads at one moment."""
    barrier = threading.Barrier(count)

    def one(i: int) -> T:
        barrier.wait(timeout=60)
        return call(i)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def read(store: Store, ask: Callable[[Tx], T]) -> T:
    """The answer of one read transaction."""
    with store.read() as tx:
        return ask(tx)


def put(store: Store, *made: Job) -> None:
    """Write jobs."""
    with store.write() as tx:
        for one in made:
            jobs.insert(tx, one)


def start(store: Store, job_id: str = "job_1") -> Job:
    """Claim the job and give it an attempt."""
    with store.write() as tx:
        claimed = jobs.claim(tx, job_id, now=MOMENT)
        assert claimed is not None
        attempts.insert(tx, attempt(job_id, claimed.attempt))
    return claimed


def ids(found: Sequence[Job]) -> list[str]:
    """Their ids, in order."""
    return [one.id for one in found]
