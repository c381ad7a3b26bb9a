"""Access: who may do what. Roles contain each other: admin > operator > researcher > viewer."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Role(StrEnum):
    """What a token may do."""

    VIEWER = "viewer"  # read
    RESEARCHER = "researcher"  # and say something to a study: propose, vote, approve, reject
    OPERATOR = "operator"  # and start, cancel, resume
    ADMIN = "admin"  # and delete, change settings, make tokens

    @property
    def rank(self) -> int:
        """Higher may do more."""
        return list(Role).index(self)


class Token(BaseModel):
    """A named right to use the control plane; its secret is stored hashed and shown once."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None


class Actor(BaseModel):
    """Who makes a request."""

    model_config = ConfigDict(frozen=True)

    name: str
    role: Role
    job_id: str | None = None  # set when the caller is an attempt with its capability
    orchestrates: bool = False  # that attempt may submit jobs, and read those it submitted
