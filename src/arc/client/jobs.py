"""The job verbs over HTTP."""

import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from arc.client.http import Http
from arc.client.views import JobReport, Update, job_report, noun, updates
from arc.core.cleaning import Cleaned
from arc.core.explanation import Explanation
from arc.core.job import Job, JobRequest
from arc.core.page import Page
from arc.core.states import JobStatus

_CLEAN_S = 600.0  # files are read and deleted before the answer


class JobCalls:
    """Submit, read, stop, continue and watch jobs."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def submit(self, request: JobRequest, *, key: str | None = None) -> Job:
        """Make the request durable. It is sent again when the connection breaks: a key, drawn when not given, makes that harmless.

        InvalidSpec, NotFound, Forbidden or Conflict name the field that is wrong.
        """
        body = request.model_dump(mode="json", exclude_unset=True)
        made = self._http.send("POST", "/jobs", body=body, key=key or secrets.token_urlsafe(18), of_a_job=True)
        return self.get(made["job_id"])

    def start(self, path: str, **fields: Any) -> Job:
        """The job that a route of work makes of these fields; its errors name a field as the route calls it."""
        made = self._http.send("POST", path, body=fields, key=secrets.token_urlsafe(18), params={"wait": 0}, of_a_job=True)
        return self.get(made["job_id"])

    def get(self, job_id: str) -> Job:
        """The job; NotFound."""
        return self.report(job_id).job

    def report(self, job_id: str) -> JobReport:
        """The job and why it does not run now; NotFound."""
        return job_report(self._http.get(f"/jobs/status/{_id(job_id)}"))

    def why(self, job_id: str) -> Explanation:
        """What the job waits for or why it failed, what happens next, and what one can do; NotFound."""
        return noun(Explanation, self._http.get(f"/jobs/{_id(job_id)}/why"))

    def page(
        self,
        *,
        status: JobStatus | None = None,
        recipe: str | None = None,
        experiment: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Job]:
        """A page of jobs, newest first."""
        params = {"status": status, "recipe": recipe, "experiment": experiment, "limit": limit, "cursor": cursor}
        answer = self._http.get("/jobs/list", params=params)
        return Page[Job](items=[job_report(view).job for view in answer["items"]], next_cursor=answer["next_cursor"])

    def cancel(self, job_id: str, *, rollback: bool = False) -> Job:
        """End the job, at once or as a request to its running attempt; Conflict when it is over."""
        return job_report(self._http.send("POST", f"/jobs/cancel/{_id(job_id)}", params={"rollback": rollback})).job

    def resume(self, job_id: str) -> Job:
        """The new job that continues a failed or cancelled one; Conflict when it cannot be continued."""
        return self.get(self._http.send("POST", f"/jobs/resume/{_id(job_id)}")["job_id"])

    def hold(self, job_id: str) -> Job:
        """Do not start the job; a running one gives its place up."""
        return job_report(self._http.send("POST", f"/jobs/hold/{_id(job_id)}")).job

    def release(self, job_id: str) -> Job:
        """Let a held job run again."""
        return job_report(self._http.send("POST", f"/jobs/release/{_id(job_id)}")).job

    def clean(self, *, dry_run: bool = False) -> Cleaned:
        """Take away what may go, or with `dry_run` only say what would, and why."""
        return noun(Cleaned, self._http.send("POST", "/jobs/auto-clean", params={"dry_run": dry_run}, timeout_s=_CLEAN_S))

    def log(self, job_id: str, *, lines: int = 100, stream: str = "stderr") -> str:
        """The last lines of the latest attempt; NotFound when there was none."""
        return str(self._http.get(f"/jobs/{_id(job_id)}/logs", params={"lines": lines, "stream": stream})["text"])

    def watch(self, job_id: str, *, after: int | None = None) -> Iterator[Update]:
        """What happens to the job, from its first event or after a sequence number, until its end.

        Reconnects by itself and loses no event; ServiceDown when nobody answers for half a minute.
        """
        return updates(self._http.stream(f"/jobs/{_id(job_id)}/events", last_id="" if after is None else str(after)))


def _id(job_id: str) -> str:
    """An id as one segment of a path, whatever it holds."""
    return quote(job_id, safe="")
