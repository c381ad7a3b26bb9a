"""Cleaning: what a clean-up took away and what it left, each with its reason."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

FindingKind = Literal["experiment", "job", "checkpoint", "leftover"]


class Finding(BaseModel):
    """One thing that a clean-up looked at."""

    model_config = ConfigDict(frozen=True)

    kind: FindingKind
    id: str  # of the experiment or job it belongs to; of a leftover its path
    path: str  # below the workspace
    goes: bool  # False: it stays, and `why` says what speaks for it
    why: str
    size_bytes: int


class Cleaned(BaseModel):
    """What one clean-up did, or with `dry_run` would do."""

    model_config = ConfigDict(frozen=True)

    dry_run: bool
    removed: tuple[Finding, ...]
    kept: tuple[Finding, ...]  # those near: what would go if one thing were different

    @property
    def experiments_cleaned(self) -> int:
        """How many broken experiments went."""
        return sum(finding.kind == "experiment" for finding in self.removed)

    @property
    def freed_bytes(self) -> int:
        """What they took on the disk."""
        return sum(finding.size_bytes for finding in self.removed)
