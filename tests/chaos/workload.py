"""The work: what is submitted while things are killed, and the same jobs run undisturbed beforehand, to compare with.

A twin names what decides a curve. Two jobs of one twin, however often one was killed, must have the same curve.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from arc.client import Client
from arc.core.job import Job, JobRequest
from tests.chaos.plane import Broken, until

DRAWN: Final = frozenset({"grandchild_pid"})  # metrics that differ from run to run
_EPOCHS: Final = (8, 16, 30)
_SEEDS: Final = (7, 8)
_CLASSIFY: Final = {"epochs": 6, "input_size": 32, "patience": 0, "batch_size": 8}
_CALM_S: Final = 300.0

Act = Literal["", "cancel", "rollback", "hold"]


@dataclass(frozen=True)
class Wish:
    """A job to ask for, and what is to become of it."""

    key: str
    request: JobRequest
    twin: str
    fate: Literal["completed", "failed"] = "completed"
    act: Act = ""  # what a person does to it, after_s seconds after it was acknowledged
    after_s: float = 0.0
    follows: bool = False  # it needs a job that was asked for before


def probe(epochs: int, *, retries: int = 100, **faults: Any) -> JobRequest:
    """The recipe that breaks on purpose, with a ledger and without waiting between its retries."""
    params = {"faults": {"epochs": epochs, **faults}, "ledger": True}
    return JobRequest(recipe="probe.faults", params=params, max_retries=retries, retry_delay_seconds=0.0, seed=1)


def classify(dataset: str, seed: int) -> JobRequest:
    """A small training of the classifier."""
    inputs = {"dataset": dataset}
    return JobRequest(recipe="fundus.classify", params=_CLASSIFY, inputs=inputs, max_retries=100, retry_delay_seconds=0.0, seed=seed)


def wishes(rng: random.Random, dataset: str | None) -> Iterator[Wish]:
    """Jobs without end: most are plain trainings; some are cancelled, held, doomed, or need an earlier one."""
    kinds = {"plain": 10, "large": 2, "daemon": 3, "doomed": 1, "follower": 2, "cancel": 1, "rollback": 1, "hold": 2}
    if dataset is not None:
        kinds["classify"] = 2
    for number in range(1_000_000):
        (kind,) = rng.choices(list(kinds), list(kinds.values()))
        yield _wish(f"wish-{number}-{kind}", kind, rng, dataset)


def _wish(key: str, kind: str, rng: random.Random, dataset: str | None) -> Wish:
    if kind == "classify" and dataset is not None:
        seed = rng.choice(_SEEDS)
        return Wish(key, classify(dataset, seed), f"classify-{seed}")
    epochs, epoch_s, after_s = rng.choice(_EPOCHS), rng.uniform(0.02, 0.2), rng.uniform(0.0, 6.0)
    twin = f"probe-{epochs}"
    if kind == "large":
        return Wish(key, probe(epochs, epoch_s=epoch_s, ckpt_mb=3.0), twin)
    if kind == "daemon":
        return Wish(key, probe(epochs, epoch_s=epoch_s, grandchild_setsid=True), twin)
    if kind == "doomed":
        return Wish(key, probe(epochs, epoch_s=epoch_s, retries=1, crash_at=3), twin, fate="failed")
    if kind in ("cancel", "rollback", "hold"):
        return Wish(key, probe(epochs, epoch_s=epoch_s), twin, act=kind, after_s=after_s)
    return Wish(key, probe(epochs, epoch_s=epoch_s), twin, follows=kind == "follower")


def undisturbed(client: Client, dataset: str | None) -> dict[str, str]:
    """Run each twin once in peace: the ids of these jobs by twin."""
    asked = {f"probe-{epochs}": probe(epochs) for epochs in _EPOCHS}
    if dataset is not None:
        asked |= {f"classify-{seed}": classify(dataset, seed) for seed in _SEEDS}
    jobs = {twin: client.jobs.submit(request, key=f"calm-{twin}").id for twin, request in asked.items()}
    for job_id in jobs.values():
        finished(client, job_id)
    return jobs


def small_dataset(client: Client) -> str:
    """A small synthetic dataset; its reference."""
    drawn = client.jobs.submit(JobRequest(recipe="data.synthetic_fundus", params={"patients": 24, "size_px": 64}, seed=1), key="calm-draw")
    archive = {"archive": f"job:{drawn.id}/synthetic-fundus.zip"}
    unpacked = client.jobs.submit(JobRequest(recipe="data.unpack", params={"name": "small"}, inputs=archive, seed=1), key="calm-unpack")
    made = finished(client, unpacked.id).result
    assert made is not None
    return f"dataset:small@{made['version']}"


def finished(client: Client, job_id: str) -> Job:
    """The job when it has completed, in peace; Broken otherwise."""
    until(lambda: client.jobs.get(job_id).terminal, _CALM_S)
    job = client.jobs.get(job_id)
    if job.status != "completed" or job.attempt != 1:
        raise Broken(f"{job.recipe} {job.id} is {job.status} at attempt {job.attempt} without any disturbance: {job.failure or job.reason}")
    return job
