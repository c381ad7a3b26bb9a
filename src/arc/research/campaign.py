"""Campaign: a study from its baseline to its verdict, a cycle at a time.

measure the baseline on several seeds -> [directive -> propose -> vote -> run -> learn -> race] until a stop rule holds. Each arrow ends in a
record; a step that has one is read back and not decided again, so a campaign that was killed anywhere goes on and repeats nothing. Trainings
are asked for under keys, for the same reason. Results are waited for as events; decisions are taken at barriers, on all results of the step, so
the order in which trainings end changes nothing. No decision looks at a clock; only the budget does, and the control plane counts that.

Not covered: where records go and trainings run (`arc.research.desk`), and what the agents think (their own files).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from arc.core.errors import Conflict, PermanentError
from arc.core.proposal import Ballot, Proposal, ProposalStatus, Use
from arc.core.study import Record
from arc.research import deciding, generator, racing, steps, stopping, summary
from arc.research.agents.scientist import Learned
from arc.research.desk import Desk, Training
from arc.research.language.writer import Writer
from arc.research.memory import Memory
from arc.research.seeds import drawn
from arc.research.view import Directive, Standing, View

LAPS = 100  # of the races of one cycle, at most
Learn = Callable[[View], Learned | None]


class Campaign:
    """One study, carried on from wherever its records end."""

    def __init__(self, desk: Desk, memory: Memory, base: dict[str, Any], *, learn: Learn, language: Writer | None = None) -> None:
        """`base` are the params of the recipe that no configuration touches; `learn` fits the world model; `language` is the language model, if there is one."""
        self._desk = desk
        self.memory = memory
        self._base = base
        self._learn = learn
        self._spent = ""  # which budget the control plane says is used up
        self._learned: tuple[int, Learned | None] = (-1, None)  # of how many experiments, and what
        self._language = language
        for record in desk.records():
            memory.apply(record)

    def run(self) -> dict[str, Any]:
        """Cycle after cycle until a stop rule holds; the summary. Cancelled when somebody stops the study, which loses nothing."""
        self.measure_baseline()
        cycle = 1
        while f"c{cycle:04d}.directive" in self.memory.records or self._goes_on(cycle):
            self.decide(cycle)
            self.carry_out(cycle)
            cycle += 1
        self._race(cycle, final=True)
        record = self._step("end", cycle, lambda view: Record(key="end", cycle=view.cycle, state="finished"))
        return record.summary or {}

    def some(self, cycles: int, *, decide_only: bool = False) -> None:
        """At most `cycles` more cycles; with `decide_only` the next one is decided and not carried out. What was left open is carried out first."""
        self.measure_baseline()
        cycle = 1
        while f"c{cycle:04d}.learn" in self.memory.records:
            self._race(cycle)
            cycle += 1
        for _ in range(cycles):
            if f"c{cycle:04d}.directive" not in self.memory.records and not self._goes_on(cycle):
                return
            self.decide(cycle)
            if decide_only:
                return
            self.carry_out(cycle)
            cycle += 1

    def measure_baseline(self) -> None:
        """Cycle 0: the baseline on its seeds; PermanentError when fewer than two of them give a value."""
        spec, study = self.memory.study.spec, self.memory.study.id
        seeds = drawn(spec.seed, "baseline", spec.evidence.baseline_seeds)
        proposal = Proposal(
            proposal_id=f"{study}-baseline", study=study, cycle=0, proposer="study", hypothesis="The baseline as it is, so that noise is known.",
            changes={}, novelty="exploit", status=ProposalStatus.APPROVED, simulated=spec.simulated,
        )  # fmt: skip
        self._step("c0000.baseline", 0, lambda view: Record(key="c0000.baseline", cycle=0, proposals=(proposal,)))
        self._train_all(0, [(proposal, self.memory.start, seeds, "baseline")])
        self._step("c0000.noise", 0, lambda view: steps.noise_floor(view, proposal))
        if self.memory.incumbent is None:
            raise PermanentError("the baseline gave fewer than two values: nothing can be compared with it", field="baseline")

    def decide(self, cycle: int) -> list[Proposal]:
        """Directive, proposals and vote of a cycle; the approved proposals. Submits nothing."""
        directive = self.directive(cycle)
        self._step(f"c{cycle:04d}.propose", cycle, lambda view: self._proposed(view, directive))
        self._step(f"c{cycle:04d}.vote", cycle, lambda view: self._voted(view, directive))
        if self.memory.study.spec.mode == "supervised":
            self._step(f"c{cycle:04d}.approval", cycle, self._approved_by_people)
        return self.memory.approved(cycle)

    def directive(self, cycle: int) -> Directive:
        """What the director wants of a cycle; decided when it was not yet."""
        return Directive(**self._step(f"c{cycle:04d}.directive", cycle, steps.directed).memo["directive"])

    def carry_out(self, cycle: int) -> None:
        """Train what was approved, learn from it, race the best; nothing in mode offline."""
        if self.memory.study.spec.mode == "offline":
            return
        approved = self.memory.approved(cycle)
        if f"c{cycle:04d}.learn" not in self.memory.records:
            first = racing.search_seeds(self._view(cycle))[: self.memory.study.spec.evidence.rungs[0]]
            self._train_all(cycle, [(one, self._config(one), first, "search") for one in approved])
        self._step(f"c{cycle:04d}.learn", cycle, steps.learned)
        self._race(cycle)

    def _race(self, cycle: int, *, final: bool = False) -> None:
        """Laps until nobody is left to race: the plan of a lap is recorded first, then trained, then judged."""
        for lap in range(LAPS):
            key = f"c{cycle:04d}.{'final' if final else 'race'}{lap:02d}"
            plan = self._step(key, cycle, partial(self._lap, key=key, final=final)).memo.get("plan")
            if plan is None:
                return
            proposal = self.memory.proposals[plan["proposal_id"]]
            if plan["use"] == "search":
                self._train_all(cycle, [(proposal, plan["config"], plan["seeds"], "search")])
            else:
                self._test(cycle, proposal, plan, key=f"{key}.test")

    def _test(self, cycle: int, proposal: Proposal, plan: Mapping[str, Any], *, key: str) -> None:
        """The challenger and the incumbent on the same fresh seeds, and the verdict."""
        if key not in self.memory.records:
            incumbent = self._view(cycle).incumbent
            holder = self.memory.proposals[incumbent.proposal_id]
            self._train_all(
                cycle, [(proposal, plan["config"], plan["seeds"], "confirm"), (holder, incumbent.config, plan["seeds"], "confirm")]
            )
        challenger = Standing(proposal.proposal_id, plan["config"], {})
        self._step(key, cycle, partial(racing.judged, memory=self.memory, challenger=challenger, seeds=plan["seeds"], key=key))

    def _lap(self, view: View, *, key: str, final: bool) -> Record:
        """What a race asks for next, or that it is over."""
        found = racing.runner(view, self.memory, final=final)
        if found is None:
            return steps.race_over(view, self.memory, key)
        if found.step == "next":
            more = len(found.seeds) - len(found.standing.values)
            return (
                steps.planned(view, found, found.seeds, key) if more <= view.left.experiments else steps.race_over(view, self.memory, key)
            )
        seeds = racing.confirm_seeds(view, self.memory)
        if view.left.confirmations < (price := racing.cost(view, seeds)):
            return steps.unaffordable(view, found, price, key)
        return steps.planned(view, found, seeds, key)

    def _proposed(self, view: View, directive: Directive) -> Record:
        written = self._language.propose(view, directive) if self._language is not None else []
        offered = [steps.adopted(view, one) for one in self._desk.offered()]
        return self._paid(view, deciding.propose(view, directive, self._model(view), offered=offered, written=written))

    def _voted(self, view: View, directive: Directive) -> Record:
        def review(proposal: Proposal, role: str) -> Ballot | None:
            return self._language.review(view, directive, proposal, role) if self._language is not None else None

        return self._paid(view, deciding.vote(view, directive, self._model(view), outside=self._desk.ballots, review=review))

    def _paid(self, view: View, record: Record) -> Record:
        """The record with what the language model took for it, and why it was silent where it was."""
        if self._language is None:
            return record
        spent = self._language.take()
        said = [steps.silent(view, why) for why in dict.fromkeys(spent.silent)]
        return record.model_copy(update={"tokens": spent.tokens, "calls": spent.calls, "decisions": (*record.decisions, *said)})

    def _approved_by_people(self, view: View) -> Record:
        """Wait until people decided on every proposal that the council would carry out."""
        waiting = [one for one in view.proposals if one.cycle == view.cycle and one.status is ProposalStatus.PROPOSED]
        while len(decided := self._desk.approved([one.proposal_id for one in waiting])) < len(waiting):
            self._desk.pause()
        status = {True: ProposalStatus.APPROVED, False: ProposalStatus.REJECTED}
        ruled = tuple(one.model_copy(update={"status": status[decided[one.proposal_id]]}) for one in waiting)
        return Record(key=f"c{view.cycle:04d}.approval", cycle=view.cycle, proposals=ruled)

    def _train_all(self, cycle: int, wanted: Sequence[tuple[Proposal, dict[str, Any], Sequence[int], Use]]) -> None:
        """Run every training that is not there yet, `max_concurrent` at once, and wait for all; stops asking when a budget is used up."""
        known = {(one.proposal_id, one.seed, one.use) for one in self._desk.history() if one.status not in ("running", "queued")}
        queue = [
            Training.of(proposal, generator.params(config, self._base), seed, study=self.memory.study.id, cycle=cycle, use=use)
            for proposal, config, seeds, use in wanted
            for seed in seeds
            if (proposal.proposal_id, seed, use) not in known
        ]
        running: list[str] = []
        while queue or running:
            while queue and len(running) < self.memory.study.spec.max_concurrent:
                try:
                    running.append(self._desk.submit(queue.pop(0)))
                except Conflict as refused:
                    if not (refused.field or "").startswith("budget"):
                        raise
                    self._spent = str(refused)
                    queue = []
            if running:
                over = self._desk.wait(running)
                running = [one for one in running if one not in over]

    def _config(self, proposal: Proposal) -> dict[str, Any]:
        return generator.generate(self.memory.space, self._view(proposal.cycle).baseline, dict(proposal.changes))

    def view(self) -> View:
        """What the agents would see now."""
        return self._view(max((record.cycle for record in self.memory.records.values()), default=0))

    def _view(self, cycle: int) -> View:
        over = [one for one in self._desk.history() if one.status not in ("running", "queued")]
        return self.memory.view(cycle, over, self._desk.machine())

    def _model(self, view: View) -> Learned | None:
        """What the experiments of a view teach; between two experiments nothing new is learned."""
        if self._learned[0] != len(view.observations):
            self._learned = (len(view.observations), self._learn(view))
        return self._learned[1]

    def _goes_on(self, cycle: int) -> bool:
        """Whether no stop rule holds; one that does is recorded, so that what the last race changes cannot take it back."""
        if "stop" in self.memory.records:
            return False
        found = ("T1", self._spent) if self._spent else stopping.rule(self._view(cycle), self.memory)
        if found is not None:
            self._step("stop", cycle, partial(steps.stopped, rule=found[0], why=found[1]))
        return found is None

    def _step(self, key: str, cycle: int, decide: Callable[[View], Record]) -> Record:
        """Decide a step and make it durable, or read it back when it was decided before."""
        known = self.memory.records.get(key)
        if known is not None:
            return known
        view = self._view(cycle)
        record = decide(view)
        self.memory.apply(record)
        told = summary.of(self._view(cycle) if record.memo else view, self.memory)
        record = record.model_copy(update={"summary": told})
        self._desk.record(record)
        self._desk.tell(told)
        return record
