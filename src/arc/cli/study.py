"""`arc study`: studies, how they were argued, and a person's word in them."""

from typing import Annotated

import typer

from arc.cli import study_run
from arc.cli.options import Json, Parameters, Workspace, examples, settings_of
from arc.cli.output import age, document, facts, note, number, say, seconds, table
from arc.cli.session import session
from arc.cli.submit import noun_of
from arc.cli.values import params
from arc.core.clock import SystemClock
from arc.core.ids import new_id
from arc.core.proposal import Ballot, Decision, Observation, Proposal, ProposalStatus, Vote
from arc.core.study import Study

group = typer.Typer(no_args_is_help=True, help="Run studies, follow their argument, and have a say in it.")
StudyId = Annotated[str, typer.Argument(metavar="STUDY", help="Id of the study, as arc study list shows it.")]
ProposalId = Annotated[str, typer.Argument(metavar="PROPOSAL", help="Id of the proposal, as arc study show STUDY shows it.")]
Why = Annotated[str, typer.Option("--why", help="Why; stands in the argument of the study under your name.")]


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the group to `arc`."""
    study_run.register(group)
    app.add_typer(group, name="study", rich_help_panel=panel)


@group.command("list", epilog=examples("arc study list", "arc study list --recipe fundus.classify --json"))
def list_(
    recipe: Annotated[str | None, typer.Option(help="Only of this recipe.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=200, help="How many.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the next page starts, as the page before said.")] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """List studies, newest first."""
    with session(settings_of(workspace), engine=False) as link:
        page = link.client.studies.page(recipe=recipe, limit=limit, cursor=cursor)
    if as_json:
        document(page)
        return
    now = SystemClock().now()
    rows = (
        [one.id, one.spec.name, one.spec.recipe, one.state.value, one.cycle, f"{one.spent.experiments} of {one.spec.budget.experiments}", age(one.created_at, now)]
        for one in page.items
    )  # fmt: skip
    table(("study", "name", "recipe", "state", "cycle", "experiments", "age"), rows)
    if not page.items:
        note("No studies yet; arc study run begins one.")
    if page.next_cursor:
        note(f"There are more: arc study list --cursor {page.next_cursor}")


@group.command(
    epilog=examples("arc study show STUDY", "arc study show STUDY --decisions # the whole argument", "arc study show STUDY --json")
)
def show(
    study: StudyId,
    decisions: Annotated[
        bool, typer.Option("--decisions", help="The whole argument: what was decided, by whom, by which rule and why.")
    ] = False,
    cycle: Annotated[int | None, typer.Option(metavar="N", min=0, help="Only the argument of this cycle.")] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Show one study: what was asked for, where it is, and what waits for a person."""
    with session(settings_of(workspace), engine=False) as link:
        found = link.client.studies.get(study)
        waiting = link.client.studies.proposals(study, status=ProposalStatus.PROPOSED)
        argued = link.client.studies.decisions(study, cycle=cycle) if decisions or cycle is not None else []
    if as_json:
        said = {"decisions": [one.model_dump(mode="json") for one in argued]} if decisions or cycle is not None else {}
        document({**found.model_dump(mode="json"), "waiting": [one.model_dump(mode="json") for one in waiting], **said})
        return
    _describe(found)
    if waiting:
        note("Not decided yet:")
        table(
            ("proposal", "by", "changes", "hypothesis"), ([one.proposal_id, one.proposer, _changes(one), one.hypothesis] for one in waiting)
        )
    if decisions or cycle is not None:
        table(("cycle", "kind", "by", "rules", "proposal", "why"), (_line(one) for one in argued))


@group.command(epilog=examples("arc study history STUDY", "arc study history STUDY --json # for programs"))
def history(study: StudyId, workspace: Workspace = None, as_json: Json = False) -> None:
    """List what each experiment of a study gave, or why it failed."""
    with session(settings_of(workspace), engine=False) as link:
        metric = link.client.studies.get(study).spec.objective.metric
        found = link.client.studies.history(study)
    if as_json:
        document(found)
        return
    table(("experiment", "cycle", "use", "seed", "state", metric, "took", "failure"), (_result(one, metric) for one in found))
    if not found:
        note("No experiments yet.")


@group.command(epilog=examples("arc study pause STUDY"))
def pause(study: StudyId, workspace: Workspace = None, as_json: Json = False) -> None:
    """Begin nothing more in a study; trainings that run go on."""
    with session(settings_of(workspace), engine=False) as link:
        _changed(link.client.studies.pause(study), "is paused; arc study resume goes on with it", as_json=as_json)


@group.command(epilog=examples("arc study resume STUDY"))
def resume(study: StudyId, workspace: Workspace = None, as_json: Json = False) -> None:
    """Go on with a study that was paused or has failed; nothing is done twice."""
    with session(settings_of(workspace), engine=False) as link:
        _changed(link.client.studies.resume(study), "goes on", as_json=as_json)


@group.command(epilog=examples("arc study stop STUDY"))
def stop(study: StudyId, workspace: Workspace = None, as_json: Json = False) -> None:
    """End a study for good, and cancel what it runs."""
    with session(settings_of(workspace), engine=False) as link:
        _changed(link.client.studies.stop(study), "is stopped", as_json=as_json)


