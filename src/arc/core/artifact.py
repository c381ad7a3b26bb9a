"""Artifact: immutable bytes with a kind, a digest, a size and the attempt that made them."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class ArtifactKind(StrEnum):
    """What the bytes are."""

    CHECKPOINT = "checkpoint"
    MODEL = "model"
    REPORT = "report"
    FIGURE = "figure"
    CONFIG = "config"
    LOG = "log"
    PREDICTIONS = "predictions"
    ARCHIVE = "archive"
    RESULT = "result"


class Artifact(BaseModel):
    """One file that an attempt left."""

    model_config = ConfigDict(frozen=True)

    id: str
    job_id: str
    attempt: int
    name: str  # output name, or file name below the attempt's folder
    kind: ArtifactKind
    digest: str  # sha256 in hex
    size_bytes: int
    path: str  # below the workspace
    step: int | None  # of a checkpoint
    published: bool  # False while it is only in the staging folder of an attempt
    created_at: datetime
    pinned: bool = False  # a person wants it kept: no clean-up takes it
