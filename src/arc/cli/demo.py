"""`arc demo`: the main job of the house, from an archive of photographs to a report about held-out patients, and a short study.

Five jobs, each waiting for the one before: archive, unpack, train, evaluate, report. They go through the
same queue as everyone's. With `--data` the archive, or the folder, is the user's own; it is only read.

The study that follows is a look at how `arc study run` works, on trainings of a second or two: too few for a test, so it ends with
"not known yet", and says why. Where val cannot be ranked (it lacks a class) there is nothing to study, and none is begun.
"""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from arc.cli.data_options import dataset_name, with_data_root
from arc.cli.follow import exit_code, follow_all, outcome
from arc.cli.options import Json, Workspace, examples, settings_of
from arc.cli.output import document, facts, say
from arc.cli.session import Link, session
from arc.cli.study_run import conclude, follow, page_of
from arc.cli.submit import job_request
from arc.cli.verdict import verdict
from arc.core.errors import NotFound
from arc.core.job import Job
from arc.core.space import Choice, Real, Space
from arc.core.study import Evidence, Objective, Study, StudyBudget, StudySpec
from arc.settings import Settings

_SEED = 7  # so that everyone's demo is the same one
_QUICK_PATIENTS = 96
_QUICK_EPOCHS = 6
_TRAININGS, _QUICK_TRAININGS = 10, 6  # of the study, the three of its baseline included
_BASELINE = {"model": "small_cnn", "input_size": 64, "epochs": 3, "keep": "last"}  # val has no say in the weights, so that it can judge
_SPACE = Space(
    parameters={
        "lr": Real(low=1e-4, high=3e-2, log=True),
        "weight_decay": Real(low=1e-5, high=1e-1, log=True),
        "dropout": Real(low=0.0, high=0.6),
        "loss": Choice(values=("focal", "cross_entropy", "weighted_bce")),
        "augment": Choice(values=(True, False)),
    }
)


@dataclass(frozen=True)
class Plan:
    """What the demo was asked for."""

    data: Path | None
    draw: dict[str, Any]  # parameters of each step that were given
    unpack: dict[str, Any]
    train: dict[str, Any]
    seed: int
    trainings: int  # of the study
    command: str


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the command to `arc`."""
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "arc demo # draws its own photographs",
            "arc demo --data ~/eyes.zip # one folder a class: glaucoma/, normal/",
            "arc demo --data ~/eyes --model efficientnet_b0 --epochs 20",
            "arc demo --quick # a minute, for a first look",
        ),
    )(demo)


def demo(
    data: Annotated[Path | None, typer.Option(help="A folder or archive of your own photographs, one folder a class.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer patients and epochs; good for a look, not for a number.")] = False,
    patients: Annotated[
        int | None, typer.Option(metavar="N", min=4, help="Synthetic patients, two photographs each; 320 by default, 96 with --quick.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Most passes over the training split; 30 by default, 6 with --quick.")
    ] = None,
    model: Annotated[
        Literal["small_cnn", "efficientnet_b0"] | None, typer.Option(help="small_cnn by default; efficientnet_b0 wants a GPU.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Random seed: the same one gives the same numbers.")] = _SEED,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Train, evaluate and report a real model: photographs in, verdict on held-out patients out; then a short study."""
    settings = settings_of(workspace)
    plan = _plan(data, quick=quick, patients=patients, epochs=epochs, model=model, seed=seed)
    with session(with_data_root(settings, plan.data), engine=True) as link:
        steps = list(_submit(link, plan))
        jobs = follow_all(link, [(title, job.id) for title, job in steps], quiet=as_json)
        bad = next((job for job in jobs if exit_code(job)), None)
        if bad is None and not as_json:
            _tell(settings, plan, jobs)
        study = _study(link, plan, jobs, quiet=as_json) if bad is None and _can_be_ranked(jobs) else None
    if bad is not None:
        if as_json:
            document({"jobs": jobs})
        outcome(bad)
        raise typer.Exit(exit_code(bad))
    _conclude(settings, plan, jobs, study, as_json=as_json)


def _plan(data: Path | None, *, quick: bool, patients: int | None, epochs: int | None, model: str | None, seed: int) -> Plan:
    found = data.expanduser().resolve() if data is not None else None
    if found is not None and not found.exists():
        raise NotFound(f"--data: there is no file or folder {found}", field="data", value=str(found))
    given = [("--data", found), ("--patients", patients), ("--epochs", epochs), ("--model", model), ("--seed", seed)]
    words = ["arc", "demo", *(["--quick"] if quick else [])]
    for option, value in given:
        words += [] if value is None else [option, str(value)]
    if quick:
        patients, epochs = patients or _QUICK_PATIENTS, epochs or _QUICK_EPOCHS
    return Plan(
        data=found,
        draw=_given(patients=patients),
        unpack={"name": dataset_name(found) if found else "synthetic", "source": str(found) if found else "drawn by data.synthetic_fundus"},
        train=_given(model=model, epochs=epochs),
        seed=seed,
        trainings=_QUICK_TRAININGS if quick else _TRAININGS,
        command=shlex.join(words),
    )


