"""Input references: how a request names what a job reads, and what an attempt is given for it.

A request says `dataset:hrf@2`, `artifact:DIGEST`, `job:ID/OUTPUT` or `path:FILE`. The engine resolves each
at the start of every attempt, so that the wall is crossed by paths that were checked a moment before. Whoever trains
on a dataset that failed its validation says so in the reference, `dataset:hrf@2?accept=shortcut.size`, which stays
with the job and in the configuration of its experiment.
"""

import re
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from arc.core.errors import InvalidSpec
from arc.core.ids import check_name

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class InputRef:
    """A parsed reference."""

    scheme: Literal["dataset", "artifact", "job", "path"]
    target: str  # dataset name, digest, job id or path
    version: int | None = None  # of a dataset; None means the newest at submission
    output: str | None = None  # of a job
    accept: tuple[str, ...] = ()  # names of the checks whose failure is accepted, of a dataset

    def __str__(self) -> str:
        """The text form, as it stands in a job."""
        if self.scheme == "dataset":
            version = f"@{self.version}" if self.version is not None else ""
            return f"dataset:{self.target}{version}" + (f"?accept={','.join(self.accept)}" if self.accept else "")
        if self.scheme == "job":
            return f"job:{self.target}/{self.output}"
        return f"{self.scheme}:{self.target}"


def parse_input(text: str, *, field: str) -> InputRef:
    """The reference in `text`; InvalidSpec naming `field` when it is none."""
    scheme, colon, rest = text.partition(":")
    if not colon or not rest or "\0" in rest:
        raise InvalidSpec(f"{field} {text[:120]!r} is not dataset:, artifact:, job: or path:", field=field, value=text[:120])
    if scheme == "dataset":
        return _dataset(rest, field)
    if scheme == "artifact" and _DIGEST.fullmatch(rest):
        return InputRef("artifact", rest)
    if scheme == "job":
        job, slash, output = rest.partition("/")
        if slash and output:
            return InputRef("job", check_name(job, field=field), output=check_name(output, field=field))
    if scheme == "path":
        return InputRef("path", rest)
    raise InvalidSpec(f"{field} {text[:120]!r} cannot be read as a reference", field=field, value=text[:120])


def _dataset(rest: str, field: str) -> InputRef:
    named, question, accepted = rest.partition("?")
    name, at, version = named.partition("@")
    if at and not (version.isascii() and version.isdigit() and 0 < int(version[:10]) < 2**31):
        raise InvalidSpec(f"{field}: the version in {rest[:120]!r} is not a positive number", field=field, value=rest[:120])
    if question and not accepted.startswith("accept="):
        raise InvalidSpec(f"{field}: after ? comes accept=CHECK,…, not {accepted[:120]!r}", field=field, value=rest[:120])
    checks = dict.fromkeys(check_name(check, field=field) for check in accepted[7:].split(",")) if question else {}
    return InputRef("dataset", check_name(name, field=field), version=int(version) if at else None, accept=tuple(checks))


class ResolvedInput(BaseModel):
    """What an attempt is given for one input."""

    model_config = ConfigDict(frozen=True)

    ref: str
    path: str  # absolute: the file, or the folder of the dataset
    digest: str | None = None
    splits: dict[str, str] = {}  # split -> absolute path of its manifest
    sealed_path: str | None = None  # folder of the sealed images; evaluation and data recipes alone
    seals: dict[str, str] = {}  # folder -> digest of its list of files, checked before the recipe runs
    info: dict[str, object] = {}  # name, version, classes and counts of a dataset
