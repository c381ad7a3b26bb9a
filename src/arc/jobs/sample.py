"""Sampling: what can only be found by looking now and then, namely stalls and leases that run out; memory is looked at more often (`memory`).

Limits are held whether the store answers or not; leases are prolonged in one transaction for all attempts, and one that
could not be is examined, never simply acted upon.
"""

from collections.abc import Mapping
from datetime import timedelta

import structlog

from arc.core.job import Job
from arc.core.ports import Backend, Liveness
from arc.jobs.attend import Attendance
from arc.jobs.house import House
from arc.jobs.leases import end_expired
from arc.store import attempts

_log = structlog.get_logger(__name__)


async def sample(house: House, backend: Backend, attending: Mapping[str, Attendance], *, lease_ttl_s: float) -> None:
    """Look once at every attended attempt, and at the leases."""
    alive = []
    for job_id, attendance in list(attending.items()):
        try:
            alive += [attendance.job] if await _hold_to_limits(house, backend, attendance) else []
        except Exception as error:  # noqa: BLE001 - a failed reading changes nothing
            _log.warning("an attempt could not be sampled", job_id=job_id, error=repr(error))
    try:
        await house.run(_renew, house, alive, lease_ttl_s)
        await house.run(end_expired, house.store, house.hub)
    except Exception as error:  # noqa: BLE001 - they have expired all the same, and the next look writes it down
        _log.warning("leases could not be recorded", error=repr(error))


async def _hold_to_limits(house: House, backend: Backend, attendance: Attendance) -> bool:
    """End the attempt when it must be; whether it lives now."""
    identity = attendance.identity
    if identity is None:
        return False
    attendance.journal_grew()  # in case a notice was lost
    attendance.end_if_stalled()
    return await backend.alive(identity) is Liveness.ALIVE


def _renew(house: House, alive: list[Job], ttl_s: float) -> None:
    if alive:
        until = house.clock.now() + timedelta(seconds=ttl_s)
        with house.store.write() as tx:
            for job in alive:
                attempts.renew(tx, job.id, job.attempt, until=until)
