"""A control plane on a loopback port, over a real store, without an engine: a test moves jobs itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from arc.api.control import ControlPlane
from arc.app import App, build
from arc.core.access import Role
from arc.core.job import Job, JobRequest
from arc.core.states import JobStatus
from arc.settings import Settings
from arc.store import events
from arc.store import jobs as rows
from arc.testing.inline import InlineBackend

RECIPE = "data.synthetic_fundus"


@dataclass
class House:
    """One control plane that serves, and ways to ask it."""

    plane: ControlPlane
    secrets: dict[str, str]

    @property
    def app(self) -> App:
        return self.plane.app

    @property
    def url(self) -> str:
        return self.plane.url

    def client(self, role: str | None = "admin", **headers: str) -> httpx.Client:
        """A client with the token of a role, or without any."""
        given = {"Authorization": f"Bearer {self.secrets[role]}"} if role else {}
        return httpx.Client(base_url=self.url, headers={**given, **headers}, trust_env=False, timeout=60)

    def job(self, **fields: Any) -> Job:
        """A queued job."""
        return self.app.jobs.submit(JobRequest(recipe=RECIPE, **fields), actor="test")

    def move(self, job: Job, to: JobStatus, **columns: Any) -> Job:
        """What the engine would do, and the poke that tells readers."""
        now_at = self.app.jobs.get(job.id).status
        with self.app.store.write() as tx:
            if to is JobStatus.RUNNING:
                moved = rows.claim(tx, job.id, now=tx.clock.now())
                assert moved is not None
                events.append(tx, subject=job.id, kind="job.started", actor="test")
            else:
                moved = rows.move(tx, job.id, to=to, expect=now_at, **columns)
            tx.after_commit(lambda: self.app.hub.poke(job.id))
        return moved

    def ended(self, to: JobStatus = JobStatus.COMPLETED, **columns: Any) -> Job:
        """A job that ran and ended."""
        return self.move(self.move(self.job(), JobStatus.RUNNING), to, **columns)


def serve(workspace: Path, **settings: Any) -> House:
    """A control plane over `workspace`, answering."""
    app = build(Settings(workspace=workspace, **{"sse_heartbeat_s": 0.2, **settings}))
    plane = ControlPlane(app, port=0, engine=False)
    plane.start_background()
    secrets = {role.value: app.access.create(role.value, role)[1] for role in Role}
    return House(plane, secrets)


def serve_running(workspace: Path) -> House:
    """One whose engine runs jobs in this process; its only secret is the admin's."""
    app = build(Settings(workspace=workspace, backend="inline", memory_reserve_gb=0), backends={"inline": InlineBackend()})
    plane = ControlPlane(app, port=0)
    plane.start_background()
    return House(plane, {"admin": app.access.create("admin", Role.ADMIN)[1]})


def is_problem(response: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """The problem in an answer, checked against RFC 9457 and the house's own members."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "instance", "code", "request_id"} <= set(said)
    assert said["status"] == status
    assert said["request_id"] == response.headers["x-request-id"]
    assert "Traceback" not in response.text
    if code is not None:
        assert said["code"] == code
    return said
