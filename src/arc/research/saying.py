"""Saying: how a line of a study's argument is written, the same way by everything that decides."""

from typing import Any

from arc.core.proposal import Decision, DecisionKind
from arc.research.view import View

_LONGEST = 2000  # characters of a reason


def said(
    view: View,
    kind: DecisionKind,
    why: str,
    *,
    actor: str,
    proposal_id: str | None = None,
    rules: tuple[str, ...] = (),
    detail: dict[str, Any] | None = None,
) -> Decision:
    """A decision of this cycle."""
    return Decision(
        study=view.study,
        cycle=view.cycle,
        kind=kind,
        why=why[:_LONGEST],
        proposal_id=proposal_id,
        rules=rules,
        detail=detail or {},
        actor=actor,
    )
