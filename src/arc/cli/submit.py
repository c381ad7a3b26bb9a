"""`arc submit`: any recipe as a job."""

from typing import Annotated, Any, Literal, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from arc.cli.follow import watch_to_end
from arc.cli.options import Json, Parameters, Seed, Wait, Workspace, examples, settings_of
from arc.cli.output import document, note, say
from arc.cli.session import Link, session
from arc.cli.values import pairs, params
from arc.core.errors import InvalidSpec
from arc.core.job import JobRequest

N = TypeVar("N", bound=BaseModel)
Level = Literal["CRITICAL", "HIGH", "NORMAL", "LOW"]
Urgency = Annotated[Level, typer.Option("--priority", case_sensitive=False, help="First in, first out within one priority.")]


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the command to `arc`."""
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "arc submit fundus.classify --input dataset=dataset:demo -p epochs=5 -p lr=1e-3",
            "arc submit data.unpack --input archive=path:/data/eyes.zip -p name=eyes --no-wait",
            "arc submit fundus.report --needs JOB --priority HIGH --key tuesday # a repeated call with the key returns the first job",
        ),
    )(submit)


def submit(
    recipe: Annotated[str, typer.Argument(help="Name of the recipe, as arc recipes lists it.")],
    param: Parameters = None,
    input_: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="NAME=REF", help="dataset:NAME@VERSION, artifact:DIGEST, job:ID/OUTPUT or path:FILE."),
    ] = None,
    needs: Annotated[list[str] | None, typer.Option(metavar="JOB", help="A job that must complete first; may be given often.")] = None,
    priority: Urgency = "NORMAL",
    seed: Seed = None,
    experiment: Annotated[str | None, typer.Option(help="Join this experiment.")] = None,
    max_retries: Annotated[int, typer.Option(metavar="N", min=0, help="Attempts after the first.")] = 3,
    retry_delay: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Seconds before the first retry; doubles each time.")] = 60.0,
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS", min=0, help="Longest time of one attempt, in seconds.")] = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key: a repeated submit with it returns the first job.")] = None,
    wait: Wait = True,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Submit a job of any recipe."""
    request = job_request(
        recipe=recipe,
        params=params(param or ()),
        inputs=pairs(input_ or (), option="--input"),
        needs=needs or [],
        priority=priority,
        seed=seed,
        experiment_id=experiment,
        max_retries=max_retries,
        retry_delay_seconds=retry_delay,
        timeout_seconds=timeout,
    )
    with session(settings_of(workspace), engine=wait, make=True) as link:
        send(link, request, wait=wait, as_json=as_json, key=key)


def job_request(**fields: Any) -> JobRequest:
    """The request with these fields; InvalidSpec names the first wrong one and its value."""
    return noun_of(JobRequest, **fields)


def noun_of(kind: type[N], **fields: Any) -> N:
    """A noun with these fields, as they were typed; InvalidSpec names the first wrong one and its value."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InvalidSpec(f"{name} = {str(first.get('input'))[:80]}: {first['msg']}", field=name, value=first.get("input")) from None


def send(link: Link, request: JobRequest, *, wait: bool, as_json: bool, key: str | None = None) -> None:
    """Submit the request and follow it, or say how it can be followed."""
    try:
        job = link.client.jobs.submit(request, key=key)
    except InvalidSpec as error:
        raise _with_names(link, request, error) from None
    if wait:
        watch_to_end(link, job, as_json=as_json)
    elif as_json:
        document(job)
    else:
        say(f"{job.id} {job.status.value}")
        if not link.engine:
            note(f"Nothing runs jobs in this workspace now: arc serve does, or arc jobs watch {job.id}")


def _with_names(link: Link, request: JobRequest, error: InvalidSpec) -> InvalidSpec:
    """The error, with the names that would have been right when a parameter of the request is none of the recipe's."""
    name = (error.field or "").removeprefix("params.")
    if name == error.field or name not in request.params:
        return error
    known = link.client.recipes.get(request.recipe).params_schema.get("properties", {})
    if name in known:
        return error
    return InvalidSpec(f"{request.recipe} has no parameter {name!r}; it has {', '.join(known)}", field=error.field, value=error.value)
