"""`arc study run` and `arc study selftest`: a whole study from one line, and how honest its rules are.

While a study runs its line shows the mode, the incumbent with its interval, what is spent, and what runs. The end is the verdict, which
may be "not known yet", and the page.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.live import Live
from rich.text import Text

from arc.cli.data_options import reference
from arc.cli.follow import exit_code, follow_all, outcome
from arc.cli.options import Json, Parameters, Workspace, examples, settings_of
from arc.cli.output import document, facts, number, say, stderr
from arc.cli.session import Interrupted, Link, session
from arc.cli.submit import job_request
from arc.cli.values import params
from arc.client import Client
from arc.core.job import Job
from arc.core.study import Objective, Study, StudyBudget, StudySpec

_RUNNING = 3  # experiments named in the line


def register(group: typer.Typer) -> None:
    """Add `run` and `selftest` to `arc study`."""
    group.command(epilog=examples("arc study selftest --studies 200 --json"))(selftest)
    group.command(
        epilog=examples(
            "arc study run --recipe fundus.classify --dataset demo --budget 30 --objective auc",
            "arc study run --recipe fundus.classify --dataset demo@2 --budget 60 -p epochs=10 -p model=small_cnn --minimum-effect 0.01",
            "arc study run --recipe fundus.segment --dataset discs --objective disc_dice --budget 40 --mode supervised",
        )
    )(run)


def run(
    recipe: Annotated[str, typer.Option(help="The recipe whose configuration is searched.")],
    dataset: Annotated[str | None, typer.Option(help="Name of the dataset, or NAME@VERSION.")] = None,
    budget: Annotated[int, typer.Option(metavar="N", min=2, help="Trainings, those of the baseline and of the last test included.")] = 30,
    objective: Annotated[str, typer.Option(help="A metric of the evaluation.")] = "auc",
    direction: Annotated[Literal["max", "min"], typer.Option(help="Whether more is better.")] = "max",
    minimum_effect: Annotated[float, typer.Option(min=0, help="Smallest gain that counts.")] = 0.0,
    mode: Annotated[
        Literal["autonomous", "supervised", "offline"], typer.Option(help="Who approves: the council, you, or nobody.")
    ] = "autonomous",
    max_concurrent: Annotated[int, typer.Option(metavar="N", min=1, help="Experiments at once.")] = 3,
    name: Annotated[str, typer.Option(help="A name for the study.")] = "study",
    param: Parameters = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed decides alike.")] = 0,
    split: Annotated[str | None, typer.Option(help="Split that the evaluation looks at; val by default where there is one.")] = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="A rehearsal on tiny models, in a minute; nothing it says is a result.")
    ] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Search for a better configuration, and say "better" only when a sceptic would agree."""
    spec = StudySpec(
        name=name,
        recipe=recipe,
        inputs={} if dataset is None else {"dataset": str(reference(dataset))},
        objective=Objective(metric=objective, direction=direction, minimum_effect=minimum_effect),
        baseline=params(param or ()),
        budget=StudyBudget(experiments=budget),
        mode=mode,
        max_concurrent=max_concurrent,
        seed=seed,
        evaluate={"split": split} if split else {},
        simulated=simulated,
    )
    settings = settings_of(workspace)
    with session(settings, engine=True) as link:
        study = link.client.studies.start(link.client.studies.create(spec).id)
        job = follow(link, study, quiet=as_json)
        study = link.client.studies.get(study.id)
    conclude(study, job, page_of(settings.workspace, job), as_json=as_json)


