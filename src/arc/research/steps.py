"""Steps: what the records of a cycle say, each a function of the view: directive, noise floor, what was learned, what a race asks for."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from arc.core.errors import NotFound
from arc.core.proposal import Constraint, Decision, Observation, Proposal
from arc.core.space import digest
from arc.core.study import Record
from arc.research import constraints, deciding, evidence, generator, racing
from arc.research.agents import director
from arc.research.memory import Memory
from arc.research.results import standings
from arc.research.saying import said
from arc.research.view import Standing, View


def directed(view: View) -> Record:
    """The directive of the cycle."""
    found = director.direct(view)
    line = said(
        view,
        "directive",
        why=f"{found.mode}: {found.reason}",
        rules=(found.rule,),
        detail={"slots": dict(found.slots)},
        actor="director",
    )
    return Record(key=f"c{view.cycle:04d}.directive", cycle=view.cycle, decisions=(line,), memo={"directive": asdict(found)})


def noise_floor(view: View, proposal: Proposal) -> Record:
    """The spread of the baseline, which becomes the first incumbent; without two values the study has failed."""
    values = {one.seed: value for one in view.observations if one.use == "baseline" and (value := one.value(view.metric)) is not None}
    if len(values) < 2:
        line = said(
            view,
            "noise_floor",
            why=f"{len(values)} of {view.spec.evidence.baseline_seeds} trainings of the baseline gave a value",
            actor="evidence",
        )
        return Record(key="c0000.noise", cycle=0, decisions=(line,), state="failed")
    sign = view.spec.objective.sign
    found = evidence.noise([sign * value for value in values.values()])
    why = f"{view.metric} {sign * found.mean:.4g} with a standard deviation of {found.sd:.2g} over {found.n} seeds"
    line = said(view, "noise_floor", why=why, detail=asdict(found), actor="evidence", proposal_id=proposal.proposal_id)
    incumbent = Standing(proposal.proposal_id, view.baseline, values)
    return Record(key="c0000.noise", cycle=0, decisions=(line,), memo={"noise": asdict(found), "incumbent": incumbent.as_dict()})


def learned(view: View) -> Record:
    """What the results of a cycle say: a line each, the constraints they teach, and what the probes settled."""
    mine = [one for one in view.observations if one.cycle == view.cycle]
    lines = [_result(view, one) for one in mine]
    settled = [
        found for proposal in view.proposals if proposal.cycle == view.cycle and (found := _settled(view, proposal, mine)) is not None
    ]
    fresh = constraints.learn(view)
    lines += [
        said(
            view,
            "probe",
            why=f"{one.id} was probed: {one.state}",
            detail=one.model_dump(mode="json"),
            actor="historian",
        )
        for one in settled
    ]
    lines += [
        said(
            view,
            "constraint",
            why=generator.forbids(one),
            detail=one.model_dump(mode="json"),
            actor="historian",
        )
        for one in fresh
    ]
    return Record(key=f"c{view.cycle:04d}.learn", cycle=view.cycle, decisions=tuple(lines), constraints=(*settled, *fresh))


def _result(view: View, one: Observation) -> Decision:
    detail, value = {"experiment_id": one.experiment_id, "seed": one.seed}, one.value(view.metric)
    if value is not None:
        return said(view, "result", f"{view.metric} {value:.4g}", actor="evaluator", proposal_id=one.proposal_id, detail=detail)
    why = f"{one.status}: {one.failure_class.value if one.failure_class else 'no value'}: {one.failure or ''}"
    return said(view, "failure", why, actor="evaluator", proposal_id=one.proposal_id, detail=detail)


def _settled(view: View, proposal: Proposal, mine: Sequence[Observation]) -> Constraint | None:
    if not (proposal.parent or "").startswith(deciding.PROBE):
        return None
    constraint = next((one for one in view.constraints if f"{deciding.PROBE}{one.id}" == proposal.parent), None)
    probe = next((one for one in mine if one.proposal_id == proposal.proposal_id), None)
    known = sum(one.status in ("completed", "failed") for one in view.observations)
    return constraints.settle(constraint, probe, known) if constraint is not None and probe is not None else None


def planned(view: View, found: racing.Runner, seeds: Sequence[int], key: str) -> Record:
    """Which trainings a race asks for next: more seeds for the challenger, or fresh ones for it and the incumbent. Recorded before they are asked for."""
    one = found.standing
    if found.step == "next":
        why = f"{one.proposal_id} is to have {len(seeds)} seeds, because it may be better"
    else:
        why = f"{one.proposal_id} is to be tested on {len(seeds)} fresh seeds beside the incumbent"
    plan = {
        "proposal_id": one.proposal_id,
        "config": one.config,
        "seeds": list(seeds),
        "use": "search" if found.step == "next" else "confirm",
    }
    line = said(view, "race", why, actor="evidence", proposal_id=one.proposal_id)
    return Record(key=key, cycle=view.cycle, decisions=(line,), memo={"plan": plan})


def race_over(view: View, memory: Memory, key: str) -> Record:
    """Nobody is left to race; those who can no longer matter are settled."""
    gone = racing.dropped(view, memory)
    why = f"nobody is left to race; {len(gone)} configurations can no longer matter" if gone else "nobody is left to race"
    line = said(view, "race", why=why, actor="evidence")
    return Record(key=key, cycle=view.cycle, decisions=(line,), memo={"over": True, "settled": gone})


def by_hand(view: View, memory: Memory, config: dict[str, Any], why: str) -> Record:
    """The baseline moved by a person, to a configuration that was measured in full; NotFound for one that was not."""
    wanted = generator.searched(view.space, config)
    found = standings(view.observations, view.metric).get(digest(wanted))
    if found is None:
        raise NotFound("this study has measured no such configuration in full", field="config", value=str(wanted)[:200])
    line = said(view, "incumbent", f"{why}: no test stands behind it", actor="a person", proposal_id=found.proposal_id, rules=("by hand",))
    return Record(key=f"by-hand.{len(memory.records)}", cycle=view.cycle, decisions=(line,), memo={"incumbent": found.as_dict()})


def silent(view: View, why: str) -> Decision:
    """A language model that was asked and said nothing usable; the algorithm took its place."""
    return said(view, "note", f"the language model said nothing usable: {why}", actor="language")


def stopped(view: View, rule: str, why: str) -> Record:
    """The search is over; the best challenger still gets its test."""
    return Record(key="stop", cycle=view.cycle, decisions=(said(view, "stop", why, actor="study", rules=(rule,)),))


def unaffordable(view: View, found: racing.Runner, price: int, key: str) -> Record:
    """A test that the budget has no room for: not known yet."""
    why = f"{found.standing.proposal_id} deserves a test that takes {price} trainings; {view.left.confirmations} are left: not known yet"
    line = said(view, "budget", why=why, proposal_id=found.standing.proposal_id, actor="evidence")
    return Record(key=key, cycle=view.cycle, decisions=(line,), memo={"over": True})


def adopted(view: View, offered: Proposal) -> Proposal:
    """What an outsider posted, as a proposal of this cycle."""
    return offered.model_copy(update={"cycle": view.cycle, "study": view.study, "simulated": view.spec.simulated})