@group.command(epilog=examples("arc study approve PROPOSAL --why 'worth a try'"))
def approve(proposal: ProposalId, why: Why, workspace: Workspace = None, as_json: Json = False) -> None:
    """Let a proposal of a supervised study be carried out."""
    with session(settings_of(workspace), engine=False) as link:
        _decided(link.client.studies.approve(proposal, why=why), as_json=as_json)


@group.command(epilog=examples("arc study reject PROPOSAL --why 'tried last week'"))
def reject(proposal: ProposalId, why: Why, workspace: Workspace = None, as_json: Json = False) -> None:
    """Turn a proposal of a supervised study down."""
    with session(settings_of(workspace), engine=False) as link:
        _decided(link.client.studies.reject(proposal, why=why), as_json=as_json)


@group.command(epilog=examples("arc study propose STUDY -p lr=1e-3 --hypothesis 'a smaller rate is less noisy'"))
def propose(
    study: StudyId,
    hypothesis: Annotated[str, typer.Option(help="What you expect, so that a result can contradict it; at least 10 characters.")],
    param: Parameters = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Propose changes to a study, for its next cycle."""
    with session(settings_of(workspace), engine=False) as link:
        offered = noun_of(
            Proposal, proposal_id=new_id("prop"), study=study, cycle=0, proposer="cli", hypothesis=hypothesis, changes=params(param or ())
        )
        kept = link.client.studies.propose(study, offered)
    if as_json:
        document(kept)
    else:
        say(f"{kept.proposal_id} is proposed for cycle {kept.cycle}: {_changes(kept)}")


@group.command(epilog=examples("arc study vote PROPOSAL approve --confidence 0.8 --reason 'cheap and plausible'"))
def vote(
    proposal: ProposalId,
    choice: Annotated[Vote, typer.Argument(metavar="VOTE", help="approve, revise, reject or abstain.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    confidence: Annotated[float, typer.Option(min=0, max=1, help="How sure you are.")] = 0.5,
    round_: Annotated[int, typer.Option("--round", metavar="N", min=1, max=2, help="2 for a vote on a revision.")] = 1,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Vote on a proposal that is not decided; a ballot is cast once."""
    ballot = noun_of(Ballot, proposal_id=proposal, agent="cli", vote=choice, confidence=confidence, reason=reason, round=round_)
    with session(settings_of(workspace), engine=False) as link:
        kept = link.client.studies.vote(proposal, ballot)
    if as_json:
        document(kept)
    else:
        say(f"{kept.agent} voted {kept.vote} on {kept.proposal_id}")


def _describe(study: Study) -> None:
    spec, spent, budget = study.spec, study.spent, study.spec.budget
    incumbent = study.summary.get("incumbent")
    facts(
        [
            ("study", study.id),
            ("name", spec.name),
            ("recipe", spec.recipe),
            ("inputs", "\n".join(f"{name} = {ref}" for name, ref in spec.inputs.items()) or None),
            ("objective", f"{spec.objective.metric}, {spec.objective.direction}"),
            ("state", study.state.value + (" (a rehearsal: not a result)" if spec.simulated else "")),
            ("mode", spec.mode),
            ("cycle", study.cycle),
            ("incumbent", f"{number(incumbent.get('mean'))} by {incumbent.get('proposal_id')}" if isinstance(incumbent, dict) else None),
            ("verdict", study.summary.get("verdict")),
            ("experiments", f"{spent.experiments} of {budget.experiments}, {budget.reserve} kept for confirmations"),
            ("computing", _of(seconds(spent.compute_seconds), budget.compute_seconds and seconds(budget.compute_seconds))),
            ("since start", _of(seconds(spent.wall_seconds), budget.wall_seconds and seconds(budget.wall_seconds))),
            ("artifacts", _of(f"{spent.disk_gb:.3g} GB", budget.disk_gb and f"{budget.disk_gb:.3g} GB")),
            ("tokens", _of(str(spent.tokens), budget.tokens and str(budget.tokens)) if spent.tokens or budget.tokens else None),
            ("job", study.job_id),
        ]
    )


def _of(used: str, limit: str | float | None) -> str:
    return f"{used} of {limit}" if limit else used


def _changes(proposal: Proposal) -> str:
    return ", ".join(f"{name} = {number(value)}" for name, value in proposal.changes.items())


def _line(one: Decision) -> list[object]:
    return [one.cycle, one.kind, one.actor, ", ".join(one.rules), one.proposal_id or "", one.why]


def _result(one: Observation, metric: str) -> list[object]:
    failed = f"{one.failure_class.value}: {one.failure}" if one.failure_class else ""
    return [one.experiment_id, one.cycle, one.use, one.seed, one.status, number(one.value(metric)), seconds(one.duration_s), failed]


def _changed(study: Study, what: str, *, as_json: bool) -> None:
    if as_json:
        document(study)
    else:
        say(f"{study.id} {what}")


def _decided(proposal: Proposal, *, as_json: bool) -> None:
    if as_json:
        document(proposal)
    else:
        say(f"{proposal.proposal_id} is {proposal.status.value}")
