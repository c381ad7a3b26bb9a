"""Pre-emption: who gives their place to a CRITICAL job that does not fit.

Only a job that is less urgent, can checkpoint and is not leaving already is asked; the least urgent first, and
among equals the one that started last, because it loses least. No more are asked than make room, and nobody is
asked when even all of them together would not.
"""

from collections.abc import Set

from arc import catalog
from arc.core.job import Job, Priority
from arc.jobs.admission import Admission

Running = list[tuple[Job, tuple[int, ...]]]


def victims(waiting: Job, running: Running, admission: Admission, *, leaving: Set[str]) -> list[str]:
    """Ids of the running jobs to ask to leave for `waiting`; empty when nobody need be, or it would not help."""
    if waiting.priority is not Priority.CRITICAL:
        return []
    staying = [(job, gpus) for job, gpus in running if job.id not in leaving]
    candidates = [job for job, _ in staying if job.priority.rank > waiting.priority.rank and catalog.spec(job.recipe).checkpoints]
    candidates.sort(key=lambda job: (job.priority.rank, job.id), reverse=True)
    asked: list[str] = []
    while admission.obstacle(waiting, [(job, gpus) for job, gpus in staying if job.id not in asked]) is not None:
        if len(asked) == len(candidates):
            return []
        asked.append(candidates[len(asked)].id)
    return asked
