"""Dataset: a named collection with immutable versions, a manifest and splits; a patient never crosses splits."""

from datetime import datetime
from typing import Any

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
    created_at: datetime
    description: str = ""
    seal: str = ""  # sha256 of the list of files at `path`, by which a changed file is noticed; empty: made before there were seals
    sealed_seal: str = ""  # the same at `sealed_path`
    files: int = 0  # photographs
    bytes: int = 0  # of the photographs
    parameters: dict[str, Any] = {}  # step -> what it was given: unpack, register, preprocess, split
    made_from: str | None = None  # name@version that it was made from

    @property
    def ref(self) -> str:
        """The version as a reference names it: name@version."""
        return f"{self.name}@{self.version}"


class Validation(BaseModel):
    """What a validation said of a version; the newest counts."""

    model_config = ConfigDict(frozen=True)

    id: str
    dataset: str
    version: int
    job_id: str
    passed: bool
    failed: tuple[str, ...]  # names of the checks that failed
    summary: dict[str, Any]  # check -> what it examined and found, in short; the whole is an artifact of the job
    at: datetime


class Tracking(BaseModel):
    """That DVC keeps a version: where, and at which commit of the workspace's data repository."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    version: int
    remote: str
    pushed: bool
    revision: str  # the git commit whose .dvc files name the version
    job_id: str
    at: datetime


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
