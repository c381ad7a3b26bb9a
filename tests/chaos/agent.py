"""The agent: a seeded hand that kills, pauses, fills the disk and restarts the database, and remembers what it did.

Its plan is drawn beforehand from the seed; the moments are those of a real machine. Whatever dies without being in its
record died of the engine, and is a failure of the suite.
"""

import contextlib
import os
import random
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from time import perf_counter, sleep
from typing import Final, Protocol

from arc.core.clock import SystemClock, unix
from arc.core.process import send, stat
from tests.chaos import living
from tests.chaos.living import Running
from tests.chaos.plane import Plane, until

KINDS: Final = {
    "attempt": "kill -9 of an attempt",
    "plane": "kill -9 of the control plane",
    "stop": "SIGTERM of the control plane",
    "reaper": "kill -9 of a reaper",
    "both": "kill -9 of an attempt and its reaper",
    "warm": "kill -9 of the warm server",
    "pause": "SIGSTOP of an attempt, a reaper, the warm server or the control plane, SIGCONT later",
    "database": "immediate restart of the database server",
    "backend": "kill -9 of one process of the database server",
    "disk": "the disk full to its last byte for some seconds",
}
_VICTIM_S = 30.0  # how long it waits for somebody to kill
_LONGEST_PAUSE_S = 4.0  # longer than the lease, shorter than the stall budget
_MEAN_GAP_S = 0.4
_AIM_S, _AIM_NAP_S = 10.0, 0.002  # how long it waits for a certain moment, and how often it looks
_GONE_S = 5.0  # after a stop in peace; the warm server may be in the middle of an import


class Trouble(Protocol):
    """What can be troubled beside processes."""

    def __call__(self, rng: random.Random) -> None:
        """Make trouble once, and return when it is over."""
        ...


@dataclass(frozen=True)
class Injection:
    """One thing the agent did."""

    at: float  # unix time
    kind: str
    what: str
    job_id: str = ""
    number: int = 0
    until: float = 0.0  # unix time; of troubles that last


@dataclass
class Record:
    """All that the agent did and saw."""

    injections: list[Injection] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)  # planned, and nobody was there to be hit
    starts_s: list[float] = field(default_factory=list)  # from the start of a control plane to its first answer
    sights: list[str] = field(default_factory=list)  # what must not be seen

    def killed(self) -> set[tuple[str, int]]:
        """The attempts it ended."""
        return {(each.job_id, each.number) for each in self.injections if each.kind in ("attempt", "both")}

    def count(self, kind: str) -> int:
        """How often it did so."""
        return sum(each.kind == kind for each in self.injections)