def selftest(
    studies: Annotated[int, typer.Option(metavar="N", min=1, help="Simulated studies of each kind.")] = 200,
    experiments: Annotated[int, typer.Option(metavar="N", min=20, help="Trainings that each may spend.")] = 60,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed gives the same counts.")] = 0,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """How often a study claims a winner where nothing can improve, and finds an effect of two sigma: both simulated, by the rules as they are."""
    request = job_request(recipe="research.selftest", params={"studies": studies, "experiments": experiments}, seed=seed)
    with session(settings_of(workspace), engine=True, make=True) as link:
        job = follow_all(link, [("selftest", link.client.jobs.submit(request).id)], quiet=as_json)[0]
    if as_json and job.result is not None:
        document(job.result)
    elif job.result is not None:
        say(
            f"{job.result['aa_count']} of {studies} studies with nothing to find claimed a winner {_share(job.result['aa_interval'])}; at most 5 % should."
        )
        say(
            f"{job.result['power_count']} of {studies} found an effect of two sigma {_share(job.result['power_interval'])}; at least 80 % should."
        )
    else:
        outcome(job)
    raise typer.Exit(exit_code(job))


def _share(interval: dict[str, Any]) -> str:
    return f"({100 * interval['value']:.1f} %, 95 % interval {100 * interval['low']:.1f} to {100 * interval['high']:.1f})"


def follow(link: Link, study: Study, *, quiet: bool) -> Job:
    """Show a study until its job is over; Interrupted says how to go on."""
    job_id = str(study.job_id)
    try:
        with _line(quiet=quiet) as show:
            show(study, [])
            for _ in link.client.jobs.watch(job_id):
                show(link.client.studies.get(study.id), _running(link.client, study.id))
        return link.client.jobs.get(job_id)
    except KeyboardInterrupt:
        what = "goes on with: arc serve" if link.own else f"goes on without you; look again: arc study show {study.id}"
        raise Interrupted(f"{study.id} {what}", exit_code=130) from None


def conclude(study: Study, job: Job, page: Path | None, *, as_json: bool) -> None:
    """Say what a study found, and leave with the exit status that its job means."""
    code = exit_code(job)
    if as_json:
        document({"study": study, "job": job.id, "page": str(page) if page else None, "summary": study.summary})
    elif code:
        outcome(job)
    else:
        say("")
        say(_sentence(study))
        incumbent = study.summary.get("incumbent") or {}
        told = [
            ("study", study.id),
            ("incumbent", _config(incumbent.get("config", {}))),
            ("trainings", f"{study.spent.experiments} of {study.spec.budget.experiments}"),
        ]
        facts([*told, ("page", page), ("the argument", f"arc study show {study.id} --decisions")])
    if code:
        raise typer.Exit(code)


def page_of(workspace: Path, job: Job) -> Path | None:
    """Where the page of a study lies; None when it left none."""
    found = workspace / "jobs" / job.id / "results" / "study.html"
    return found if found.exists() else None


def _sentence(study: Study) -> str:
    summary, metric = study.summary, study.spec.objective.metric
    incumbent = summary.get("incumbent") or {}
    between = f"{metric} {_interval(incumbent)}" if incumbent else f"no {metric} was measured"
    simulated = "Simulated. " if study.spec.simulated else ""
    return simulated + {
        "better": f"Better: {between} on fresh seeds, beyond noise.",
        "not better": f"Not better: the baseline stays, {between}; what looked best was tested and gains too little.",
    }.get(str(summary.get("verdict")), f"Not known yet: the baseline stays, {between}; nothing can be called better with what was spent.")


@contextmanager
def _line(*, quiet: bool) -> Iterator[Any]:
    """A function (study, running) that shows them: redrawn in place on a terminal, a line a change elsewhere."""
    if quiet:
        yield lambda study, running: None
    elif stderr().is_terminal:
        with Live(console=stderr(), refresh_per_second=4) as live:
            yield lambda study, running: live.update(Text(described(study, running)))
    else:
        seen: list[str] = []

        def show(study: Study, running: list[str]) -> None:
            text = described(study, [])
            if not seen or seen[-1] != text:
                seen.append(text)
                stderr().print(Text(text), soft_wrap=True)

        yield show


def described(study: Study, running: list[str]) -> str:
    """Mode, incumbent with interval, budget and what runs, in a line."""
    summary, metric = study.summary, study.spec.objective.metric
    parts = [f"cycle {study.cycle}" if study.cycle else "measuring the baseline"]
    if summary.get("mode"):
        parts.append(str(summary["mode"]))
    incumbent = summary.get("incumbent")
    if incumbent:
        parts.append(f"{'baseline' if summary.get('is_baseline') else 'incumbent'} {metric} {_interval(incumbent)}")
    parts.append(f"{study.spent.experiments} of {study.spec.budget.experiments} trainings")
    if running:
        parts.append(
            "running " + ", ".join(running[:_RUNNING]) + (f" and {len(running) - _RUNNING} more" if len(running) > _RUNNING else "")
        )
    return f"{study.spec.name}: " + ", ".join(parts)


def _running(client: Client, study_id: str) -> list[str]:
    return [one.proposal_id.partition("-")[2] for one in client.studies.history(study_id) if one.status == "running"]


def _interval(incumbent: dict[str, Any]) -> str:
    value, low, high = (incumbent.get(name) for name in ("mean", "low", "high"))
    between = f" ({number(low)} to {number(high)})" if low is not None and high is not None else ""
    return f"{number(value)}{between}" if value is not None else "not measured"


def _config(config: dict[str, Any]) -> str:
    return ", ".join(f"{name} {number(value) if isinstance(value, float) else value}" for name, value in config.items()) or "the baseline"
