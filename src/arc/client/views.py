"""Views: from what the routes answer to the nouns of the house.

The routes use names that older programs know (`job_id`, `last_checkpoint_path`); a reader on this side sees
`Job`, as everywhere else. What only a route knows, such as why a job waits, stands beside it.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from arc.client.sse import Frame
from arc.core.errors import PermanentError
from arc.core.event import Event
from arc.core.job import Job, Progress
from arc.core.page import Page

N = TypeVar("N", bound=BaseModel)


class JobReport(BaseModel):
    """A job, and why it does not run now."""

    model_config = ConfigDict(frozen=True)

    job: Job
    waiting_for: str | None


@dataclass(frozen=True)
class Update:
    """One thing that a stream told: an event, the newest progress, or (with neither) that the state must be read anew."""

    event: Event | None = None
    job_id: str | None = None
    progress: Progress | None = None


def job_report(view: Any) -> JobReport:
    """The report in one answer about a job; PermanentError when it is none."""
    try:
        return JobReport(job=Job.model_validate(_job_fields(view)), waiting_for=view["waiting_for"])
    except (ValidationError, KeyError, TypeError) as error:
        raise _strange("a job", error) from None


def noun(kind: type[N], answer: Any) -> N:
    """The noun in an answer; fields that this release does not know are passed over. PermanentError when it is none."""
    try:
        return kind.model_validate(answer)
    except ValidationError as error:
        raise _strange(f"a {kind.__name__}", error) from None


def page_of(kind: type[N], answer: Any) -> Page[N]:
    """A page of nouns."""
    return Page[N](items=[noun(kind, item) for item in answer["items"]], next_cursor=answer["next_cursor"])


def progress_of(view: Any) -> Progress:
    """The progress in an answer or a stream."""
    values = {name: value for name, value in view["values"].items() if value is not None}
    return Progress(done=view["done"] or 0.0, of=view["of"], unit=view["unit"], phase=view["phase"], eta_s=view["eta"], values=values)


def updates(frames: Iterable[Frame]) -> Iterator[Update]:
    """What the messages of a stream tell; heartbeats and kinds of a later release are passed over."""
    for frame in frames:
        update = _update(frame)
        if update is not None:
            yield update


def _update(frame: Frame) -> Update | None:
    try:
        data = json.loads(frame.data)
        if frame.event == "event":
            return Update(event=Event.model_validate(data))
        if frame.event == "progress":
            return Update(job_id=str(data["job_id"]), progress=progress_of(data["progress"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _strange("an event", error) from None
    return Update() if frame.event == "resync" else None


def _job_fields(view: Any) -> dict[str, Any]:
    fields = {name: view[name] for name in Job.model_fields if name in view}
    failure = view["failure"]
    if failure is not None:
        fields["failure"] = {"failure_class": failure["class"], **{name: failure[name] for name in failure if name != "class"}}
    if view["progress"] is not None:
        fields["progress"] = progress_of(view["progress"])
    return {**fields, "id": view["job_id"], "last_checkpoint": view["last_checkpoint_path"]}


def _strange(what: str, error: Exception) -> PermanentError:
    return PermanentError(f"the control plane's answer about {what} cannot be read; is it of another release? ({type(error).__name__})")
