"""Admission: which of the waiting jobs may start now, and what the others wait for.

A job starts when its declared needs fit: a slot of its class, threads, a GPU, and memory, where
free = min(measured, total - declared of running) - reserve, because a job that has just started still
measures small. Orchestrators and services take memory but no slot, so that nothing can hold the slot its
own jobs need. The answer is a sentence for people, or None when the job fits.

A job that does not fit is passed over: a smaller one behind it may start. Not covered yet: a large job
that is passed over for ever by a stream of small ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

from arc.core.errors import InvalidSpec
from arc.core.job import Job
from arc.core.recipe import Role


@dataclass(frozen=True)
class Gpu:
    """One GPU as measured."""

    id: int
    free_gb: float


@dataclass(frozen=True)
class Measured:
    """What the machine has, as measured now."""

    memory_total_gb: float
    memory_free_gb: float
    cores: int
    gpus: tuple[Gpu, ...] = ()


@dataclass(frozen=True)
class Limitation:
    """What the settings allow; zero means: derive from the machine."""

    task_slots: int = 0
    light_slots: int = 2
    threads_per_task: int = 0
    total_memory_gb: float = 0.0
    reserve_gb: float = 1.0


class Admission:
    """The one rule by which jobs start."""

    def __init__(self, measure: Callable[[], Measured], limitation: Limitation) -> None:
        self._measure = measure
        self._limits = limitation
        self._machine = measure()  # what does not change while we run: cores, GPUs, total memory

    @property
    def task_slots(self) -> int:
        """One for each GPU, else two, unless set."""
        return self._limits.task_slots or len(self._machine.gpus) or 2

    @property
    def threads_per_task(self) -> int:
        """The native threads of one task."""
        return self._limits.threads_per_task or max(1, self._machine.cores // self.task_slots)

    @property
    def has_gpu(self) -> bool:
        """Whether there is a GPU that computes what asks for one."""
        return bool(self._machine.gpus)

    def check_gpu(self, gpu_id: int | None) -> None:
        """InvalidSpec when a request pins a GPU that is not there."""
        if gpu_id is not None and gpu_id not in {gpu.id for gpu in self._machine.gpus}:
            raise InvalidSpec(f"gpu_id {gpu_id}: this machine has {len(self._machine.gpus)} GPUs", field="gpu_id", value=gpu_id)

    def check_threads(self, threads: int | None) -> int | None:
        """The requested thread count; InvalidSpec when the machine has fewer cores."""
        if threads is not None and threads > self._machine.cores:
            raise InvalidSpec(f"threads {threads}: this machine has {self._machine.cores} cores", field="threads", value=threads)
        return threads

    def obstacle(self, job: Job, running: Sequence[tuple[Job, tuple[int, ...]]]) -> str | None:
        """Why `job` cannot start beside the running ones (each with its GPU ids); None when it can."""
        return self._slot(job, running) or self._memory(job, running) or self._threads(job, running) or self._gpu(job, running)

    def gpus_for(self, job: Job, running: Sequence[tuple[Job, tuple[int, ...]]]) -> tuple[int, ...]:
        """The GPUs the job gets: the pinned one, else the freest; none when it wants none or the machine has none."""
        if not job.requires.gpus and job.limits.gpu_id is None:
            return ()
        if job.limits.gpu_id is not None:
            return (job.limits.gpu_id,)
        if not self._machine.gpus:
            return ()
        taken = {gpu for _, gpus in running for gpu in gpus}
        free = sorted((gpu for gpu in self._measure().gpus if gpu.id not in taken), key=lambda gpu: -gpu.free_gb)
        return tuple(gpu.id for gpu in free[: job.requires.gpus])

    def full_roles(self, running: Sequence[tuple[Job, tuple[int, ...]]]) -> set[str]:
        """The roles of which no job can get a slot beside the running ones."""
        return {role for role in get_args(Role) if self._holders(role, running)[1]}

    def _holders(self, role: str, running: Sequence[tuple[Job, tuple[int, ...]]]) -> tuple[list[str], bool]:
        holders = [other.id for other, _ in running if other.requires.role == role]
        return holders, role in ("task", "light") and len(holders) >= self._slots(role)

    def _slots(self, role: str) -> int:
        return self.task_slots if role == "task" else self._limits.light_slots

    def _slot(self, job: Job, running: Sequence[tuple[Job, tuple[int, ...]]]) -> str | None:
        role = job.requires.role
        holders, full = self._holders(role, running)
        return f"a {role} slot: {len(holders)} of {self._slots(role)} are taken by {', '.join(holders[:4])}" if full else None

    def _memory(self, job: Job, running: Sequence[tuple[Job, tuple[int, ...]]]) -> str | None:
        now = self._measure()
        total = self._limits.total_memory_gb or now.memory_total_gb
        declared = sum(other.requires.memory_gb for other, _ in running)
        free = min(now.memory_free_gb, total - declared) - self._limits.reserve_gb
        if job.requires.memory_gb <= free:
            return None
        return f"memory: needs {job.requires.memory_gb:.1f} GB, {max(free, 0):.1f} GB of {total:.1f} GB can be given"

    def _threads(self, job: Job, running: Sequence[tuple[Job, tuple[int, ...]]]) -> str | None:
        if job.requires.role != "task":
            return None
        used = sum(other.threads for other, _ in running if other.requires.role == "task")
        if not used or used + job.threads <= self._machine.cores:
            return None
        return f"threads: needs {job.threads}, {used} of {self._machine.cores} cores are taken"

    def _gpu(self, job: Job, running: Sequence[tuple[Job, tuple[int, ...]]]) -> str | None:
        wanted = job.requires.gpus if self._machine.gpus else 0
        if job.limits.gpu_id is not None:
            holder = next((other.id for other, gpus in running if job.limits.gpu_id in gpus), None)
            return f"GPU {job.limits.gpu_id}: taken by {holder}" if holder else None
        if wanted and len(self.gpus_for(job, running)) < wanted:
            return f"a GPU: needs {wanted}, all {len(self._machine.gpus)} are taken"
        return None
