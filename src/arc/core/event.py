"""Event: one line of what happened, written in the same transaction as the change."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class Event(BaseModel):
    """One line of what happened."""

    model_config = ConfigDict(frozen=True)

    seq: int  # gapless and ordered over the whole store
    subject: str  # id of the thing it happened to
    kind: str  # noun.verb, such as job.started
    at: datetime
    actor: str  # who did it: a token's name, `engine`, `cli`
    detail: dict[str, Any]
