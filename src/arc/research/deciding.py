"""Deciding: from a view to approved proposals: proposers, sieve, independent ballots, count, veto. No job is asked for here.

What is returned is a `Record`, so that the whole argument of a cycle becomes durable at once. A proposal that
is sent back gets one revision and a second ballot.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from arc.core.proposal import Ballot, Constraint, Decision, DecisionKind, Proposal, ProposalStatus
from arc.core.study import Record
from arc.research import constraints, generator
from arc.research.agents import architect, council, critic, director, executor, explorer, historian, proposing, scientist, supervisor
from arc.research.agents.scientist import Learned
from arc.research.duplicates import sieve
from arc.research.saying import said
from arc.research.view import Directive, View

PROBE = "constraint:"  # what the parent of a probe begins with; the id of the constraint follows


Review = Callable[[Proposal, str], Ballot | None]  # the ballot of a language model in the name of a role; None leaves it to the algorithm


def _nobody(_: Proposal, __: str) -> Ballot | None:
    return None


@dataclass
class Argument:
    """What is said and decided in one vote, as it grows."""

    proposals: list[Proposal] = field(default_factory=list)
    ballots: list[Ballot] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)


def propose(
    view: View, directive: Directive, model: Learned | None, *, offered: Sequence[Proposal] = (), written: Sequence[Proposal] = ()
) -> Record:
    """The proposals of a cycle, valid ones as proposed and the others as invalid with the rule that refused them.

    `offered` are those of outsiders, `written` those of a language model. More are made than there are slots, so that a vote is a choice.
    """
    wanted = view.spec.per_cycle
    expired, probes = _probes(view)
    made = [
        *offered,
        *written,
        *scientist.propose(view, directive, max(1, wanted - 1), model),
        *architect.propose(view, max(1, wanted // 2), model.predict if model is not None else None),
        *explorer.propose(view, directive, wanted),
    ]
    sieved = sieve(view, made)
    refused = [proposal.model_copy(update={"status": ProposalStatus.INVALID}) for proposal, _, _ in sieved.refused]
    lines = [_of(view, proposal, "refused", why, (rule,)) for proposal, rule, why in sieved.refused]
    out = "has run out: one experiment will try it again"
    lines += [said(view, "expired", f"{one.id} {out}", actor="historian", detail={"constraint": one.id}) for one in expired]
    return Record(
        key=f"c{view.cycle:04d}.propose",
        cycle=view.cycle,
        proposals=(*probes, *sieved.kept, *refused),
        decisions=tuple(lines),
        constraints=tuple(expired),
    )


def vote(
    view: View, directive: Directive, model: Learned | None, *, outside: Callable[[str], Sequence[Ballot]], review: Review = _nobody
) -> Record:  # fmt: skip
    """The ballots, counts, vetoes and the resulting status of each proposal of the cycle; at most `per_cycle` are approved."""
    argument = Argument()
    scored: list[tuple[float, Proposal]] = []
    for proposal in [one for one in view.proposals if one.cycle == view.cycle and one.status is ProposalStatus.PROPOSED]:
        outcome, score = _settle(view, directive, model, proposal, argument, outside, review)
        if outcome is not None:
            scored.append((score, outcome))
    scored.sort(key=lambda pair: (not _is_probe(pair[1]), -pair[0], -_upper(view, pair[1]), pair[1].proposal_id))
    room = min(view.spec.per_cycle, view.left.experiments)
    person = view.spec.mode == "supervised"
    for place, (score, proposal) in enumerate(scored):
        taken = place < room
        status = ProposalStatus.REJECTED if not taken else ProposalStatus.PROPOSED if person else ProposalStatus.APPROVED
        why = f"place {place + 1} of {len(scored)} with a score of {score:.2f}; {room} can be carried out"
        argument.proposals.append(proposal.model_copy(update={"status": status}))
        rule = "P3" if not taken else "wait for a person" if person else "P4"
        argument.decisions.append(_of(view, proposal, "approval" if taken else "refused", why, (rule,)))
    return Record(
        key=f"c{view.cycle:04d}.vote", cycle=view.cycle, proposals=tuple(argument.proposals), ballots=tuple(argument.ballots), decisions=tuple(argument.decisions)
    )  # fmt: skip


def ballots(view: View, directive: Directive, model: Learned | None, proposal: Proposal, *, round_: int = 1) -> list[Ballot]:
    """One independent ballot an agent; nobody votes on what it proposed itself."""
    expected = model.predict([view.config(dict(proposal.changes))])[0] if model is not None else None
    ruling = supervisor.judge(view, proposal)
    cast = [
        director.review(view, proposal, directive),
        architect.review(view, proposal),
        explorer.review(view, proposal),
        scientist.review(view, proposal, expected),
        critic.review(view, proposal, expected),
        critic.second_review(view, proposal),
        historian.review(view, proposal),
        executor.review(view, proposal),
        supervisor.review(view, proposal, ruling),
    ]
    return [one.model_copy(update={"round": round_}) for one in cast if one.agent != proposal.proposer]


def _settle(
    view: View, directive: Directive, model: Learned | None, proposal: Proposal, argument: Argument, outside: Callable[[str], Sequence[Ballot]], review: Review
) -> tuple[Proposal | None, float]:  # fmt: skip
    """The proposal, or its revision, when it was approved; its score. The probe of a constraint that ran out is not voted on: it is there to fail."""
    if _is_probe(proposal):
        return (None if _vetoed(view, proposal, argument) else proposal), 1.0
    ours = _spoken(ballots(view, directive, model, proposal), proposal, review)
    argument.ballots += ours
    counted = council.count([*ours, *outside(proposal.proposal_id)], strategy=view.spec.strategy)
    argument.decisions += _counted(view, proposal, counted)
    if _vetoed(view, proposal, argument):
        return None, counted.score
    if counted.outcome == "approve":
        return proposal, counted.score
    if counted.outcome == "reject":
        argument.proposals.append(proposal.model_copy(update={"status": ProposalStatus.REJECTED}))
        return None, counted.score
    return _revised(view, directive, model, proposal, argument)


def _revised(
    view: View, directive: Directive, model: Learned | None, proposal: Proposal, argument: Argument
) -> tuple[Proposal | None, float]:
    """The one revision that a proposal gets: half of its changes, so a smaller step; and the second ballot on it."""
    argument.proposals.append(proposal.model_copy(update={"status": ProposalStatus.REVISED}))
    kept = dict(list(proposal.changes.items())[: max(1, len(proposal.changes) // 2)])
    smaller = proposing.write(
        view, proposal.proposer, 0, kept, f"A smaller step of the same idea: {proposal.hypothesis}", parent=proposal.proposal_id
    )
    smaller = smaller.model_copy(update={"proposal_id": f"{proposal.proposal_id}-r"})
    if len(kept) == len(proposal.changes) or sieve(view, [smaller]).refused:
        argument.proposals.append(smaller.model_copy(update={"status": ProposalStatus.INVALID}))
        argument.decisions.append(_of(view, smaller, "refused", "nothing new is left of it when it is made smaller", ("P5",)))
        return None, 0.0
    cast = ballots(view, directive, model, smaller, round_=2)
    argument.ballots += cast
    counted = council.count(cast, strategy=view.spec.strategy, second=True)
    argument.decisions += _counted(view, smaller, counted)
    if _vetoed(view, smaller, argument):
        return None, counted.score
    if counted.outcome != "approve":
        argument.proposals.append(smaller.model_copy(update={"status": ProposalStatus.REJECTED}))
        return None, counted.score
    return smaller, counted.score


def _spoken(cast: list[Ballot], proposal: Proposal, review: Review) -> list[Ballot]:
    """The ballots, those of roles that a language model backs replaced by what it says."""
    return [review(proposal, one.agent) or one for one in cast]


def _vetoed(view: View, proposal: Proposal, argument: Argument) -> bool:
    ruling = supervisor.judge(view, proposal)
    if not ruling.vetoed:
        return False
    argument.proposals.append(proposal.model_copy(update={"status": ProposalStatus.VETOED}))
    argument.decisions.append(said(view, "veto", ruling.why, actor="supervisor", proposal_id=proposal.proposal_id, rules=ruling.rules))
    return True


def _counted(view: View, proposal: Proposal, counted: council.Count) -> list[Decision]:
    detail = {"score": counted.score, "agreement": counted.agreement, "entropy_bits": counted.entropy_bits, "ballots": counted.ballots}
    why = f"{counted.outcome}: score {counted.score:.2f} from {counted.ballots} ballots, {counted.agreement:.0%} agree"
    lines = [_of(view, proposal, "vote", why, (counted.rule,), detail)]
    if counted.contested:
        why = f"the agents disagree; {view.spec.strategy} says {counted.outcome}"
        lines.append(_of(view, proposal, "conflict", why, (counted.rule,), detail))
    return lines


def _of(
    view: View, proposal: Proposal, kind: DecisionKind, why: str, rules: tuple[str, ...], detail: dict[str, Any] | None = None
) -> Decision:  # fmt: skip
    """What the council says of a proposal."""
    return said(view, kind, why, actor="council", proposal_id=proposal.proposal_id, rules=rules, detail=detail)


def _probes(view: View) -> tuple[list[Constraint], list[Proposal]]:
    """Constraints whose time is up, and for each the proposal that tries its region again."""
    known = len([one for one in view.observations if one.status in ("completed", "failed")])
    out = constraints.expire(view.constraints, known)
    made = []
    for number, one in enumerate([*out, *(one for one in view.constraints if one.state == "expired")]):
        changes = constraints.probe_of(view, one)
        if changes:
            hypothesis = f"The {one.support} failures of {generator.forbids(one)} are long ago: does it still fail?"
            made.append(proposing.write(view, historian.ROLE, number, changes, hypothesis, novelty="explore", parent=f"{PROBE}{one.id}"))
    return out, made


def _is_probe(proposal: Proposal) -> bool:
    return (proposal.parent or "").startswith(PROBE)


def _upper(view: View, proposal: Proposal) -> float:
    expected = proposal.predicted.get(view.metric)
    return view.spec.objective.sign * expected.mean + expected.sd if expected else 0.0
