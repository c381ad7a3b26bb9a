"""Council: counts ballots that were cast independently, and settles those on which the agents disagree.

score = Σ weight · confidence · vote / Σ weight · confidence, with approve +1, revise 0, reject −1; abstentions are left out. From .66 on
approved, down to −.66 rejected; between, a majority for revision sends the proposal back once, else it is rejected. A vote is contested when
fewer than .6 agree or the entropy is above one bit; the strategy of the study then decides. One round: debate adds nothing over
independent votes.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from arc.core.proposal import Ballot, Vote
from arc.core.study import Strategy

Outcome = Literal["approve", "reject", "revise"]
APPROVE, REJECT = 0.66, -0.66
AGREEMENT, ENTROPY_BITS = 0.6, 1.0
SUPERVISOR_SURE, DIRECTOR_SURE = 0.9, 0.85
_WORTH: dict[Vote, float] = {"approve": 1.0, "revise": 0.0, "reject": -1.0}
_OUTCOME: dict[Vote, Outcome] = {"approve": "approve", "revise": "revise", "reject": "reject"}


@dataclass(frozen=True)
class Count:
    """What a vote came to."""

    outcome: Outcome
    score: float  # −1 to 1
    agreement: float  # share of the ballots for the most common vote
    entropy_bits: float
    ballots: int  # abstentions left out
    contested: bool
    rule: str  # C1 too few, C2 score, C3 revision, C4 between, or the strategy that settled it


def count(ballots: Sequence[Ballot], *, strategy: Strategy, second: bool = False) -> Count:
    """The outcome of the ballots on one proposal; on a `second` ballot there is no further revision."""
    cast = [ballot for ballot in ballots if ballot.vote != "abstain"]
    if len(cast) < 2:
        return Count("reject", 0.0, 0.0, 0.0, len(cast), contested=False, rule="C1")
    score = _score(cast)
    agreement, entropy = _agreement(cast), _entropy(cast)
    contested = agreement < AGREEMENT or entropy > ENTROPY_BITS
    if contested:
        outcome, rule = _settle(cast, score, strategy), f"C5 {strategy}"
    else:
        outcome, rule = _plain(cast, score)
    if second and outcome == "revise":
        outcome = "reject"
    return Count(outcome, score, agreement, entropy, len(cast), contested, rule)


def _score(cast: Sequence[Ballot]) -> float:
    total = sum(ballot.weight * ballot.confidence for ballot in cast)
    return sum(ballot.weight * ballot.confidence * _WORTH[ballot.vote] for ballot in cast) / total if total else 0.0


def _plain(cast: Sequence[Ballot], score: float) -> tuple[Outcome, str]:
    if score >= APPROVE:
        return "approve", "C2"
    if score <= REJECT:
        return "reject", "C2"
    revisions = sum(ballot.vote == "revise" for ballot in cast)
    return ("revise", "C3") if revisions > len(cast) / 2 else ("reject", "C4")


def _settle(cast: Sequence[Ballot], score: float, strategy: Strategy) -> Outcome:
    """Who decides when the agents disagree; whoever may not, leaves it to the conservative rule: reject."""
    if strategy == "weighted_majority":
        return "approve" if score > 0 else "reject"
    if strategy == "supervisor_override":
        return _word_of("supervisor", cast, SUPERVISOR_SURE)
    if strategy == "director_override":
        return _word_of("director", cast, DIRECTOR_SURE)
    if strategy == "highest_confidence":
        surest = max(ballot.confidence for ballot in cast)
        said = {ballot.vote for ballot in cast if ballot.confidence == surest}
        return _OUTCOME[said.pop()] if len(said) == 1 else "reject"
    if strategy == "progressive":  # to try is cheap: whatever is more wanted than not goes on, and what is not is sent back
        return "approve" if score > 0 else "revise" if score == 0 else "reject"
    return "reject"


def _word_of(agent: str, cast: Sequence[Ballot], sure: float) -> Outcome:
    for ballot in cast:
        if ballot.agent == agent and ballot.confidence >= sure:
            return _OUTCOME[ballot.vote]
    return "reject"


def _agreement(cast: Sequence[Ballot]) -> float:
    return max(Counter(ballot.vote for ballot in cast).values()) / len(cast)


def _entropy(cast: Sequence[Ballot]) -> float:
    shares = [number / len(cast) for number in Counter(ballot.vote for ballot in cast).values()]
    return -sum(share * math.log2(share) for share in shares)
