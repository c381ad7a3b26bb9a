"""Dataset: a named collection with immutable versions, a manifest and splits; a patient never crosses splits."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class DatasetVersion(BaseModel):
    """One immutable version of a dataset."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: int  # 1, 2, …
    digest: str  # sha256 over the manifest, sealed rows included
    task: str  # classification or segmentation
    layout: str  # what the archive looked like before it was normalised
    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]  # split -> class -> images
    patients: dict[str, int]  # split -> patients
    patients_known: bool  # False: each image is taken for its own patient
    split_rule: str
    licence: str
    source: str
    path: str  # below the workspace; train and val
    sealed_path: str  # below the workspace; given to evaluation alone
    job_id: str | None
    parent: int | None
    created_at: datetime


class SealedUse(BaseModel):
    """One line of the ledger of a sealed split."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    version: int
    job_id: str
    attempt: int
    actor: str
    reason: str
    use: int  # the k-th use of this version
    at: datetime