def _given(**params: Any) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _submit(link: Link, plan: Plan) -> Iterator[tuple[str, Job]]:
    """The jobs of the demo with their titles, each submitted after the one it reads from."""

    def ask(recipe: str, inputs: dict[str, str], **params: Any) -> Job:
        return link.client.jobs.submit(job_request(recipe=recipe, inputs=inputs, params=params, seed=plan.seed))

    archive = f"path:{plan.data}"
    if plan.data is None:
        drawn = ask("data.synthetic_fundus", {}, **plan.draw)
        archive = f"job:{drawn.id}/synthetic-fundus.zip"
        yield "archive", drawn
    unpacked = ask("data.unpack", {"archive": archive}, **plan.unpack)
    yield "unpack", unpacked
    dataset = f"job:{unpacked.id}/dataset"
    trained = ask("fundus.classify", {"dataset": dataset}, **plan.train)
    yield "train", trained
    judged = ask("fundus.evaluate", {"model": f"job:{trained.id}/model.safetensors", "dataset": dataset})
    yield "evaluate", judged
    inputs = {name: f"job:{trained.id}/{name}.json" for name in ("history", "config")}
    inputs |= {"evaluation": f"job:{judged.id}/evaluation.json", "predictions": f"job:{judged.id}/predictions.csv"}
    inputs |= {"samples": f"job:{judged.id}/samples.json", "dataset": dataset}
    yield "report", ask("fundus.report", inputs, command=plan.command)


def _can_be_ranked(jobs: list[Job]) -> bool:
    """Whether val has both classes, as far as the training could tell: without them no AUC can be studied."""
    return isinstance((jobs[-3].metrics or {}).get("val_auc"), float)


def _study(link: Link, plan: Plan, jobs: list[Job], *, quiet: bool) -> tuple[Study, Job]:
    """A study of a few short trainings on the dataset of the demo, followed to its end, with its job."""
    judged = (jobs[-2].result or {})["dataset"]
    spec = StudySpec(
        name="demo",
        recipe="fundus.classify",
        inputs={"dataset": f"dataset:{judged['name']}@{judged['version']}"},
        objective=Objective(metric="auc"),
        space=_SPACE,
        baseline=dict(_BASELINE),
        budget=StudyBudget(experiments=plan.trainings, reserve_share=0.0),
        evidence=Evidence(baseline_seeds=3),
        seed=plan.seed,
        evaluate={"split": "val"},
    )
    study = link.client.studies.start(link.client.studies.create(spec).id)
    job = follow(link, study, quiet=quiet)
    return link.client.studies.get(study.id), job


def _report_of(settings: Settings, jobs: list[Job]) -> Path:
    return settings.workspace / "experiments" / str(jobs[-1].experiment_id) / "results" / "report.html"


def _tell(settings: Settings, plan: Plan, jobs: list[Job]) -> None:
    say("")
    verdict(jobs[-2])
    say("")
    facts([("experiment", jobs[-3].experiment_id), ("repeat it with", plan.command), ("report", _report_of(settings, jobs))])
    say("")


def _conclude(settings: Settings, plan: Plan, jobs: list[Job], studied: tuple[Study, Job] | None, *, as_json: bool) -> None:
    """The study's end, or with `as_json` the one document; leaves with the exit status of the study's job."""
    *_, trained, judged, _ = jobs
    if not as_json:
        if studied is None:
            say("No study: val holds one class alone, so there is no AUC by which configurations could be told apart.")
        else:
            conclude(*studied, page_of(settings.workspace, studied[1]), as_json=False)
        return
    document(
        {
            "experiment_id": trained.experiment_id,
            "jobs": [job.id for job in jobs],
            "metrics": judged.metrics,
            "result": judged.result,
            "report": str(_report_of(settings, jobs)),
            "command": plan.command,
            "study": _as_document(settings, *studied) if studied is not None else None,
        }
    )
    if studied is not None and exit_code(studied[1]):
        raise typer.Exit(exit_code(studied[1]))


def _as_document(settings: Settings, study: Study, job: Job) -> dict[str, Any]:
    page = page_of(settings.workspace, job)
    return {"id": study.id, "state": study.state, "job": job.id, "page": str(page) if page else None, "summary": study.summary}