class Agent:
    """Carries a plan out, one injection after the other."""

    def __init__(self, plane: Plane, rng: random.Random, counts: dict[str, int], troubles: dict[str, Trouble]) -> None:
        self.record = Record()
        self._plane = plane
        self._rng = rng
        self._plan = [kind for kind, count in counts.items() for _ in range(count)]
        rng.shuffle(self._plan)
        self._troubles = troubles
        self._paused: list[tuple[threading.Timer, int, int]] = []
        self._started_at = perf_counter()

    def work(self, within_s: float) -> None:
        """Do everything that is planned, or as much as there is time for; the control plane serves afterwards."""
        end = perf_counter() + within_s
        acts: dict[str, Callable[[], bool]] = {
            "plane": self._plane_killed, "stop": self._plane_stopped, "warm": self._warm_killed, "pause": self._paused_for_a_while,
        }  # fmt: skip
        try:
            while self._plan and perf_counter() < end:
                kind = self._plan.pop()
                self._gap()
                self._plane.check()
                act = acts.get(kind) or (lambda kind=kind: self._troubled(kind) if kind in self._troubles else self._attempt_killed(kind))
                if not act():
                    self.record.missed.append(kind)
            self.record.missed += self._plan
        finally:
            for timer, pid, start_time in self._paused:
                timer.cancel()
                send(pid, start_time, signal.SIGCONT)
        self._plane.wait()

    def _gap(self) -> None:
        sleep(min(self._rng.expovariate(1 / _MEAN_GAP_S), 4 * _MEAN_GAP_S))

    def _look(self) -> list[Running]:
        """The living attempts; two of one job at once are the worst that can be seen."""
        found = living.attempts(self._plane.workspace)
        doubled = {one.job_id for one, other in pairwise(found) if one.job_id == other.job_id}
        self.record.sights += [f"I2: two attempts of {job_id} lived at the same time" for job_id in doubled]
        return found

    def _victim(self, *, fresh: bool) -> Running | None:
        """A living attempt; a fresh one is hit in its first moments."""
        before = {(each.job_id, each.number) for each in self._look()} if fresh else set()
        seen: list[Running] = []

        def there() -> bool:
            self._plane.check()
            seen[:] = [each for each in self._look() if (each.job_id, each.number) not in before]
            return bool(seen)

        return self._rng.choice(seen) if until(there, _VICTIM_S) else None

    def _attempt_killed(self, kind: str) -> bool:
        fresh = self._rng.random() < 0.25
        victim = self._victim(fresh=fresh)
        if victim is None:
            return False
        sleep(self._rng.uniform(0.0, 0.05) if fresh else 0.0)
        identity = victim.identity
        if kind in ("reaper", "both"):
            send(identity.reaper_pid or 0, identity.reaper_start_time or 0, signal.SIGKILL)
        hit = kind == "reaper" or send(identity.pid, identity.start_time, signal.SIGKILL)
        self._note(kind, f"pid {identity.pid}" if hit else "it had just ended", victim)
        return hit

    def _plane_killed(self) -> bool:
        """Killed, in one case of ten when it was just asked to stop, and started again."""
        moment = self._moment()
        self._plane.check()
        if self._rng.random() < 0.1:  # in the middle of its stopping
            self._note("asked", f"SIGTERM of pid {self._plane.pid}, killed soon after")
            self._plane.ask_to_stop()
            sleep(self._rng.uniform(0.0, 1.5))
        self._plane.kill()
        self._note("plane", f"pid {self._plane.pid}, {moment}")
        if self._rng.random() < 0.4 and (kind := next((kind for kind in self._plan if kind in ("attempt", "both")), None)):
            self._plan.remove(kind)
            if found := self._look():  # while nobody watches
                self._end(kind, self._rng.choice(found))
            else:
                self._plan.append(kind)
        sleep(self._rng.uniform(0.0, 1.0))
        self._plane.start()
        return True

    def _moment(self) -> str:
        """Wait for the moment to kill the control plane, and say which it is."""
        (moment,) = self._rng.choices(("while it starts", "at any moment", "at a launch", "at an end"), (2, 4, 2, 2))
        if moment == "while it starts":
            sleep(self._rng.uniform(0.0, 2.5))
            return moment
        self.record.starts_s.append(self._plane.wait())
        if moment == "at any moment":
            sleep(self._rng.uniform(0.0, 1.5))
            return moment
        folders, running = living.stagings(self._plane.workspace), set(self._look())
        if moment == "at a launch":
            until(lambda: living.stagings(self._plane.workspace) - folders, _AIM_S, nap_s=_AIM_NAP_S)
        else:
            until(lambda: running - set(self._look()), _AIM_S, nap_s=_AIM_NAP_S)
        sleep(self._rng.uniform(0.0, 0.04))
        return moment

    def _plane_stopped(self) -> bool:
        """In peace: what ran has checkpointed and is queued, and nothing of it lives on."""
        self.record.starts_s.append(self._plane.wait())
        until(lambda: self._plane.check() or self._look(), _VICTIM_S)
        self._note("stop", f"pid {self._plane.pid}")
        self._plane.stop()
        until(lambda: not living.descendants(self._plane.temporary), _GONE_S)
        left = living.descendants(self._plane.temporary)
        self.record.sights += [f"I6: after a stop in peace there was still {command}" for command in left.values()]
        self._plane.start()
        return True

    def _end(self, kind: str, victim: Running) -> None:
        identity = victim.identity
        if kind == "both":
            send(identity.reaper_pid or 0, identity.reaper_start_time or 0, signal.SIGKILL)
        send(identity.pid, identity.start_time, signal.SIGKILL)
        self._note(kind, f"pid {identity.pid}, while no control plane ran", victim)

    def _warm_killed(self) -> bool:
        found: list[tuple[int, int]] = []
        if not until(lambda: found.extend(living.warm_servers(self._plane.temporary)) or found, _VICTIM_S):
            return False
        pid, start_time = found[0]
        self._note("warm", f"pid {pid}")
        return send(pid, start_time, signal.SIGKILL)

    def _paused_for_a_while(self) -> bool:
        victims: list[tuple[str, int, int]] = []
        for each in self._look():
            identity = each.identity
            victims.append((f"attempt {each.job_id}.{each.number}", identity.pid, identity.start_time))
            victims.append((f"reaper of {each.job_id}.{each.number}", identity.reaper_pid or 0, identity.reaper_start_time or 0))
        victims += [("warm server", pid, start_time) for pid, start_time in living.warm_servers(self._plane.temporary)]
        own = stat(self._plane.pid)
        victims += [("control plane", self._plane.pid, own.start_time)] * 3 if own else []
        what, pid, start_time = self._rng.choice(victims)
        lasts_s = self._rng.uniform(0.1, _LONGEST_PAUSE_S)
        if not send(pid, start_time, signal.SIGSTOP):
            return False
        timer = threading.Timer(lasts_s, send, (pid, start_time, signal.SIGCONT))
        timer.start()
        self._paused.append((timer, pid, start_time))
        now = unix(SystemClock().now())
        self.record.injections.append(Injection(now, "pause", f"{what} for {lasts_s:.1f} s", until=now + lasts_s))
        return True

    def _troubled(self, kind: str) -> bool:
        until(lambda: self._plane.check() or self._look(), _VICTIM_S)
        begun = unix(SystemClock().now())
        self._troubles[kind](self._rng)
        self.record.injections.append(Injection(begun, kind, KINDS[kind], until=unix(SystemClock().now())))
        return True

    def _note(self, kind: str, what: str, victim: Running | None = None) -> None:
        whom = {"job_id": victim.job_id, "number": victim.number} if victim else {}
        self.record.injections.append(Injection(unix(SystemClock().now()), kind, what, **whom))


def no_orphans(plane: Plane, within_s: float = 60.0) -> dict[int, str]:
    """The processes of a run that are still there a minute after its control plane has stopped; they are ended then."""
    until(lambda: not living.descendants(plane.temporary), within_s)
    left = living.descendants(plane.temporary)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return left
