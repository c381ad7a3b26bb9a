"""Page: a bounded piece of a list and where the next one starts."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """A bounded piece of a list."""

    model_config = ConfigDict(frozen=True)

    items: list[T]
    next_cursor: str | None  # None on the last page
