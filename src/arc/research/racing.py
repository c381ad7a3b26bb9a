"""Racing: who gets more seeds, who is dropped, and the one test that decides; each step a record, as in the rest of a cycle.

A challenger is any configuration of the search that was trained in full and not settled. The best of them races: more seeds while it holds, then
fresh seeds beside the incumbent. Every configuration is tested once; one that is not known better then, is not asked again.

A test is dear, so while the search goes on it is done only for a clear gain, and when another one could be paid for afterwards; at the end the best
challenger gets its test. The fresh seeds belong to the incumbent: its values on them serve each test against it. That is sound, because no
challenger is chosen by them; the levels of the tests add up to less than the study's alpha however the tests depend on each other.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from arc.core.proposal import Decision, DecisionKind, Observation
from arc.core.space import digest
from arc.core.study import Record
from arc.research import evidence
from arc.research.memory import Memory
from arc.research.results import standings
from arc.research.saying import said
from arc.research.seeds import drawn
from arc.research.view import Standing, View

_CLEAR = 2.0  # times the wanted gain
_EARLY = 2  # rungs that a leader may climb before the end


@dataclass(frozen=True)
class Runner:
    """The challenger of the moment and what is to be done with it."""

    standing: Standing
    step: evidence.Step
    seeds: tuple[int, ...]  # the search seeds it is to have, for `next`


def search_seeds(view: View) -> list[int]:
    """The seeds that every configuration of the search is trained with, in this order."""
    return drawn(view.spec.seed, "search", view.spec.evidence.rungs[-1])


def runner(view: View, memory: Memory, *, final: bool = False) -> Runner | None:
    """The challenger that leads and its next step; None when there is none. `final` when the search is over.

    While the search goes on the leader alone gets a few more seeds, so that the others go to new ideas; at the end it gets its test.
    """
    sign, rungs, mean = view.spec.objective.sign, view.spec.evidence.rungs, view.incumbent.mean
    if mean is None:
        return None
    racing = [pair for pair in _field(view, memory).values() if pair[1] != "drop"]
    if not racing:
        return None
    leader, step = min(racing, key=lambda pair: (-_shrunk(pair[0], sign, sign * mean), pair[0].proposal_id))
    if final or (step == "confirm" and _worth_it(view, memory, sign * ((leader.mean or 0.0) - mean))):
        return Runner(leader, "confirm", ())
    more = evidence.next_rung(len(leader.values), rungs[:_EARLY])
    return Runner(leader, "next", tuple(search_seeds(view)[:more])) if step == "next" and more is not None else None


def dropped(view: View, memory: Memory) -> dict[str, str]:
    """The configurations that can no longer matter, by digest; they stay observations, but race no more."""
    return {key: step for key, (_, step) in _field(view, memory).items() if step == "drop"}


def _field(view: View, memory: Memory) -> dict[str, tuple[Standing, evidence.Step]]:
    """Every challenger that is not settled, by the digest of its configuration, with what a race would do with it."""
    sign, noise, incumbent = view.spec.objective.sign, memory.noise, view.incumbent.values
    if noise is None or not incumbent:
        return {}
    gain, rungs, held = _gain(view, memory), view.spec.evidence.rungs, _turned(incumbent, sign)
    return {
        key: (one, evidence.race(_turned(one.values, sign), held, sigma=noise.sd, gain=gain, rungs=rungs))
        for key, one in standings(_searched(view), view.metric).items()
        if key not in memory.settled and key != digest(view.baseline)
    }


def _gain(view: View, memory: Memory) -> float:
    """The gain that counts."""
    return evidence.wanted(memory.noise.sd if memory.noise else 0.0, view.spec.objective.minimum_effect)


def _shrunk(one: Standing, sign: float, incumbent: float) -> float:
    """The mean of a challenger, drawn towards the incumbent as one more training would: few seeds that shine are mostly luck."""
    n = len(one.values)
    return incumbent + (sign * (one.mean or 0.0) - incumbent) * n / (n + 1)


def confirm_seeds(view: View, memory: Memory) -> tuple[int, ...]:
    """Seeds that played no part in any choice: those of the incumbent, as many as the level of the next test takes."""
    need = evidence.pairs_needed(memory.wealth.offer, view.spec.evidence.confirm_seeds)
    return tuple(drawn(view.spec.seed, f"confirm against {view.incumbent.proposal_id.removeprefix(view.study)}", need))


def cost(view: View, seeds: Sequence[int]) -> int:
    """Trainings that a test on these seeds takes: the challenger's, and those of the incumbent that are not there yet."""
    held = {one.seed for one in view.observations if one.use == "confirm" and one.proposal_id == view.incumbent.proposal_id}
    return len(seeds) + len(set(seeds) - held)


def _worth_it(view: View, memory: Memory, seen: float) -> bool:
    """Whether a test before the end is: the gain is clear, and the last test can still be paid for."""
    seeds = confirm_seeds(view, memory)
    return seen >= _CLEAR * _gain(view, memory) and view.left.confirmations - cost(view, seeds) >= 2 * (len(seeds) + 1)


def judged(view: View, memory: Memory, challenger: Standing, seeds: Sequence[int], key: str) -> Record:
    """The test of a challenger on fresh seeds, and what follows from it."""
    sign, fresh = view.spec.objective.sign, [one for one in view.observations if one.use == "confirm" and one.seed in set(seeds)]
    of_both = standings(fresh, view.metric)
    mine, theirs = of_both.get(digest(challenger.config)), of_both.get(digest(view.baseline))
    level, noise = memory.wealth.offer, memory.noise or evidence.Noise(0.0, 0.0, 2)
    found = evidence.compare(
        {seed: sign * value for seed, value in (mine.values if mine else {}).items()},
        {seed: sign * value for seed, value in (theirs.values if theirs else {}).items()},
        level=level, sigma=noise.sd, minimum_effect=view.spec.objective.minimum_effect, seed=view.spec.seed,
    )  # fmt: skip
    wealth = memory.wealth.after(level=level, found=found.verdict == "better")
    tried = len(standings(_searched(view), view.metric))
    detail = asdict(found) | {
        "proposal_id": challenger.proposal_id,
        "cycle": view.cycle,
        "inflation": evidence.inflation(noise.sd, tried),
        "tried": tried,
    }
    lines = [_line(view, "test", f"{found.verdict}: {found.why}", challenger, detail)]
    memo: dict[str, Any] = {"test": detail, "wealth": wealth.left, "settled": {digest(challenger.config): found.verdict}}
    if found.verdict == "better" and mine is not None:
        memo["incumbent"] = Standing(challenger.proposal_id, challenger.config, mine.values).as_dict()
        why = f"{view.metric} {mine.mean:.4g} on {len(mine.values)} fresh seeds, {found.gain:.4g} better than the incumbent on the same seeds; by luck alone the best of {tried} equal ones would look {detail['inflation']:.2g} better"
        lines.append(_line(view, "incumbent", why, challenger, detail))
    return Record(key=key, cycle=view.cycle, decisions=tuple(lines), memo=memo)


def _line(view: View, kind: DecisionKind, why: str, challenger: Standing, detail: dict[str, Any]) -> Decision:
    return said(view, kind, why, actor="evidence", proposal_id=challenger.proposal_id, rules=("E1", "E2", "E3"), detail=detail)


def _searched(view: View) -> list[Observation]:
    return [one for one in view.observations if one.use == "search"]


def _turned(values: dict[int, float], sign: float) -> list[float]:
    return [sign * value for _, value in sorted(values.items())]
