"""The feeder: the clients of a control plane that is being killed, with all they were answered on record.

A request whose connection broke may or may not have been heard. Some are sent again with the same key until they are
acknowledged, some never: a key must stand for at most one job either way.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter, sleep
from typing import Literal

from arc.client import Client
from arc.core.clock import SystemClock, unix
from arc.core.errors import ArcError, Conflict, TemporaryError
from arc.core.job import Job
from arc.core.states import JobStatus
from tests.chaos.plane import Plane
from tests.chaos.workload import Wish, wishes

_PAUSE_S = 0.1
_GIVE_UP = 0.2  # share of the requests that were cut off and are never sent again
_OPEN = (JobStatus.PENDING, JobStatus.QUEUED, JobStatus.RUNNING)
_TWICE = 0.1  # share of the requests that are sent once more although they were acknowledged

Answer = Literal["acknowledged", "cut", "refused"]


@dataclass(frozen=True)
class Call:
    """One request and how it was answered."""

    at: float  # unix time
    op: str
    key: str
    answer: Answer
    said: str  # the id, or the error


@dataclass
class Asked:
    """What was asked for, and what was acknowledged of it."""

    wishes: dict[str, Wish] = field(default_factory=dict)  # by key, sent at least once
    ids: dict[str, str] = field(default_factory=dict)  # by key, acknowledged
    acts: dict[str, set[str]] = field(default_factory=dict)  # by job id: what a person may have done to it
    calls: list[Call] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)  # answers that must not be


class Feeder:
    """Keeps some jobs open until it is told to stop, then sees them to their end."""

    def __init__(self, plane: Plane, rng: random.Random, *, dataset: str | None, open_jobs: int = 6) -> None:
        self.asked = Asked()
        self._plane = plane
        self._rng = rng
        self._wishes = wishes(rng, dataset)
        self._wanted = open_jobs
        self._open: dict[str, tuple[Wish, float]] = {}  # by job id, with the time of its act
        self._held: dict[str, float] = {}  # by job id, with the time of its release
        self._next: Wish | None = None
        self._client: Client | None = None

    @property
    def open(self) -> list[str]:
        """Ids of the acknowledged jobs that were not seen to end."""
        return list(self._open)

    def feed(self, until: Callable[[], bool]) -> None:
        """Submit and look, over and over."""
        while not until():
            self._round(submit=True)

    def drain(self, within_s: float) -> None:
        """See every open job to its end, as long as there is time."""
        end = perf_counter() + within_s
        while (self._open or self._unfinished()) and perf_counter() < end:
            self._round(submit=False)
        self._drop()

    def _unfinished(self) -> bool:
        """Whether the control plane has jobs that are not over; also those that were heard of and never acknowledged."""
        try:
            self._client = self._client or self._plane.client()
            return self._client is None or any(self._client.jobs.page(status=status, limit=1).items for status in _OPEN)
        except TemporaryError:
            self._drop()
            return True

    def _round(self, *, submit: bool) -> None:
        sleep(_PAUSE_S)
        self._client = self._client or self._plane.client()
        if self._client is None:
            return
        try:
            for job_id, (wish, due) in list(self._open.items()):
                self._look(self._client, job_id, wish, due)
            if submit and len(self._open) < self._wanted:
                self._submit(self._client)
        except TemporaryError:
            self._drop()
        except ArcError as error:
            self.asked.complaints.append(f"{error.kind}: {error.message}")

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None

    def _submit(self, client: Client) -> None:
        wish = self._next or self._ready(next(self._wishes))
        self._next = wish
        self.asked.wishes[wish.key] = wish
        try:
            job = client.jobs.submit(wish.request, key=wish.key)
        except TemporaryError as error:
            self._note("submit", wish.key, "cut", error.message)
            if self._rng.random() < _GIVE_UP:
                self._next = None
            raise
        self._next = None
        self._note("submit", wish.key, "acknowledged", job.id)
        self._remember(wish, job)
        if self._rng.random() < _TWICE:
            self._remember(wish, client.jobs.submit(wish.request, key=wish.key))

    def _ready(self, wish: Wish) -> Wish:
        earlier = [self.asked.ids[key] for key, known in self.asked.wishes.items() if key in self.asked.ids and _will_complete(known)]
        if not wish.follows or not earlier:
            return wish
        needs = earlier[-2:]
        return Wish(wish.key, wish.request.model_copy(update={"needs": needs}), wish.twin)

    def _remember(self, wish: Wish, job: Job) -> None:
        first = self.asked.ids.setdefault(wish.key, job.id)
        if first != job.id:
            self.asked.complaints.append(f"I1: the key {wish.key} was answered with {first} and then with {job.id}")
        self._open.setdefault(job.id, (wish, perf_counter() + wish.after_s))

    def _look(self, client: Client, job_id: str, wish: Wish, due: float) -> None:
        if client.jobs.get(job_id).terminal:
            self._open.pop(job_id)
            return
        now = perf_counter()
        if wish.act and now > due and job_id not in self._held:
            self._act(client, job_id, wish)
        elif self._held.get(job_id, now) < now:
            self._answered("release", job_id, lambda: client.jobs.release(job_id))
            self._held[job_id] = float("inf")

    def _act(self, client: Client, job_id: str, wish: Wish) -> None:
        self.asked.acts.setdefault(job_id, set()).add(wish.act)
        if wish.act == "hold":
            self._answered("hold", job_id, lambda: client.jobs.hold(job_id))
            self._held[job_id] = perf_counter() + self._rng.uniform(0.3, 2.0)
        else:
            self._answered(wish.act, job_id, lambda: client.jobs.cancel(job_id, rollback=wish.act == "rollback"))
            self._open[job_id] = (Wish(wish.key, wish.request, wish.twin), 0.0)

    def _answered(self, op: str, job_id: str, call: Callable[[], Job]) -> None:
        try:
            call()
        except Conflict as error:  # it has just ended
            self._note(op, job_id, "refused", error.message)
        except TemporaryError as error:
            self._note(op, job_id, "cut", error.message)
            raise
        else:
            self._note(op, job_id, "acknowledged", job_id)

    def _note(self, op: str, key: str, answer: Answer, said: str) -> None:
        self.asked.calls.append(Call(unix(SystemClock().now()), op, key, answer, said))


def _will_complete(wish: Wish) -> bool:
    return wish.fate == "completed" and not wish.act
